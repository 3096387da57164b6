"""Falling particles that turn round: snow, rain, dust that falls and then rises, all of it at once.

Single flakes are too small to be followed. But of the ways from each spot of one frame to each spot
of the next, the true ones agree, and the chance ones point up as often as down:

    spots that are in one frame and in neither neighbour -> ways between frames -> down minus up

What rises all along (bubbles, sparks, smoke, embers) does as it should and is not said; neither is
snow that is shown rising from beginning to end, which looks the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.records import Finding
from unreel.detector.scenes import Scene
from unreel.detector.tracking import CameraMotion

CODE = "inverted-gravity"
STATISTIC = "excess of falling, then of rising spots, in standard deviations"
FLOOR = 6.0
"""Weaker ones are no candidates: twice what chance gives in camera footage."""
MIN_STEADINESS = 0.5
MIN_SPOTS = 20
"""In a frame, by the median of the six at both ends."""
MAX_SPOTS = 300
"""More is grain; pairs grow with the square."""
MIN_FRAMES = 12
SIDE_SECONDS = 1.0
"""Before and after the turn."""
_MIN_STEPS = 4
_PROBE_EXCESS = 2.0
"""Of two steps at either end; FLOOR asks for more, of many."""
_BRIGHTER = 14
"""Grey levels by which a spot is brighter than both neighbouring frames at its place."""
_AREA = (2, 40)
_MAX_SIDE = 8
"""Small pixels."""
_RISE = (1.5, 14.0)
"""Small pixels up or down in a step..."""
_ASIDE = (3.0, 0.3)
"""...and aside: so many, and this share of the way up or down."""


@dataclass(frozen=True, slots=True)
class _Turn:
    at: int
    """Frame from which on they rise."""
    first: int
    last: int
    value: float
    fell: float
    rose: float


def rising_particles(scene: Scene) -> list[Finding]:
    """The one moment of a stretch at which what fell begins to rise, if there is one."""
    count = len(scene.stretch.pts_seconds)
    steady = scene.camera.steadiness
    if count < MIN_FRAMES or float(np.median(steady)) < MIN_STEADINESS:
        return []
    if not _may_turn(scene):
        return []
    spots = [_spots(scene, index)[:MAX_SPOTS] for index in range(1, count - 1)]
    ways = np.array(
        [_ways(scene.camera, spots[k], spots[k + 1], k + 2) for k in range(len(spots) - 1)]
    )
    turn = _turn(scene.stretch.pts_seconds[2:-1], ways)
    if turn is None or turn.value < FLOOR:
        return []
    return [_finding(scene, turn, spots)]


def _may_turn(scene: Scene) -> bool:
    """A look at both ends, which spares most clips the rest: spots that fall first or rise last."""
    count = len(scene.stretch.pts_seconds)
    ends = ((1, 2, 3), (count - 4, count - 3, count - 2))
    spots = {index: _spots(scene, index) for end in ends for index in end}
    many = float(np.median([len(found) for found in spots.values()]))
    if not MIN_SPOTS <= many <= MAX_SPOTS:
        return False
    start, end = (
        np.sum([_ways(scene.camera, spots[i - 1], spots[i], i) for i in part[1:]], axis=0)
        for part in ends
    )
    return max(_excess(start), _excess(end[::-1])) >= _PROBE_EXCESS


def _excess(ways: NDArray[np.int64]) -> float:
    """Standard deviations by which the first of two counts exceeds the second."""
    return float((ways[0] - ways[1]) / np.sqrt(ways.sum() + 1))


def _spots(scene: Scene, index: int) -> NDArray[np.float64]:
    """(k, 2) middles of small bright things that only this frame shows at their places."""
    import cv2

    frames = scene.stretch.frames
    here = cv2.cvtColor(frames[index], cv2.COLOR_RGB2GRAY)
    height, width = here.shape
    around = []
    for other in (index - 1, index + 1):
        grey = cv2.cvtColor(frames[other], cv2.COLOR_RGB2GRAY)
        matrix = scene.camera.between(index, other)
        if np.abs(matrix - np.eye(2, 3)).max() > 0.05:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            grey = cv2.warpAffine(
                grey, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        around.append(grey)
    brighter = cv2.subtract(here, cv2.max(around[0], around[1]))
    _, _, stats, middles = cv2.connectedComponentsWithStats(
        (brighter > _BRIGHTER).astype(np.uint8), connectivity=8
    )
    area, sides = stats[1:, cv2.CC_STAT_AREA], stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    small = (area >= _AREA[0]) & (area <= _AREA[1]) & (sides <= _MAX_SIDE).all(axis=1)
    return np.asarray(middles[1:][small], np.float64)


def _ways(
    camera: CameraMotion, before: NDArray[np.float64], now: NDArray[np.float64], index: int
) -> tuple[int, int]:
    """How many ways from spots of one frame to those of frame `index` go down, and up."""
    if not len(before) or not len(now):
        return 0, 0
    matrix = camera.step(index)
    way = now[None] - (before @ matrix[:, :2].T + matrix[:, 2])[:, None]
    aside, down = np.abs(way[..., 0]), way[..., 1]
    far = np.abs(down)
    counts = (far > _RISE[0]) & (far < _RISE[1]) & (aside <= _ASIDE[0] + _ASIDE[1] * far)
    return int((counts & (down > 0)).sum()), int((counts & (down < 0)).sum())


def _turn(clock: NDArray[np.float64], ways: NDArray[np.int64]) -> _Turn | None:
    """Where falling before and rising after are both clearest."""
    best: _Turn | None = None
    for at in range(_MIN_STEPS, len(ways) - _MIN_STEPS):
        first = int(np.searchsorted(clock, clock[at] - SIDE_SECONDS))
        last = int(np.searchsorted(clock, clock[at] + SIDE_SECONDS, side="right"))
        before, after = ways[first:at].sum(axis=0), ways[at:last].sum(axis=0)
        if min(at - first, last - at) < _MIN_STEPS:
            continue
        fell, rose = _excess(before), _excess(after[::-1])
        value = min(fell, rose)
        if best is None or value > best.value:
            best = _Turn(at + 2, first + 2, last + 1, value, fell, rose)
    return best


def _finding(scene: Scene, turn: _Turn, spots: list[NDArray[np.float64]]) -> Finding:
    times = scene.stretch.pts_seconds
    start, end = float(times[turn.at]), float(times[turn.last])
    boxes = []
    for index in range(turn.at, turn.last + 1):
        here = spots[index - 1] if index - 1 < len(spots) else spots[-1]
        if len(here) > 1:
            low, high = np.quantile(here, 0.02, axis=0), np.quantile(here, 0.98, axis=0)
            boxes.append(scene.displayed(index, (*low, *(high - low))))
    many = round(float(np.median([len(s) for s in spots])))
    return Finding(
        code=CODE,
        lane="physics",
        t_start=start,
        t_end=end,
        boxes=tuple(boxes),
        statistic=STATISTIC,
        value=turn.value,
        percentile_among_real=None,
        confounders_checked=(
            "the camera's own motion is taken out",
            "bubbles, sparks and smoke rise all along: these were falling before",
            "grain and noise point up as often as down",
            "not excluded: a gust of wind, the film turned round",
        ),
        explanation=(
            f"About {many} small things that were falling rise from {start:.2f} s on, all over "
            "the picture, and nothing lifts them."
        ),
    )
