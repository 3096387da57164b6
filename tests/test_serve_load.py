"""Fifty uploads at once into the command itself: all end in a row, and its memory stays bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import httpx
from serving import mp4, wait

pytestmark = pytest.mark.slow

FILES = 50
FILE_BYTES = 16 << 20
MOST_GROWTH_BYTES = 150 << 20
"""A sixth of what is sent; eight uploads are read at a time, a chunk of each is held."""


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM: this test needs Linux")


def body(name: str, content: bytes) -> Iterator[bytes]:
    """A multipart request, a piece at a time, so that this process does not hold it either."""
    yield (
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    ).encode()
    yield content
    sent = len(content)
    while sent < FILE_BYTES:
        yield os.urandom(256 << 10)
        sent += 256 << 10
    yield b"\r\n--b--\r\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fifty_large_uploads_at_once(clip: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unreel.detector.cli", "serve", "--port", "0"]
    # Bytes are what is measured here, not how full the disk of this machine is.
    options = ["--folder", str(tmp_path / "data"), "--min-free", "0"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=300) as client:
            wait(lambda: _answers(client), 60)
            before = peak_bytes(process.pid)
            made: list[str] = []

            def send(number: int) -> None:
                # Every tenth is a real clip with bytes behind it, the others break when opened.
                start = clip.read_bytes() if number % 10 == 0 else mp4(str(number))
                answer = client.post(
                    "/api/clips",
                    content=body(f"{number}.mp4", start),
                    headers={"content-type": "multipart/form-data; boundary=b"},
                )
                made.extend(clip["id"] for clip in answer.raise_for_status().json()["clips"])

            threads = [threading.Thread(target=send, args=(n,)) for n in range(FILES)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(made)) == FILES
            wait(lambda: client.get("/api/status").json()["waiting"] == 0, 500)
            grown = peak_bytes(process.pid) - before
            said = f"{FILES} x {FILE_BYTES >> 20} MiB: at most {before >> 20} MiB before"
            print(f"{said}, {(before + grown) >> 20} MiB after")
            clips = client.get("/api/clips?most=500").json()["clips"]
        assert {c["id"] for c in clips} == set(made)
        states = [c["state"] for c in clips]
        assert states.count("done") == FILES // 10
        assert states.count("error") == FILES - FILES // 10
        assert grown < MOST_GROWTH_BYTES
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/status").status_code == 200
    except httpx.TransportError:
        return False
