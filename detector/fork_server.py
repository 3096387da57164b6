"""The process that decoder processes come from: `python -m unreel.detector.fork_server DESCRIPTOR`.

To start Python and to import numpy and PyAV takes 0.2 s of processor time, as much as decoding a
short clip. This process does it once and then forks a child for each file, which begins without a
trace of any file before it: the server itself opens no file and decodes nothing.

It is asked through a socket, whose descriptor it is given, and ends with the other end of it:

    SPAWN memory_bytes   with descriptors of file, requests and answers -> pid of a decoder process
    END pid seconds      wait so long, then kill -> exit code, negative for a signal

Its children are killed by the kernel when it dies (on Linux), so that nothing outlives a scan that
was killed itself.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys
import time

REQUEST = struct.Struct(">cqd")
"""What is asked, memory in bytes or a pid, seconds."""
ANSWER = struct.Struct(">q")
SPAWN, END = b"S", b"E"
DESCRIPTORS = 3
FAILED = -(1 << 40)
"""Answer to SPAWN when no process can be made; the error number is added to it."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the other end of the socket is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _load_decoders()
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, DESCRIPTORS)
        if len(asked) < REQUEST.size:
            os._exit(0)
        what, value, seconds = REQUEST.unpack(asked)
        answer = _end(value, seconds) if what == END else _spawn(control, value, descriptors)
        control.sendall(ANSWER.pack(answer))


def _load_decoders() -> None:
    """What every child would import; what is missing is reported by the child that needs it."""
    with contextlib.suppress(ImportError):
        import unreel.detector.probe  # noqa: F401  # loaded for the children alone
    gc.collect()
    gc.freeze()  # the children do not touch, and so do not copy, what is there now


def _spawn(control: socket.socket, memory_bytes: int, descriptors: list[int]) -> int:
    server = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        pid = FAILED + (error.errno or 0)
    if pid == 0:
        status = 1
        try:
            control.close()
            os.setsid()
            _die_with(server)
            _serve_one_file(memory_bytes, descriptors)
            status = 0
        finally:
            os._exit(status)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _serve_one_file(memory_bytes: int, descriptors: list[int]) -> None:
    from unreel.detector.decode_worker import serve

    file, requests, answers = descriptors
    serve(file, requests, answers, memory_bytes)


def _die_with(server: int) -> None:
    """Be killed when the server dies. Systems other than Linux rely on the closed pipes."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:  # it died in between
        os._exit(1)


def _end(pid: int, seconds: float) -> int:
    """Wait for a child, kill it when it takes too long, and tell how it ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
