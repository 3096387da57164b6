"""Time as frames keep it: pictures that are held, and groups of frames with one rhythm.

Both look at every frame, small. A held picture inside motion, after which things are where they
would have been, is a freeze; pictures that are held all along are stop motion, a low rate or a slow
screen, and no finding. Decoders of video models give frames in groups of 4 or 8 whose sharpness and
steps repeat; so do the groups of an H.264 stream: a rhythm that the key frames share is none.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unreel.detector.records import Finding
from unreel.detector.scenes import ClipScenes

HELD = "duplicated-frames"
RHYTHM = "decoder-rhythm"
MIN_HELD_SECONDS = 0.12
MIN_HELD_FRAMES = 3
HELD_STATISTIC = "stillness x leap"
PERIODS = (4, 8)
HIDDEN_FRAMES = ("vp8", "vp9", "av1")
"""Codecs whose encoders refresh the picture from a hidden frame every 4 to 16: their rhythm."""
HELD_FLOOR, RHYTHM_FLOOR = 4.0, 2.0
"""Weaker candidates are not kept."""
MIN_PERIODS = 6
"""A rhythm is looked for where it could repeat so often."""


class FrameFacts:
    """Two numbers for each frame, kept while the video is looked at once."""

    def __init__(self) -> None:
        self._positions: list[int] = []
        self.sharpness: list[float] = []
        self.steps: list[float] = []
        self._last: NDArray[np.int16] | None = None

    def take(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Frames (n, h, w, 3) in order of time."""
        luma = (frames.astype(np.int16) @ np.array([2, 5, 1], np.int16)) // 8
        for position, picture in zip(positions, luma, strict=True):
            flat = np.abs(4 * picture[1:-1, 1:-1] - picture[:-2, 1:-1] - picture[2:, 1:-1]
                          - picture[1:-1, :-2] - picture[1:-1, 2:])  # fmt: skip
            step = 0.0 if self._last is None else float(np.abs(picture - self._last).mean())
            self._positions.append(int(position))
            self.sharpness.append(float(flat.mean()))
            self.steps.append(step)
            self._last = picture

    def findings(self, clip: ClipScenes) -> list[Finding]:
        """Candidates of the clip, shot by shot; none when frames are missing in between."""
        found: list[Finding] = []
        size = (clip.media.width, clip.media.height)
        positions = np.array(self._positions, np.int64)
        if len(positions) < 2 or (np.diff(positions) != 1).any():
            return found
        clock = clip.pts_seconds[positions]
        steps, sharp = np.array(self.steps), np.array(self.sharpness)
        for shot in clip.shots:
            first = int(np.searchsorted(clock, shot.t_start - 5e-4))
            last = int(np.searchsorted(clock, shot.t_end - 5e-4))
            part = slice(first, last)
            found += held(clock[part], steps[part], size)
            if clip.media.codec not in HIDDEN_FRAMES:
                keys = clip.is_key[positions[part]]
                found += rhythms(clock[part], steps[part], sharp[part], keys, size)
        return found


def held(
    clock: NDArray[np.float64], steps: NDArray[np.float64], size: tuple[int, int]
) -> list[Finding]:
    """The clearest run of held pictures in a shot.

    Args:
        clock: (n,) seconds.
        steps: (n,) mean change from the frame before, grey levels; the first says nothing.
        size: Of the picture, for the box.
    """
    if len(clock) < 12:
        return []
    moving = float(np.quantile(steps[1:], 0.5))
    still = steps < 0.12 * moving + 0.02
    still[0] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    # A cadence (24 in 30, animation on threes) holds pictures all along, each time as long.
    long_runs = [r for r in runs if r[1] - r[0] >= MIN_HELD_FRAMES]
    others = sum(b - a for a, b in runs) - max((b - a for a, b in runs), default=0)
    if not long_runs or others > 0.1 * len(clock):
        return []
    first, end = max(long_runs, key=lambda run: run[1] - run[0])
    if first < 4 or end > len(clock) - 4:
        return []  # a still opening or ending is a matter of taste
    around = np.concatenate([steps[max(1, first - 6) : first], steps[end : end + 6]])
    seconds = float(clock[end - 1] - clock[first - 1])
    level, after = float(np.median(around)), float(steps[end])
    if seconds < MIN_HELD_SECONDS or level < 0.25:
        return []
    # Half the value is how still it is, half that the picture jumps to where it would have been.
    stillness = level / (float(np.median(steps[first:end])) + 0.05)
    leap = after / level
    value = float(np.sqrt(min(stillness, 20.0)) * min(leap, 4.0) * min(seconds / 0.2, 2.0))
    if value < HELD_FLOOR:
        return []
    said = (
        f"the picture stands still for {seconds:.2f} s from {clock[first - 1]:.2f} s on in the "
        f"midst of motion, then jumps {leap:.1f} times as far as it moves in one frame"
    )
    boxes = tuple(
        (float(t), 0.0, 0.0, float(size[0]), float(size[1])) for t in clock[first - 1 : end + 1]
    )
    return [
        Finding(
            HELD, "residual", float(clock[first - 1]), float(clock[end]), boxes,
            HELD_STATISTIC, value, None,
            (
                "no still beginning or end",
                "no cadence: pictures are not held at other times",
                "not excluded: a stream or a screen recording that stalled",
            ),
            said,
        )
    ]  # fmt: skip


def rhythms(
    clock: NDArray[np.float64],
    steps: NDArray[np.float64],
    sharpness: NDArray[np.float64],
    is_key: NDArray[np.bool_],
    size: tuple[int, int],
) -> list[Finding]:
    """The rhythm of 4 or 8 frames that a shot shows most clearly, if its key frames do not."""
    found: list[Finding] = []
    if _is_held_often(steps):
        return (
            found  # animation on twos, a low rate in a fast stream: a cadence, whatever its period
        )
    for period in PERIODS:
        if len(clock) < MIN_PERIODS * period + 1:
            continue
        value = max(
            comb(np.log(np.maximum(series[1:], 1e-2)), period) for series in (steps, sharpness)
        )
        keys = np.flatnonzero(is_key[1:])
        if value < RHYTHM_FLOOR:
            continue
        if len(keys) >= 2 and (np.diff(keys) % period == 0).mean() > 0.5:
            continue  # key frames keep the same time: it may be theirs
        said = (
            f"sharpness and motion repeat every {period} frames, {value:.1f} times as strongly "
            "as at other rates"
        )
        box = (float(clock[0]), 0.0, 0.0, float(size[0]), float(size[1]))
        found.append(
            Finding(
                RHYTHM, "residual", float(clock[0]), float(clock[-1]), (box,),
                "comb against neighbours", value, None,
                (
                    "key frames do not come at multiples of it",
                    "not excluded: groups of B-frames, and a cadence from another frame rate",
                ),
                said,
            )
        )  # fmt: skip
    return sorted(found, key=lambda f: -f.value)[:1]


def _is_held_often(steps: NDArray[np.float64]) -> bool:
    """More than a tenth of the frames repeat the one before."""
    moving = float(np.quantile(steps[1:], 0.9))
    return bool((steps[1:] < 0.12 * moving + 0.02).mean() > 0.1)


def comb(series: NDArray[np.float64], period: int) -> float:
    """How much a series repeats after `period` values against periods nearby that do not divide it.

    Args:
        series: (n,) one value for each frame; a slow trend is taken out.
        period: Frames.

    Returns:
        Share of the variance that the mean of each phase explains, as F against the largest F of
        the periods around; about 1 when there is no rhythm.
    """
    width = 2 * period + 1
    padded = np.pad(series, period, mode="edge")
    trend = np.median(sliding_window_view(padded, width), axis=-1)
    flat = series - trend
    spread = np.quantile(np.abs(flat), 0.9) + 1e-9
    flat = np.clip(flat, -spread, spread)  # one flash is no rhythm
    others = [p for p in (3, 5, 6, 7, 9, 10, 11) if period % p and p % 4]
    own = _f_value(flat, period)
    return float(own / (1 + max(_f_value(flat, p) for p in others)))


def _f_value(series: NDArray[np.float64], period: int) -> float:
    phase = np.arange(len(series)) % period
    means = np.array([series[phase == p].mean() for p in range(period)])
    counts = np.bincount(phase, minlength=period)
    between = float((counts * (means - series.mean()) ** 2).sum()) / (period - 1)
    within = float(((series - means[phase]) ** 2).sum()) / max(len(series) - period, 1)
    return between / (within + 1e-9)
