"""Places where a picture changes at once while the rest goes on: things that come and go.

    step_maps.py         what motion does not explain from one frame to the next
    a change at once     nothing like it in the steps before and after

What is left over is small inside a smoothly moving scene; along the edges of moving things it is
there at every step. A thing that is gone from one frame to the next leaves a compact place with
much left over in that one step alone. Cuts and flashes change most of the picture and are passed
over.

Source: the temporal contrast is our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unreel.detector.step_maps import CELL, StepMaps, cells_of

REACH_CELLS = 4
"""A change in the step before or after counts up to so far away."""
MIN_SPIKE = 6.0
"""Grey levels, mean over a cell, that a place must change by beyond its neighbours in time."""
MIN_CELLS = 5
"""Smaller places are noise: 80 small pixels."""
CORE_SHARE = 0.3
"""Of the strongest change in a place: what changes less is spill of the flow, not the thing."""
MAX_SHARE = 0.3
"""Larger changes are cuts, flashes or a hand over the lens."""
MAX_PER_STEP = 6
_RIM = 4
"""Small pixels."""


@dataclass(frozen=True, slots=True)
class LocalChange:
    """One compact place that changed at once."""

    index: int
    """Of the first frame after it, within the stretch."""
    box: tuple[float, float, float, float]
    """(x, y, w, h) small pixels."""
    mask: NDArray[np.bool_]
    """(gh, gw) cells of it."""
    spike: float
    """Grey levels beyond what the steps before and after show, mean over the place."""
    calm: float
    """Of the rest of the frame in the same step: its upper quartile of what is left over."""
    outline_before: float
    """Contrast between inside and rim in the frame before, grey levels."""
    outline_after: float
    """The same in the frame after."""
    unrest: float
    """What motion leaves unexplained in a wider neighbourhood in the two steps before and the two
    after, grey levels: things that move too fast for optical flow have it at every step."""
    stood: float
    """Likeness, -1..1, of what was there before the change to what was nearby two and three frames
    before: a thing that really was there, moving or not."""
    stays: float
    """Likewise of what is there after the change to what is nearby two frames later."""
    moved_on: float
    """Likeness of what was there before the change to anything nearby after it: a thing that only
    moved quickly is found again."""
    came_from: float
    """Likeness of what is there after the change to anything nearby before it."""

    @property
    def cells(self) -> int:
        """How large it is."""
        return int(self.mask.sum())

    @property
    def strength(self) -> float:
        """How much it stands out: grey levels against the unrest around, times its width."""
        return float(self.spike / (3.0 + self.calm + self.unrest) * np.sqrt(self.cells))

    @property
    def fading(self) -> float:
        """1: a thing was there and the place now looks like its surroundings; -1: the reverse."""
        before, after = self.outline_before, self.outline_after
        return (before - after) / (before + after + 4.0)


def find_changes(steps: Sequence[StepMaps], frames: NDArray[np.uint8]) -> tuple[LocalChange, ...]:
    """Compact places that change at once.

    Args:
        steps: (n - 1) maps; the first is of frames 0 and 1.
        frames: (n, h, w, 3) RGB.
    """
    import cv2

    if len(steps) < 3:
        return ()
    both = np.stack([np.maximum(step.lost, step.new) for step in steps])  # (n - 1, gh, gw)
    kernel = np.ones((2 * REACH_CELLS + 1, 2 * REACH_CELLS + 1), np.uint8)
    wide = np.stack([cv2.dilate(m, kernel) for m in both])
    found: list[LocalChange] = []
    for at in range(1, len(steps) - 1):
        around = np.maximum(wide[at - 1], wide[at + 1])
        spike = both[at] - around
        if (both[at] > MIN_SPIKE).mean() > MAX_SHARE:
            continue
        near = [k for k in (at - 2, at - 1, at + 1, at + 2) if 0 <= k < len(steps)]
        found += _places(at + 1, spike, both[at], both[near], frames)
    return tuple(found)


def _places(
    index: int,
    spike: NDArray[np.float32],
    left_over: NDArray[np.float32],
    others: NDArray[np.float32],
    frames: NDArray[np.uint8],
) -> list[LocalChange]:
    import cv2

    # Blurred, so that a thing is one place; the place itself is where it really changes.
    blurred = cv2.blur(spike, (3, 3)) > MIN_SPIKE
    count, labels = cv2.connectedComponents(blurred.astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        mask = (labels == label) & (spike > MIN_SPIKE)
        cells = int(mask.sum())
        if cells < MIN_CELLS:
            continue
        core = mask & (spike >= CORE_SHARE * np.quantile(spike[mask], 0.9))
        rows, columns = np.flatnonzero(core.any(axis=1)), np.flatnonzero(core.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        w, h = int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y
        rest = left_over[cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0]
        found.append(
            LocalChange(
                index=index,
                box=(x * CELL, y * CELL, w * CELL, h * CELL),
                mask=mask,
                spike=float(spike[mask].mean()),
                calm=float(np.quantile(rest, 0.75)) if len(rest) else 255.0,
                outline_before=outline(frames[index - 1], mask),
                outline_after=outline(frames[index], mask),
                unrest=_unrest(others, x, y, w, h),
                stood=0.0,
                stays=0.0,
                moved_on=0.0,
                came_from=0.0,
            )
        )
    found.sort(key=lambda change: -change.strength)
    return [_looked_up(change, frames) for change in found[:MAX_PER_STEP]]


def _looked_up(change: LocalChange, frames: NDArray[np.uint8]) -> LocalChange:
    x, y, w, h = (int(side) for side in change.box)
    stood, stays, moved_on, came_from = _likenesses(frames, change.index, (x, y, w, h))
    return replace(change, stood=stood, stays=stays, moved_on=moved_on, came_from=came_from)


def _unrest(others: NDArray[np.float32], x: int, y: int, w: int, h: int) -> float:
    """The most that one of the steps around leaves over in the wider neighbourhood of a place."""
    wide, high = max(w, 6), max(h, 6)
    part = others[:, max(0, y - high) : y + h + high, max(0, x - wide) : x + w + wide]
    return float(np.quantile(part, 0.95, axis=(1, 2)).max())


def _likenesses(
    frames: NDArray[np.uint8], index: int, box: tuple[int, int, int, int]
) -> tuple[float, float, float, float]:
    """stood, stays, moved_on and came_from of LocalChange."""
    last = len(frames) - 1
    before, after = index - 1, index

    def most(here: int, others: tuple[int, ...]) -> float:
        there = [i for i in others if 0 <= i <= last]
        return max((likeness(frames[here], box, frames[i]) for i in there), default=-1.0)

    return (
        most(before, (before - 1, before - 2)),
        most(after, (after + 1, after + 2)),
        most(before, (after, after + 1)),
        most(after, (before, before - 1)),
    )


def likeness(
    frame: NDArray[np.uint8],
    box: Sequence[float],
    other: NDArray[np.uint8],
    there: Sequence[float] | None = None,
) -> float:
    """How alike a place of one frame and any place around it in another look, -1..1.

    Args:
        frame: (h, w, 3) RGB.
        box: (x, y, w, h) in it; a rim is added, for an outline is what tells things apart.
        other: (h, w, 3) RGB; looked at up to the size of the box around it.
        there: A box of the same size in the other, where the place should be; None = the same.
    """
    import cv2

    x, y, w, h = (int(side) for side in box)
    patch = _crop(frame, (x, y, w, h), _RIM, _RIM)
    if there is not None:
        x, y = int(there[0]), int(there[1])
    room = _crop(other, (x, y, w, h), _RIM + max(w, 24), _RIM + max(h, 24))
    if room.shape[0] < patch.shape[0] or room.shape[1] < patch.shape[1]:
        return -1.0
    found = cv2.matchTemplate(room, patch, cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(found, posinf=0.0, neginf=0.0).max())


def _crop(
    frame: NDArray[np.uint8], box: tuple[int, int, int, int], wide: int, high: int
) -> NDArray[np.uint8]:
    x, y, w, h = box
    return frame[max(0, y - high) : y + h + high, max(0, x - wide) : x + w + wide]


def outline(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Grey levels by which the inside of a place differs from the ring around it.

    Args:
        frame: (h, w, 3) RGB.
        mask: (gh, gw) cells.
    """
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    inner = mask.astype(np.uint8)
    near = cv2.dilate(inner, kernel)
    ring = cv2.dilate(near, np.ones((5, 5), np.uint8)) - near
    if not ring.any():
        return 0.0
    colours = np.stack([cells_of(frame[..., c].astype(np.float32)) for c in range(3)], axis=-1)
    inside, outside = colours[mask], colours[ring == 1]
    # Of each cell inside, the distance to the nearest of a few typical colours outside.
    typical = np.quantile(outside, (0.1, 0.3, 0.5, 0.7, 0.9), axis=0)
    gaps = np.abs(inside[:, None] - typical[None]).max(axis=2).min(axis=1)
    return float(gaps.mean())
