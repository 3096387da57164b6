"""What an engine is: something that takes tasks and gives outcomes, in any order.

A task is small (a name), an outcome is a line of JSON: neither side unpickles what the other made.
No engine touches the store, so that workers may die, be killed or vanish with their machine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from unreel.detector.config import Limits, ScanConfig

SCANNING = "unreel.detector.audit.judge:scanning_judge"
"""The judge that scans."""


@dataclass(frozen=True, slots=True)
class Task:
    """Hash or scan one file."""

    file_id: int
    path: str
    do: Literal["hash", "scan"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task: one of the three is set, for `hash` perhaps none."""

    task: Task
    sha256: str | None = None
    """Of a `hash`; None when the file cannot be read to its end."""
    report: str | None = None
    """Of a `scan`: one line of JSON with the facts of the run."""
    lost: tuple[str, str] | None = None
    """Code and message when the worker died, or was stopped at a limit."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker needs to know; goes to it as JSON."""

    config: ScanConfig
    model_folder: str | None = None
    """None = the model in the package."""
    judge: str = SCANNING
    """module:function that takes this record and gives a function from path to report."""
    temp_folder: str | None = None
    """Where objects of buckets are put while they are looked at; None = the system's place."""
    object_bytes: int = 20 << 30
    """Largest object that one worker may put there."""

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)


def spec_from_json(content: dict[str, Any]) -> WorkerSpec:
    """The other way round."""
    config = dict(content["config"])
    limits = Limits(**config.pop("limits"))
    return WorkerSpec(**{**content, "config": ScanConfig(limits=limits, **config)})


class Engine(Protocol):
    """Where tasks go."""

    def room(self) -> int:
        """Tasks that may be submitted now: no more are accepted than are soon begun."""

    def in_hand(self) -> int:
        """Tasks that are submitted and without outcome."""

    def submit(self, task: Task) -> None:
        """Take a task; called as often as `room` says."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Outcomes that have come, as soon as there is one; none when the time is over.

        Raises:
            EngineError: No worker can be started.
        """

    def close(self) -> None:
        """Stop the workers, at once; what is in hand has no outcome. May be called twice."""
