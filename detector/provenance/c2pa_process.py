"""The parent's end of the C2PA process: start it once, ask it, kill it when it is late."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from unreel.detector.decoder_server import child_environment
from unreel.detector.provenance.c2pa_worker import LENGTH, MAX_ANSWER

WAIT_SECONDS = 60.0
"""A manifest covers the whole file, which is hashed: some seconds for each gigabyte."""


class C2paProcess:
    """A child that reads manifests, started with the first file that has one.

    Args:
        trust_lists: PEM files with the certificates of who is trusted.
    """

    def __init__(self, trust_lists: tuple[str, ...]) -> None:
        self._trust_lists = trust_lists
        self._child: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, descriptor: int, format: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The library's answer on one file.

        Args:
            descriptor: Of the file.
            format: MIME type.
            seconds: When to give up.

        Returns:
            `state` and `store`, or `error` and `message`; a dead or late child is an error too.
        """
        with self._lock:
            try:
                link = self._started()
                request = json.dumps({"format": format, "seconds": seconds}).encode()
                socket.send_fds(link, [request], [descriptor])
                return self._receive(link, time.monotonic() + seconds)
            except TimeoutError:
                self.close()
                return {"error": "Timeout", "message": f"no answer in {seconds:.0f} s"}
            except (OSError, ValueError, RecursionError) as error:
                self.close()
                return {"error": "Died", "message": str(error)[:200] or "the process died"}

    def close(self) -> None:
        """Kill the child, which has nothing to tidy up."""
        if self._link is not None:
            self._link.close()
        if self._child is not None and self._owner == os.getpid():
            self._child.kill()
            self._child.wait()
        self._child = self._link = None

    def _started(self) -> socket.socket:
        if self._link is not None and self._child is not None and self._owner == os.getpid():
            return self._link
        parent, child = socket.socketpair()
        command = ["-P", "-m", "unreel.detector.provenance.c2pa_worker", str(child.fileno())]
        try:
            self._child = subprocess.Popen(
                [sys.executable, *command, *self._trust_lists],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(child.fileno(),),
                start_new_session=True,
                env=child_environment(),
            )
        except BaseException:
            parent.close()
            raise
        finally:
            child.close()
        self._link, self._owner = parent, os.getpid()
        return parent

    def _receive(self, link: socket.socket, deadline: float) -> dict[str, Any]:
        (length,) = LENGTH.unpack(self._exactly(link, LENGTH.size, deadline))
        if length > MAX_ANSWER:
            raise ValueError("an answer larger than allowed")
        answer: dict[str, Any] = json.loads(self._exactly(link, length, deadline))
        return answer

    def _exactly(self, link: socket.socket, count: int, deadline: float) -> bytes:
        got = b""
        while len(got) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            link.settimeout(left)
            more = link.recv(count - len(got))
            if not more:
                raise OSError("the process died")
            got += more
        return got


_processes: dict[tuple[str, ...], C2paProcess] = {}


def c2pa_process(trust_lists: tuple[str, ...]) -> C2paProcess:
    """The process for these trust lists; one for a whole run."""
    if trust_lists not in _processes:
        _processes[trust_lists] = C2paProcess(trust_lists)
    return _processes[trust_lists]


@atexit.register
def _close_all() -> None:
    for process in _processes.values():
        with contextlib.suppress(OSError):
            process.close()
