"""The parent's end of a worker process: start it, give it a task, watch it, kill it.

A worker that crashes, hangs or grows takes nothing with it but the file in its hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from unreel.detector.audit.engine import Task, WorkerSpec

MAX_LINE_BYTES = 256 << 20
"""More than any report holds: a worker that writes more is out of its mind."""
_TOLD_CHARACTERS = 300


class WorkerProcess:
    """One worker and what it has in hand.

    Args:
        spec: Goes to it as JSON.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        threads = str(max(1, spec.config.threads))
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.child = subprocess.Popen(
            # -P: a json.py in the current folder is not imported.
            [sys.executable, "-P", "-m", "unreel.detector.audit.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(pools, threads), "PYTHONPATH": _search_path()},
        )
        assert self.child.stdout is not None
        self.out = self.child.stdout.fileno()
        os.set_blocking(self.out, False)
        self._held = bytearray()
        self.ready = False
        self.task: Task | None = None
        self.deadline = float("inf")
        """On the clock of time.monotonic."""
        self._write(spec.as_json())

    def give(self, task: Task, seconds: float) -> None:
        """Hand over a task that must be done within so many seconds."""
        self.task, self.deadline = task, time.monotonic() + seconds
        path_hex = os.fsencode(task.path).hex()
        self._write({"do": task.do, "file": task.file_id, "path_hex": path_hex})

    def messages(self) -> list[dict[str, Any]] | None:
        """What has come by now; None = the worker is gone."""
        gone = False
        while True:
            try:
                got = os.read(self.out, 1 << 16)
            except BlockingIOError:
                break
            except OSError:
                got = b""
            if not got:
                gone = True
                break
            self._held += got
            if len(self._held) > MAX_LINE_BYTES:
                return None
        *lines, rest = self._held.split(b"\n")
        if lines:
            self._held = bytearray(rest)
        found = [json.loads(line) for line in lines]
        return found if found or not gone else None

    def resident_bytes(self) -> int:
        """Of the worker and all below it."""
        return sum(_resident(pid) for pid in (self.child.pid, *descendants(self.child.pid)))

    def kill(self) -> str:
        """End it and all below it; returns how it ended, with the end of what it said."""
        below = descendants(self.child.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=0.05)  # it may be ending by itself: then that is the reason
        self.child.kill()
        code = self.child.wait()
        for pid in below:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - 4 * _TOLD_CHARACTERS))
        said = self._stderr.read().decode("utf-8", "replace").strip()
        self._stderr.close()
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"{how}: {said[-_TOLD_CHARACTERS:]}" if said else how

    def _write(self, message: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):  # it is gone: reading finds out
            self.child.stdin.write(json.dumps(message).encode() + b"\n")


def descendants(pid: int) -> list[int]:
    """Processes below one, as far as the system tells (Linux)."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as handle:
                children = [int(part) for part in handle.read().split()]
            for child in children:
                found += [child, *descendants(child)]
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as handle:
            return int(handle.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _search_path() -> str:
    """The same packages are found as here."""
    return os.pathsep.join(part for part in sys.path if part)
