"""The engine of one machine: worker processes, each with a loaded model and a clip in hand.

Workers times threads is at most the number of cores. No task waits in a worker's queue, so that a
worker that dies takes one file with it at most.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections import deque
from dataclasses import replace
from typing import Any

from unreel.detector.audit.engine import Outcome, Task, WorkerSpec
from unreel.detector.audit.errors import EngineError
from unreel.detector.audit.worker_process import WorkerProcess
from unreel.detector.errors import ModelError

MAX_FAILED_STARTS = 3
START_SECONDS = 300.0
"""To load a model from a slow disk on a busy machine."""
BYTES_PER_SECOND = 20e6
"""A slow disk: large files may take longer."""
MEMORY_CHECK_SECONDS = 0.5


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere a process has all cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalEngine:
    """Worker processes on this machine.

    Args:
        spec: What they need to know; its thread counts are set here.
        workers: Number of processes; 0 = one for each core. They live as long as the thread that
            waits for them.
        threads: Of each; 0 = its share of the cores.
        file_seconds: Wall-clock limit for one file; large files get more.
        memory_bytes: Resident memory of one worker with its decoder.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        workers: int = 0,
        threads: int = 0,
        file_seconds: float = 600.0,
        memory_bytes: int = 4 << 30,
    ) -> None:
        self.workers = workers or usable_cores()
        self.threads = threads or max(1, usable_cores() // self.workers)
        limits = replace(spec.config.limits, threads=self.threads)
        config = replace(spec.config, limits=limits, threads=self.threads)
        self._spec = replace(spec, config=config)
        self._file_seconds = file_seconds
        self._memory_bytes = memory_bytes
        self._alive: dict[int, WorkerProcess] = {}
        """By the descriptor that its answers come from."""
        self._waiting: deque[Task] = deque()
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0
        self._memory_checked = 0.0
        self.crashes = 0
        """Workers that died or were stopped, with a file in hand or not."""

    def room(self) -> int:
        return self.workers - self.in_hand()

    def in_hand(self) -> int:
        return len(self._waiting) + sum(w.task is not None for w in self._alive.values())

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._hand_out()

    def wait(self, seconds: float) -> list[Outcome]:
        until = time.monotonic() + seconds
        while True:
            self._hand_out()
            outcomes = self._collect(min(MEMORY_CHECK_SECONDS, max(0.0, until - time.monotonic())))
            outcomes += self._over_limits()
            if outcomes or time.monotonic() >= until:
                return outcomes

    def drop(self, file_id: int) -> None:
        """Forget a task, and stop the worker that has it: there will be no outcome."""
        self._waiting = deque(task for task in self._waiting if task.file_id != file_id)
        for worker in list(self._alive.values()):
            if worker.task is not None and worker.task.file_id == file_id:
                self._end(worker)

    def close(self) -> None:
        self._waiting.clear()
        for worker in list(self._alive.values()):
            self._end(worker)
        self._selector.close()

    def _hand_out(self) -> None:
        """Give waiting tasks to idle workers; start those that are missing."""
        idle = [w for w in self._alive.values() if w.ready and w.task is None]
        while self._waiting and idle:
            task = self._waiting.popleft()
            idle.pop().give(task, self._seconds_for(task.path))
        starting = sum(not w.ready for w in self._alive.values())
        for _ in range(min(len(self._waiting) - starting, self.workers - len(self._alive))):
            worker = WorkerProcess(self._spec)
            worker.deadline = time.monotonic() + START_SECONDS
            self._alive[worker.out] = worker
            self._selector.register(worker.out, selectors.EVENT_READ, worker)

    def _seconds_for(self, path: str) -> float:
        with contextlib.suppress(OSError, ValueError):
            return self._file_seconds + os.stat(path).st_size / BYTES_PER_SECOND
        return self._file_seconds

    def _collect(self, seconds: float) -> list[Outcome]:
        if not self._alive:
            return []
        outcomes: list[Outcome] = []
        for key, _ in self._selector.select(seconds):
            worker: WorkerProcess = key.data
            messages = worker.messages()
            if messages is None:
                outcomes += self._mourn(worker)
                continue
            for message in messages:
                outcomes += self._understand(worker, message)
        return outcomes

    def _understand(self, worker: WorkerProcess, message: dict[str, Any]) -> list[Outcome]:
        if "refused" in message:
            raise ModelError(message["refused"])
        if "ready" in message:
            worker.ready, worker.deadline = True, float("inf")
            self._failed_starts = 0
            return []
        task, worker.task, worker.deadline = worker.task, None, float("inf")
        if task is None or task.file_id != message["file"]:
            raise EngineError(
                f"a worker answered for file {message['file']}, which it did not have"
            )
        if worker.resident_bytes() > 0.8 * self._memory_bytes:
            self._end(worker)  # the next file must not pay for what this one left behind
        return [Outcome(task, message.get("sha256"), message.get("report"))]

    def _mourn(self, worker: WorkerProcess) -> list[Outcome]:
        """A worker has died by itself."""
        task, started = worker.task, worker.ready
        how = self._end(worker)
        self.crashes += 1
        if not started:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise EngineError(f"no worker can be started ({how}); try: unreel doctor")
        if task is None:
            return []
        return [Outcome(task, lost=("worker-crash", f"the worker died on this file ({how})"))]

    def _over_limits(self) -> list[Outcome]:
        """Stop workers that take too long or too much."""
        clock = time.monotonic()
        check_memory = clock - self._memory_checked >= MEMORY_CHECK_SECONDS
        if check_memory:
            self._memory_checked = clock
        outcomes: list[Outcome] = []
        for worker in list(self._alive.values()):
            if clock >= worker.deadline:
                seconds = self._file_seconds
                lost = ("timeout", f"not done after {seconds:g} s; raise --file-timeout to try on")
            elif check_memory and worker.task and worker.resident_bytes() > self._memory_bytes:
                limit = self._memory_bytes >> 20
                lost = ("out-of-memory", f"the worker grew beyond {limit} MiB; see --worker-memory")
            else:
                continue
            task, started = worker.task, worker.ready
            self._end(worker)
            self.crashes += 1
            if not started:
                raise EngineError(f"a worker did not start within {START_SECONDS:g} s")
            if task is not None:
                outcomes.append(Outcome(task, lost=lost))
        return outcomes

    def _end(self, worker: WorkerProcess) -> str:
        self._selector.unregister(worker.out)
        del self._alive[worker.out]
        return worker.kill()
