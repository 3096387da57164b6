"""What is kept of each clip under each condition is made where it is missing, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unreel.data.manifest import Clip

Job = tuple[Clip, str]
"""A clip and the name of a condition."""


def missing(
    clips: Sequence[Clip], conditions: Iterable[str], path_of: Callable[[Clip, str], Path]
) -> list[Job]:
    """Those whose file is not there, condition by condition."""
    return [(c, name) for name in conditions for c in clips if not path_of(c, name).exists()]


def make_all(
    jobs: Sequence[Job],
    make: Callable[[Clip, str], str | None],
    *,
    what: str,
    workers: int,
    tell: Callable[[str], None],
) -> None:
    """Make them in threads; what is made in long calls that let go of the interpreter gains by it.

    Args:
        jobs: See `missing`.
        make: Makes one; returns a sentence where there is something to be told of it.
        what: Named in the messages on progress.
        workers: Threads.
        tell: Takes the messages.
    """
    with ThreadPoolExecutor(workers) as pool:
        for done, problem in enumerate(pool.map(lambda job: make(*job), jobs), start=1):
            if problem:
                tell(problem)
            if done % 50 == 0 or done == len(jobs):
                tell(f"{what}: {done} of {len(jobs)} clips")
