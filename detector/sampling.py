"""Which frames are looked at: contiguous bursts by time stamp, spread over the shots.

    Example: a 6 s clip, one shot, two windows of 8 frames, 0.25 s apart; x is a frame that is read
    0 s                                                          6 s
    |x  x  x  x  x  x  x  x                    x  x  x  x  x  x  x  x|

Bursts cost one seek each and hold motion; single frames spread evenly would cost a seek each.
The plan is a pure function of time stamps, shots and settings, so that it can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unreel.detector.config import SamplingConfig
from unreel.detector.records import Shot, Window


def plan_windows(
    pts_seconds: NDArray[np.float64], shots: Sequence[Shot], config: SamplingConfig
) -> tuple[Window, ...]:
    """Choose the windows to read.

    Args:
        pts_seconds: (F,) presentation times of all frames, ascending.
        shots: The uncut stretches; those too short or with too few frames get no window.
        config: Sizes and budget.

    Returns:
        Windows in order of time. When there are more shots than `max_windows`, the longest shots
        are served first, each with one window.
    """
    ranges = {s.index: _frames_of(pts_seconds, s) for s in shots}
    usable = [s for s in shots if _is_usable(s, ranges[s.index], pts_seconds, config)]
    counts = _windows_per_shot(usable, config)
    windows: list[Window] = []
    for shot in usable:
        first, last = ranges[shot.index]
        windows += _windows_in(pts_seconds, shot.index, first, last, counts[shot.index], config)
    return tuple(sorted(windows, key=lambda w: w.t_start))


def _frames_of(pts: NDArray[np.float64], shot: Shot) -> tuple[int, int]:
    """First frame and one past the last frame of a shot."""
    # Cuts are reported at a frame's own time; half a millisecond absorbs rounding.
    first = int(np.searchsorted(pts, shot.t_start - 5e-4, side="left"))
    last = int(np.searchsorted(pts, shot.t_end - 5e-4, side="left"))
    return first, last


def _is_usable(
    shot: Shot, span: tuple[int, int], pts: NDArray[np.float64], config: SamplingConfig
) -> bool:
    first, last = span
    long_enough = shot.t_end - shot.t_start >= config.min_shot_seconds
    return long_enough and last - first >= config.min_frames


def _windows_per_shot(shots: Sequence[Shot], config: SamplingConfig) -> dict[int, int]:
    """How many windows each shot gets: by length, at least one, within the budget."""
    budget = config.max_windows
    by_length = sorted(shots, key=lambda s: (s.t_start - s.t_end, s.index))
    counts = {s.index: (1 if rank < budget else 0) for rank, s in enumerate(by_length)}
    budget -= sum(counts.values())
    wanted = {s.index: _wanted_windows(s.t_end - s.t_start, config) for s in shots}
    length = {s.index: s.t_end - s.t_start for s in shots}
    while budget > 0:
        open_shots = [i for i, n in counts.items() if 0 < n < wanted[i]]
        if not open_shots:
            break
        # The next window goes where the most footage stands for each window so far.
        neediest = max(open_shots, key=lambda i: (length[i] / counts[i], -i))
        counts[neediest] += 1
        budget -= 1
    return counts


def _wanted_windows(duration: float, config: SamplingConfig) -> int:
    span = (config.frames_per_window - 1) * config.frame_step_seconds
    if duration <= 1.5 * span:
        return 1
    return max(2, math.ceil(duration / config.seconds_per_window))


def _windows_in(
    pts: NDArray[np.float64], shot: int, first: int, last: int, count: int, config: SamplingConfig
) -> list[Window]:
    """Windows spread evenly over frames [first, last) of one shot."""
    times = pts[first:last]
    step = config.frame_step_seconds
    span = (config.frames_per_window - 1) * step
    duration = float(times[-1] - times[0])
    if duration < span:  # a short shot: the same number of frames, closer together
        step = duration / (config.frames_per_window - 1)
        span = duration
    starts = (
        np.linspace(times[0], times[-1] - span, count)
        if count > 1
        else ([times[0] + (duration - span) / 2] if count else [])
    )
    windows = []
    for start in starts:
        targets = start + step * np.arange(config.frames_per_window)
        picked = np.unique(_nearest(times, targets))
        if len(picked) < config.min_frames:  # slide-show cadence: take consecutive frames instead
            middle = int(picked[len(picked) // 2])
            low = max(0, min(middle - config.min_frames // 2, len(times) - config.min_frames))
            picked = np.arange(low, min(low + config.frames_per_window, len(times)))
        indices = tuple(int(first + i) for i in picked)
        windows.append(Window(shot, indices, float(pts[indices[0]]), float(pts[indices[-1]])))
    return windows


def _nearest(times: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the time nearest to each target; ties go to the earlier frame."""
    right = np.clip(np.searchsorted(times, targets), 1, len(times) - 1)
    left = right - 1
    closer_left = (targets - times[left]) <= (times[right] - targets)
    return np.where(closer_left, left, right)
