"""Texture boiling: the surface of a thing is painted anew from frame to frame.

    frame before -> this frame <- frame after      both drawn along the flow

What moves badly is unlike its neighbours one way or the other; what is painted anew differs from
both in the same direction, for neither neighbour knows its pattern. With independent patterns half
of the difference is shared; that share, held for half a second on a compact place that was quiet
before or is quiet after, is the evidence. Grain and a noisy sensor do the same all over, water and
leaves all the time, which is why place and time must stand out; flashes share more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unreel.detector.records import Finding
from unreel.detector.scenes import Scene
from unreel.detector.step_maps import CELL, cells_of
from unreel.detector.tracking import greys

CODE = "texture-boiling"
STATISTIC = "grey levels painted anew, against the rest of the frame"
FLOOR = 1.5
"""Weaker candidates are not kept."""
SECONDS = 0.5
"""A surface must boil for so long."""
MIN_STEPS = 4
SHARED = (0.44, 0.52)
"""Share of the difference that is common to both neighbours: from nothing to full weight."""
MAX_SHARED = 0.76
"""More is one picture that differs from both: a flash, a lost frame."""
FILLED = (0.45, 0.6)
"""Evenness of the difference over the place, 1 = even: a thin line is an edge that flow misses."""
MAX_DISAGREEMENT = 2.0
"""Small pixels by which the ways there and back may be unlike; more, and flow knows nothing."""
_NEIGHBOURHOOD = (3, 3)
"""Cells that the statistics of a place are taken over."""
_SMOOTH_FLOW = (3, 3)
"""Cells: a flow that is free to follow noise would explain it."""
MIN_CELLS = 30
"""Of the place: less is a corner that shakes, a wheel, a hand."""
MIN_COMPACT = 0.5
"""Share of its box that a place fills: a string or a rim is no surface."""
_PLACE_SHARE = 0.4
"""Of the strongest difference: where it is as strong belongs to the place and to the time."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Of one frame, by cell."""

    anew: NDArray[np.float32]
    """(gh, gw) grey levels in which it differs from both neighbours alike."""
    shared: NDArray[np.float32]
    """(gh, gw) the same as a share of all that differs, -1..1."""
    even: NDArray[np.float32]
    """(gh, gw) 0..1"""
    apart: NDArray[np.float32]
    """(gh, gw) small pixels between the way to the next frame and that to the one before."""


def boiling(scene: Scene) -> list[Finding]:
    """The place of a stretch that boils most, if one does."""
    times = scene.stretch.pts_seconds
    if len(times) < 3 * MIN_STEPS:
        return []
    facts = _facts(scene)
    steps = max(MIN_STEPS, round(SECONDS / max(float(np.median(np.diff(times))), 1e-3)))
    if len(facts.anew) < steps + 3:
        return []
    steadily, usual = _levels(facts.anew, steps)
    strength = _strength(facts, steadily, usual, steps)  # (n - 2 - steps + 1, gh, gw)
    at, row, column = (int(v) for v in np.unravel_index(strength.argmax(), strength.shape))
    value = float(strength[at, row, column])
    if value < FLOOR:
        return []
    box, cells = _place(facts.anew, usual, (at, row, column), steps)
    if cells < max(MIN_CELLS, MIN_COMPACT * box[2] * box[3] / CELL**2):
        return []
    around = facts.anew[:, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
    return [_finding(scene, box, _span(around.max(axis=(1, 2)), at, steps), value)]


def _facts(scene: Scene) -> _Facts:
    """(n - 2, gh, gw) of the frames that have both neighbours."""
    grey = greys(scene.stretch)
    height, width = grey.shape[1:]
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    places = np.stack([columns, rows], axis=-1)
    each = []
    for index in range(1, len(grey) - 1):
        three = grey[index - 1 : index + 2].astype(np.float32)
        back, ahead = scene.steps[index - 1].flow, scene.steps[index].ahead
        each.append(_of_frame(three, places, back, ahead))
    return _Facts(*(np.stack(part) for part in zip(*each, strict=True)))


def _of_frame(
    three: NDArray[np.float32],
    places: NDArray[np.float32],
    back: NDArray[np.float32],
    ahead: NDArray[np.float32],
) -> tuple[NDArray[np.float32], ...]:
    """The facts of the middle one of three frames (3, h, w); flows are by cell."""
    import cv2

    height, width = three.shape[1:]
    back, ahead = cv2.blur(back, _SMOOTH_FLOW), cv2.blur(ahead, _SMOOTH_FLOW)  # type: ignore[assignment]  # stubs widen
    differ = []
    for other, flow in ((three[0], back), (three[2], ahead)):
        way = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
        drawn = cv2.remap(  # type: ignore[call-overload]  # stubs lack None
            other, places + way, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        differ.append(three[1] - drawn)
    one, two = differ

    def mean(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(cells_of(picture), _NEIGHBOURHOOD), np.float32)

    common, all_of_it = mean(one * two), mean((one * one + two * two) / 2)
    size_of_it = (np.abs(one) + np.abs(two)) / 2
    even = mean(size_of_it) ** 2 / (mean(size_of_it * size_of_it) + 4)
    apart = np.linalg.norm(back + ahead, axis=-1).astype(np.float32)
    return (
        np.sqrt(np.maximum(common, 0)),
        common / (all_of_it + 4),
        even,
        np.asarray(cv2.blur(apart, (3, 3)), np.float32),
    )


def _strength(
    facts: _Facts, steadily: NDArray[np.float32], usual: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """(windows, gh, gw) how strongly each place boils in each window of so many frames."""
    import cv2

    shared, even, apart = (
        _levels(part, steps)[1] for part in (facts.shared, facts.even, facts.apart)
    )
    weight = (
        _ramp(shared, *SHARED)
        * (shared < MAX_SHARED)
        * _ramp(even, *FILLED)
        / (1 + (apart / MAX_DISAGREEMENT) ** 2)
    )
    found = np.zeros_like(steadily, dtype=np.float32)
    kernel = np.ones((3, 3), np.uint8)
    for at, here in enumerate(steadily):
        quiet = _quiet(facts.anew, at, steps, usual)
        if quiet is None:
            continue
        beyond = ((here - cv2.dilate(quiet, kernel)) * weight[at]).astype(np.float32)
        rest = float(np.quantile(here, 0.8))
        found[at] = cv2.erode(beyond, np.ones((2, 2), np.uint8)) / (1.5 + rest)
    return found


def _levels(
    series: NDArray[np.float32], steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lower quartile and median of (n, gh, gw) over each window: (n - steps + 1, gh, gw) both.

    For a few values sorting is several times as fast as numpy's median.
    """
    in_order = np.sort(sliding_window_view(series, steps, axis=0), axis=-1)
    middle = (in_order[..., (steps - 1) // 2] + in_order[..., steps // 2]) / 2
    quarter = in_order[..., steps // 4].copy()  # a view would keep all windows
    return quarter, np.asarray(middle, np.float32)


def _quiet(
    anew: NDArray[np.float32], at: int, steps: int, usual: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """(gh, gw) the calmer one of the times before and after a window; None without either.

    `usual` are the medians of all windows; a time that the stretch cuts short has none there.
    """
    sides = []
    if at >= steps // 2:
        sides.append(usual[at - steps] if at >= steps else np.median(anew[:at], axis=0))
    after = at + steps
    if after + steps // 2 <= len(anew):
        whole = after < len(usual)
        sides.append(usual[after] if whole else np.median(anew[after:], axis=0))
    return np.minimum.reduce(sides).astype(np.float32) if sides else None


def _ramp(value: NDArray[np.float32], start: float, full: float) -> NDArray[np.float32]:
    return np.asarray(np.clip((value - start) / (full - start), 0, 1), np.float32)


def _place(
    anew: NDArray[np.float32],
    usual: NDArray[np.float32],
    where: tuple[int, int, int],
    steps: int,
) -> tuple[tuple[float, float, float, float], int]:
    """Box (x, y, w, h) in small pixels around the cells that differ as much, and their number."""
    import cv2

    at, row, column = where
    here, quiet = usual[at], _quiet(anew, at, steps, usual)
    beyond = here if quiet is None else here - quiet
    strong = (beyond >= _PLACE_SHARE * beyond[row, column]).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=4)
    x, y, w, h, cells = (int(v) for v in stats[labels[row, column]])
    return (float(x * CELL), float(y * CELL), float(w * CELL), float(h * CELL)), cells


def _span(anew: NDArray[np.float32], at: int, steps: int) -> tuple[int, int]:
    """First and last frame around a window of so many that differ as much at its place."""
    least = _PLACE_SHARE * float(np.median(anew[at : at + steps]))
    first, last = at, at + steps - 1
    while first > 0 and anew[first - 1] >= least:
        first -= 1
    while last < len(anew) - 1 and anew[last + 1] >= least:
        last += 1
    return first + 1, last + 1  # facts begin with frame 1


def _finding(
    scene: Scene,
    box: tuple[float, float, float, float],
    span: tuple[int, int],
    value: float,
) -> Finding:
    first, last = span
    times = scene.stretch.pts_seconds
    start, end = float(times[first]), float(times[last])
    return Finding(
        code=CODE,
        lane="residual",
        t_start=start,
        t_end=end,
        boxes=_carried(scene, box, span),
        statistic=STATISTIC,
        value=value,
        percentile_among_real=None,
        confounders_checked=(
            "grain and noise all over the picture",
            "motion that flow does not follow, edges of moving things",
            "flashes and single frames",
            "water, leaves and the like, which move so all the time",
        ),
        explanation=(
            f"The surface of a thing is painted anew with each frame from {start:.2f} to "
            f"{end:.2f} s: what is seen in one frame is in neither of its neighbours, while the "
            "rest of the picture is the same in all three."
        ),
    )


def _carried(
    scene: Scene, box: tuple[float, float, float, float], span: tuple[int, int]
) -> tuple[tuple[float, float, float, float, float], ...]:
    """The box in each frame of the span, where the camera's motion takes it."""
    x, y, w, h = box
    first, last = span
    to_first = scene.camera.to_first
    middle = to_first[(first + last) // 2] @ [x + w / 2, y + h / 2, 1.0]
    boxes = []
    for index in range(first, last + 1):
        matrix = to_first[index]
        cx, cy = np.linalg.solve(matrix[:, :2], middle - matrix[:, 2])
        boxes.append(scene.displayed(index, (cx - w / 2, cy - h / 2, w, h)))
    return tuple(boxes)
