"""The parent's end of the fork server: one for each process that scans, started on first use.

`start_early` lets it load its decoders while the caller loads a model.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref

from unreel.detector.errors import MediaError
from unreel.detector.fork_server import ANSWER, END, FAILED, REQUEST, SPAWN

_ANSWER_SECONDS = 120.0
"""Longest wait for an answer; on a machine that is overrun even an import takes many seconds."""


class DecoderServer:
    """A running fork server.

    Args:
        environment: Of its process.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.search_path = environment["PYTHONPATH"]
        """Where it finds the packages that its parent finds."""
        self.owner = os.getpid()
        """Only this process may ask it: forked copies of the caller share the socket."""
        self._turn = threading.Lock()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_ANSWER_SECONDS)
        with theirs:
            process = subprocess.Popen(
                # -P: a numpy.py in the current folder is not imported.
                [sys.executable, "-P", "-m", "unreel.detector.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                # No algebra is done in it, and a process with threads must not be forked.
                env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            )
        # Also when the interpreter ends.
        weakref.finalize(self, _shut, self._control, process, self.owner)

    def spawn(self, file: int, requests: int, answers: int, memory_bytes: int) -> int:
        """Start a decoder process.

        Args:
            file: Descriptor of the video.
            requests: Descriptor that it reads requests from.
            answers: Descriptor that it writes answers to.
            memory_bytes: Address space that it may take.

        Returns:
            Its process id.

        Raises:
            OSError: The server is gone, or no process can be made.
        """
        pid = self._ask(SPAWN, memory_bytes, 0.0, [file, requests, answers])
        if pid < 0:
            raise OSError(pid - FAILED, os.strerror(pid - FAILED))
        return pid

    def end(self, pid: int, seconds: float = 0.0) -> int:
        """Wait for a decoder process and kill it when it takes longer.

        Returns:
            Its exit code, negative for a signal.
        """
        try:
            return self._ask(END, pid, seconds, [])
        except OSError:  # the server is gone, and the kernel has killed what it had started
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return -signal.SIGKILL

    def _ask(self, what: bytes, value: int, seconds: float, descriptors: list[int]) -> int:
        with self._turn:
            socket.send_fds(self._control, [REQUEST.pack(what, value, seconds)], descriptors)
            answer = self._control.recv(ANSWER.size)
        if len(answer) < ANSWER.size:
            raise ConnectionResetError("the fork server has died")
        return int(ANSWER.unpack(answer)[0])


_running: DecoderServer | None = None
_starting = threading.Lock()


def start_early() -> DecoderServer:
    """The server of this process; it is started, not waited for."""
    global _running
    environment = child_environment()
    with _starting:
        server = _running
        fits = server is not None and server.owner == os.getpid()
        if server is None or not fits or server.search_path != environment["PYTHONPATH"]:
            _running = server = DecoderServer(environment)
        return server


def spawn_decoder(
    file: int, requests: int, answers: int, memory_bytes: int
) -> tuple[DecoderServer, int]:
    """Start a decoder process, with a new server where the last one has died.

    Returns:
        Its server and its process id.

    Raises:
        MediaError: decoder-crash.
    """
    global _running
    for _ in range(2):
        server = start_early()
        try:
            return server, server.spawn(file, requests, answers, memory_bytes)
        except OSError as error:
            reason = error
            with _starting:
                _running = None if _running is server else _running
    raise MediaError(
        "decoder-crash", f"no decoder process can be started: {reason}; try `unreel doctor`"
    )


def _shut(control: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    control.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()


def child_environment() -> dict[str, str]:
    """The parent's environment without proxies; the same packages are found as in the parent."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    kept["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return kept
