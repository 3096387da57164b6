"""How far a clip is: told by the worker in a small file beside the clip, shown as a share.

The answers of a worker carry results alone, and a worker may die at any moment: a file needs no
protocol, and the last word stays readable whatever happens.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

STEP_FILE = "step"
_MAX_BYTES = 200
_STRETCH = re.compile(r"reading stretch (\d{1,6}) of (\d{1,6})")
_STAGES: tuple[tuple[str, str, float], ...] = (
    ("reading what it says", "provenance", 0.02),
    ("opening", "open", 0.05),
    ("looking for cuts", "shots", 0.1),
    ("judging", "judge", 0.75),
    ("re-encoding", "recheck", 0.8),
    ("looking at objects", "evidence", 0.85),
    ("keeping pictures", "pictures", 0.95),
)
"""First words of `scan_video`'s progress, a stable name, and about how much of the work is done."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a scan is."""

    stage: str
    """provenance, open, shots, read, judge, recheck, evidence, pictures or work."""
    share: float
    """About how much is done, 0..1."""
    number: int = 0
    """Of the stretch that is read."""
    of: int = 0


def write_step(folder: Path, words: str) -> None:
    """Leave word; a full disk must not stop the scan."""
    with contextlib.suppress(OSError):
        (folder / STEP_FILE).write_text(words, encoding="utf-8")


def read_step(folder: Path) -> Step | None:
    """The last word; None = none yet."""
    try:
        with (folder / STEP_FILE).open("rb") as handle:
            words = handle.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    found = _STRETCH.fullmatch(words)
    if found:
        number, of = int(found[1]), max(1, int(found[2]))
        return Step("read", round(0.15 + 0.6 * min(1.0, (number - 1) / of), 3), number, of)
    for begin, stage, share in _STAGES:
        if words.startswith(begin):
            return Step(stage, share)
    return Step("work", 0.0) if words else None
