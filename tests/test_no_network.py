"""Nothing leaves the machine: a scan runs where the kernel kills whoever asks for the network.

The filter is inherited by every child process and sees native code too, so that the decoder and
the model runtime are held to it, not only Python's socket module.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOCKET_SYSCALL = {"x86_64": 41, "aarch64": 198}.get(platform.machine())

WITHOUT_NETWORK = """
import ctypes, os, struct, sys

ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
AF_INET, AF_INET6, AF_NETLINK, AF_PACKET = 2, 10, 16, 17
rules = [
    (LOAD, 0, 0, NUMBER),
    (JUMP_IF_EQUAL, 0, 5, int(sys.argv[1])),
    (LOAD, 0, 0, FIRST_ARGUMENT),
    (JUMP_IF_EQUAL, 4, 0, AF_INET),
    (JUMP_IF_EQUAL, 3, 0, AF_INET6),
    (JUMP_IF_EQUAL, 2, 0, AF_NETLINK),
    (JUMP_IF_EQUAL, 1, 0, AF_PACKET),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, KILL_PROCESS),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit("no seccomp here: " + os.strerror(ctypes.get_errno()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or SOCKET_SYSCALL is None,
    reason="only the Linux kernel can be asked to refuse sockets (x86_64 and aarch64 known)",
)


def without_network(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as a user at home would: libraries keep quiet in CI, which must not hide them."""
    launcher = [sys.executable, "-c", WITHOUT_NETWORK, str(SOCKET_SYSCALL)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [*launcher, *arguments], capture_output=True, text=True, timeout=120, env=environment
    )


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_the_filter_bites_also_in_a_child(family: str, tmp_path: Path) -> None:
    ask = f"import socket; socket.socket(socket.{family})"
    assert without_network("-c", ask, home=tmp_path).returncode == -signal.SIGSYS
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    assert (
        f"died with <Signals.SIGSYS: {int(signal.SIGSYS)}>"
        in without_network("-c", child, home=tmp_path).stderr
    )


def test_scan_asks_for_no_network_and_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    scan = ["-m", "unreel.detector.cli", "scan", "--json", str(clip)]
    done = without_network(*scan, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    row = json.loads(done.stdout)
    assert row["status"] == "ok"
    assert row["verdict"]["score"] is not None
    assert list(tmp_path.iterdir()) == []


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    trap = tmp_path / "clip.mp4"
    trap.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/segment.ts\n#EXT-X-ENDLIST\n")
    scan = ["-m", "unreel.detector.cli", "scan", "--json", str(trap)]
    done = without_network(*scan, home=tmp_path)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "playlist"


def test_an_audit_asks_for_no_network(clip: Path, tmp_path: Path) -> None:
    """Workers, their decoders and the store included; only the store and its lock are left."""
    home, folder = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    folder.mkdir()
    db = str(folder / "audit.sqlite")
    audit = ["-m", "unreel.detector.cli", "audit"]
    done = without_network(*audit, "run", str(clip), "--db", db, "--workers", "1", home=home)
    assert done.returncode == 0, done.stderr
    for verb in ("report", "verify", "export"):
        assert without_network(*audit, verb, db, home=home).returncode == 0
    assert list(home.iterdir()) == []
    assert {path.name for path in folder.iterdir()} == {"audit.sqlite", "audit.sqlite.lock"}


def test_provenance_asks_for_no_network_though_the_manifest_names_addresses(
    clip: Path, tmp_path: Path
) -> None:
    from make_signed import sign

    signed = sign(clip, tmp_path / "signed.mp4")
    home = tmp_path / "home"
    home.mkdir()
    command = ["-m", "unreel.detector.cli", "provenance", "--json", str(signed)]
    done = without_network(*command, home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["provenance"]["c2pa"]["state"] == "untrusted"
    assert list(home.iterdir()) == []
