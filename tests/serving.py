"""A real server on a real port for the tests of `unreel serve`: uvicorn in a thread, workers below.

Where dozens of clips are needed, `serve_judges` takes the place of the scan; all around it is real.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from unreel.detector.config import ScanConfig
from unreel.detector.serve.http_server import Server
from unreel.detector.serve.service import Service
from unreel.detector.serve.settings import ServeSettings

QUICK = "serve_judges:quick"
FEW_THREADS = ScanConfig(threads=1)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    url: str
    service: Service

    def client(self, **options: Any) -> httpx.Client:
        """Somebody who is no browser."""
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def clip(self, upload: str) -> dict[str, Any]:
        """How a clip is."""
        with self.client() as client:
            return client.get(f"/api/clips/{upload}").raise_for_status().json()

    def finished(self, upload: str, seconds: float = 120) -> dict[str, Any]:
        """How a clip is when it is done."""
        wait(lambda: self.clip(upload)["state"] not in ("queued", "working"), seconds)
        return self.clip(upload)


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Running]:
    """A server with a folder; stopped at the end, its clips stay."""
    given = {"config": FEW_THREADS, "min_free_bytes": 0} | options
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Service(ServeSettings(folder=folder, **given)) as service:
            server = Server(service)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                wait(lambda: server.started, 30)
                yield Running(url, service)
            finally:
                server.should_exit = True
                thread.join()


def wait(condition: Callable[[], object], seconds: float) -> None:
    """Until something comes true.

    Raises:
        AssertionError: It does not, in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds:g} s"
        time.sleep(0.05)


def mp4(text: str) -> bytes:
    """Bytes that begin like an MP4; what `serve_judges` does with them stands in the text."""
    return b"\x00\x00\x00\x18ftypisom" + b"\x00" * 12 + text.encode()


def drop(server: Running, *texts: str, name: str = "clip.mp4") -> list[str]:
    """Upload; returns the ids."""
    files = [("file", (name, mp4(text))) for text in texts]
    with server.client() as client:
        answer = client.post("/api/clips", files=files)
    assert answer.status_code == 201, answer.text
    return [clip["id"] for clip in answer.json()["clips"]]
