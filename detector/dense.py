"""Frames for evidence over time: many, small, in order; bounded in number at any length.

A score needs few frames of full size; a thing that vanishes is found between neighbouring frames.
So these are denser (at most 15 a second) and smaller (long side 320) than what the network sees.

    all of a short clip        ||||||||||||||||||||
    stretches of a longer one  |||||.......|||||.......|||||
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unreel.detector.records import Shot

if TYPE_CHECKING:
    from unreel.detector.media import Reader

LONG_SIDE = 320
"""Pixels of the longer side."""
STEP_SECONDS = 1 / 15
"""Frames nearer than this to the last one are passed over."""
MAX_FRAMES = 240
"""Of one clip: 16 seconds at the full rate, 40 MB."""
STRETCH_SECONDS = 4.0
"""Of longer clips this much around each of a few moments is looked at."""
MIN_SCENE_FRAMES = 6
"""A shot with fewer has no before, during and after."""
_SLACK_SECONDS = 0.004
"""Time stamps are rounded to the clock of the file."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring frames of one shot."""

    shot: int
    pts_seconds: NDArray[np.float64]
    """(n,) ascending."""
    frames: NDArray[np.uint8]
    """(n, h, w, 3) RGB, upright as displayed."""
    scale: float
    """Displayed pixels for each pixel here."""


def plan_dense(pts_seconds: NDArray[np.float64], max_frames: int = MAX_FRAMES) -> tuple[int, ...]:
    """Choose the frames to look at, by time.

    Args:
        pts_seconds: (F,) presentation times of all frames, ascending.
        max_frames: Budget.

    Returns:
        Positions, strictly increasing: all that are a step apart, or those of stretches spread
        evenly over the video when all would be too many.
    """
    kept = thinned(pts_seconds, STEP_SECONDS, _SLACK_SECONDS)
    if len(kept) <= max_frames:
        return tuple(kept)
    per_stretch = max(MIN_SCENE_FRAMES, round(STRETCH_SECONDS / STEP_SECONDS))
    count = max(1, max_frames // per_stretch)
    starts = np.linspace(0, len(kept) - per_stretch, count).round().astype(int)
    if count == 1:
        starts = np.array([(len(kept) - per_stretch) // 2])
    chosen = {position for start in starts for position in kept[start : start + per_stretch]}
    return tuple(sorted(chosen))


def thinned(
    pts_seconds: NDArray[np.float64], step_seconds: float, slack_seconds: float
) -> list[int]:
    """Positions of frames that are a step apart, within what their clock is rounded by."""
    kept: list[int] = []
    last = -np.inf
    for position, t in enumerate(pts_seconds):
        if t - last >= step_seconds - slack_seconds:
            kept.append(position)
            last = float(t)
    return kept


def read_stretches(
    reader: Reader, dense: DenseFrames, shots: Sequence[Shot]
) -> tuple[Stretch, ...]:
    """The stretches of a clip whose shots are known; what is damaged is left out.

    Args:
        reader: An open video.
        dense: Planned for it, filled by the shot pass or, of a long video, still empty.
        shots: Of the video.

    Raises:
        MediaError: The frames cannot be read.
    """
    if not len(dense):  # of long videos the shot pass decodes key frames only
        for _ in reader.small_frames(dense.positions, closer=dense):
            pass
    dense.drop(np.flatnonzero(~reader.is_sound).tolist())
    return dense.stretches(reader.pts_seconds, shots)


class DenseFrames:
    """Collects the planned frames while the video is decoded.

    Args:
        positions: From plan_dense.
        quarter_turns: Clockwise turns that make a decoded frame upright.
        displayed_width: Pixels of the displayed frame.
    """

    def __init__(
        self, positions: Sequence[int], quarter_turns: int = 0, displayed_width: int = 0
    ) -> None:
        self.positions = tuple(positions)
        self._turns = quarter_turns
        self._displayed_width = displayed_width
        self._frames: dict[int, NDArray[np.uint8]] = {}

    @classmethod
    def planned(cls, reader: Reader) -> DenseFrames:
        """For an open video, nothing taken yet."""
        media = reader.media
        return cls(plan_dense(reader.pts_seconds), media.rotation_degrees // 90, media.width)

    def take(self, position: int, frame: NDArray[np.uint8]) -> None:
        """Keep a small frame (h, w, 3) as decoded, not rotated."""
        self._frames[position] = np.ascontiguousarray(np.rot90(frame, -self._turns))

    def __len__(self) -> int:
        return len(self._frames)

    def drop(self, positions: Sequence[int]) -> None:
        """Let go of frames that turned out to be damaged."""
        for position in positions:
            self._frames.pop(position, None)

    def stretches(
        self, pts_seconds: NDArray[np.float64], shots: Sequence[Shot]
    ) -> tuple[Stretch, ...]:
        """What was taken, cut at shots and at gaps between stretches, in order of time.

        The frames are handed over: whoever asks again must take them again.
        """
        kept = thinned(pts_seconds, STEP_SECONDS, _SLACK_SECONDS)
        rank = {position: number for number, position in enumerate(kept)}
        runs: list[tuple[int, list[int]]] = []
        for position in sorted(self._frames):
            shot = _shot_at(float(pts_seconds[position]), shots)
            number = rank.get(position, -1)
            if runs and runs[-1][0] == shot and rank.get(runs[-1][1][-1], -3) == number - 1:
                runs[-1][1].append(position)
            else:
                runs.append((shot, [position]))
        found = tuple(
            self._stretch(shot, positions, pts_seconds)
            for shot, positions in runs
            if len(positions) >= MIN_SCENE_FRAMES
        )
        self._frames.clear()
        return found

    def _stretch(
        self, shot: int, positions: list[int], pts_seconds: NDArray[np.float64]
    ) -> Stretch:
        frames = np.stack([self._frames.pop(position) for position in positions])
        scale = self._displayed_width / frames.shape[2] if self._displayed_width else 1.0
        return Stretch(shot, pts_seconds[positions], frames, scale)


def _shot_at(t: float, shots: Sequence[Shot]) -> int:
    # Cuts are reported at a frame's own time; half a millisecond absorbs rounding.
    return next((s.index for s in reversed(shots) if s.t_start - 5e-4 <= t), 0)
