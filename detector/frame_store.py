"""Frames that the decoder process keeps from the shot pass, so that they are not decoded twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

KEPT_BYTES = 224 * 1024**2
"""Five seconds of 720p; of longer clips only the frames that are likely to be asked for."""


class FrameStore:
    """Decoded frames by position, as many as fit.

    All are kept until they take too much; from then on only those that are likely to be wanted.

    Args:
        likely: Positions that will be asked for unless the pass finds a cut.
        budget_bytes: What the frames may take together.
    """

    def __init__(self, likely: Collection[int] = (), budget_bytes: int = 0) -> None:
        self._likely = frozenset(likely)
        self._budget = budget_bytes
        self._frames: dict[int, tuple[Any, int]] = {}
        self._bytes = 0
        self._takes_all = True

    def add(self, position: int, frame: Any) -> None:
        """Keep a frame (av.VideoFrame), if it may be."""
        size = sum(plane.buffer_size for plane in frame.planes)
        if self._takes_all and self._bytes + size > self._budget:
            self._takes_all = False
            self._frames = {p: f for p, f in self._frames.items() if p in self._likely}
            self._bytes = sum(s for _, s in self._frames.values())
        if (self._takes_all or position in self._likely) and self._bytes + size <= self._budget:
            self._frames[position] = (frame, size)
            self._bytes += size

    def clear(self) -> None:
        """Let go of all."""
        self._frames = {}
        self._bytes = 0

    def find(self, positions: Sequence[int]) -> list[Any] | None:
        """The frames at these positions; None unless all of them are there."""
        found = [self._frames.get(p) for p in positions]
        frames = [f[0] for f in found if f is not None]
        return frames if len(frames) == len(positions) else None
