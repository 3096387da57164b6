"""The engine of many machines: workers on a Ray cluster, each watching a worker process of its own.

A Ray worker holds no model. It runs the same worker process as the engine of one machine, with the
same limits, so that a bad file is dealt with where it is. When a Ray worker or its machine is gone,
that is no fault of the file in its hand: the file goes to another one.

Ray listens on ports that ask nobody for a password: whoever reaches them runs programs there. It
belongs on a private network.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from unreel.detector.audit.engine import Outcome, Task, WorkerSpec, spec_from_json
from unreel.detector.audit.errors import EngineError
from unreel.detector.audit.local_engine import LocalEngine
from unreel.detector.audit.settings import settings_of

MAX_MOVES = 20
"""Machines that may be lost under one file before something else must be wrong."""


class RemoteWorker:
    """What runs on a machine of the cluster; made into a Ray actor by `RayEngine`."""

    def __init__(self, spec: dict[str, Any], file_seconds: float, memory_bytes: int) -> None:
        self._spec = spec_from_json(spec)
        self._engine = LocalEngine(
            self._spec,
            workers=1,
            threads=1,
            file_seconds=file_seconds,
            memory_bytes=memory_bytes,
        )

    def identity(self) -> dict[str, str]:
        """Which program and which model would judge here."""
        folder = Path(self._spec.model_folder) if self._spec.model_folder else None
        settings = settings_of(folder, self._spec.config).fingerprint
        return {"unreel": version("unreel"), "settings": settings, "host": socket.gethostname()}

    def do(self, file_id: int, path: str, kind: Literal["hash", "scan"]) -> dict[str, Any]:
        """One task from beginning to end."""
        self._engine.submit(Task(file_id, path, kind))
        while not (outcomes := self._engine.wait(60.0)):
            pass
        (outcome,) = outcomes
        return {"sha256": outcome.sha256, "report": outcome.report, "lost": outcome.lost}


@dataclass(slots=True)
class _Seat:
    """One actor, and what it is doing."""

    actor: Any
    answer: Any
    """Reference to the answer that is awaited: of `identity` at first, of a task later."""
    task: Task | None = None
    ready: bool = False


class RayEngine:
    """Workers on a Ray cluster.

    Args:
        spec: What they need to know. Model folder and files must be found under the same names on
            every machine.
        address: Of a running cluster, "auto" for the one of this machine; None = one is started
            here, for this run.
        workers: Number of workers; 0 = one for each core of the cluster.
        file_seconds: Wall-clock limit for one file.
        memory_bytes: Resident memory of one worker with its decoder.

    Raises:
        EngineError: The cluster cannot be reached.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        address: str | None = None,
        workers: int = 0,
        file_seconds: float = 600.0,
        memory_bytes: int = 4 << 30,
    ) -> None:
        self._ray = _connect(address, workers)
        self.workers = workers or int(self._ray.cluster_resources().get("CPU", 1))
        self._arguments = (spec.as_json(), file_seconds, memory_bytes)
        folder = Path(spec.model_folder) if spec.model_folder else None
        self._expected = {
            "unreel": version("unreel"),
            "settings": settings_of(folder, spec.config).fingerprint,
        }
        self._class = self._ray.remote(num_cpus=1, max_restarts=0)(RemoteWorker)
        self._seats: dict[Any, _Seat] = {}
        """By the reference that is awaited; idle ones stand in `_idle`."""
        self._idle: list[_Seat] = []
        self._waiting: deque[Task] = deque()
        self._moves: dict[int, int] = {}
        """file_id -> machines that were lost under it."""
        for _ in range(self.workers):
            self._hire()

    def room(self) -> int:
        return self.workers - self.in_hand()

    def in_hand(self) -> int:
        return len(self._waiting) + sum(s.task is not None for s in self._seats.values())

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._hand_out()

    def wait(self, seconds: float) -> list[Outcome]:
        found, _ = self._ray.wait(list(self._seats), num_returns=1, timeout=seconds)
        if found:  # others may have come in the meantime
            every = list(self._seats)
            found, _ = self._ray.wait(every, num_returns=len(every), timeout=0)
        outcomes = [o for answer in found if (o := self._take(answer)) is not None]
        self._hand_out()
        return outcomes

    def close(self) -> None:
        if self._ray is None:
            return
        for seat in [*self._seats.values(), *self._idle]:
            self._ray.kill(seat.actor)
        self._ray.shutdown()
        self._ray = None

    def _hire(self) -> None:
        actor = self._class.remote(*self._arguments)
        answer = actor.identity.remote()
        self._seats[answer] = _Seat(actor, answer)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            seat, task = self._idle.pop(), self._waiting.popleft()
            seat.task = task
            seat.answer = seat.actor.do.remote(task.file_id, task.path, task.do)
            self._seats[seat.answer] = seat

    def _take(self, answer: Any) -> Outcome | None:
        seat = self._seats.pop(answer)
        task, seat.task = seat.task, None
        lost = (
            self._ray.exceptions.RayActorError,
            self._ray.exceptions.NodeDiedError,
            self._ray.exceptions.ObjectLostError,
        )
        try:
            said = self._ray.get(answer)
        except lost as error:
            self._hire()
            if task is not None:
                self._move(task, error)
            return None
        except self._ray.exceptions.RayTaskError as error:
            raise EngineError(f"a worker cannot work: {error.cause!r}") from error
        self._idle.append(seat)
        if not seat.ready:
            self._check(said)
            seat.ready = True
            return None
        assert task is not None
        self._moves.pop(task.file_id, None)
        end = tuple(said["lost"]) if said["lost"] else None
        return Outcome(task, said["sha256"], said["report"], end)

    def _check(self, said: dict[str, str]) -> None:
        """Refuse machines that would judge otherwise: their rows would look like ours."""
        for name, expected in self._expected.items():
            if said[name] != expected:
                raise EngineError(
                    f"{said['host']} has {name} {said[name]}, this machine {expected}: install the "
                    "same version and the same model on every machine"
                )

    def _move(self, task: Task, error: Exception) -> None:
        """A machine is gone: its file goes to another one, before all others."""
        moves = self._moves[task.file_id] = self._moves.get(task.file_id, 0) + 1
        if moves > MAX_MOVES:
            raise EngineError(f"{moves} workers were lost under {task.path}: {error}")
        self._waiting.appendleft(task)


def _connect(address: str | None, workers: int) -> Any:
    """Ray with its usage statistics off, connected."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # for the nodes that are started from here
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is not None:
            ray.init(address=address, **quiet)
        else:
            ray.init(num_cpus=workers or None, include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineError(f"no Ray cluster at {address or 'this machine'}: {error}") from error
    return ray
