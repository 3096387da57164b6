"""Which stage a scan is in: for the progress line of a person, and for the seconds in `run`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Progress = Callable[[str], None]
"""Takes a few words on what begins now; whoever calls the library may leave it out."""


class Stages:
    """A stop watch that also tells what it times.

    Args:
        progress: Told of each step as it begins.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._started = datetime.now(UTC)
        self._seconds: dict[str, float] = {}
        self._current: str | None = None
        self._since = 0.0

    def enter(self, name: str, words: str) -> None:
        """The stage before ends, this one begins; a stage may be entered many times.

        Args:
            name: Key under which its seconds are added up.
            words: For the progress line.
        """
        now = time.perf_counter()
        if self._current is not None:
            spent = self._seconds.get(self._current, 0.0)
            self._seconds[self._current] = spent + now - self._since
        self._current, self._since = name, now
        if self._progress is not None and words:
            self._progress(words)

    def facts(self) -> dict[str, Any]:
        """When it began (UTC), where, and the seconds of each stage up to now."""
        if self._current is not None:
            self.enter(self._current, "")
        return {
            "started": self._started.isoformat(timespec="seconds"),
            "host": platform.node(),
            "seconds": dict(self._seconds),
        }
