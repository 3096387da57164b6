"""Interpenetration: two stiff things share one place and go on, as if neither were there.

    apart -> each on its way, straight on -> both at one place -> apart again, both as they were

Where two things meet, a camera sees one of them, whichever is nearer, or they push each other
away. Where both are seen at once, the picture there is a mixture: a * one + b * other, by least
squares over what the two looked like while they were apart. Of things that hide each other one
share is 1 and the other 0. The same is asked backwards in time, from after they parted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import Body
from unreel.detector.scenes import Scene

CODE = "interpenetration"
STATISTIC = "evenness of a mixture of two things, as far as it explains the picture"
FLOOR = 0.25
"""Weaker candidates are not kept."""
MAX_BODIES = 24
"""Of a stretch, those with the most points: pairs grow with the square."""
MIN_FRAMES = 4
"""In which both are followed while they are apart."""
MIN_SIDE = 12
"""Small pixels of either thing."""
MIN_CONTRAST = 8.0
"""Grey levels, standard deviation of either: plain things mix to anything plain."""
MIN_APPROACH = 20.0
"""Small pixels a second between the two."""
MAX_WAIT_SECONDS = 1.5
"""From where they are last seen apart to where they are apart again."""
MAX_UNSTEADY = 1.5
"""Small pixels, rms, that a way may leave a straight line by."""
MIN_AFTER = 0.3
"""Likeness of the less alike one to itself once they are apart again."""
_WAY_FRAMES = 9
_SLIP = 3
"""Small pixels that a predicted place may be wrong by."""
_GAIN = 0.2
"""Of the variance, that a mixture must explain beyond the two side by side to count in full."""
_SPOT = (5, 5)
"""Small pixels that show one thing or the other, where they are side by side."""


@dataclass(frozen=True, slots=True)
class _Thing:
    """One of the two, from where it is last seen apart from the other."""

    seen: NDArray[np.float64]
    """(2,) its centre in that frame."""
    size: tuple[int, int]
    place: NDArray[np.float64]
    """(2,) in the coordinates of the first frame."""
    velocity: NDArray[np.float64]
    """(2,) small pixels a second."""


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Two things, the frame in which they are apart, the ones in which they share a place."""

    one: _Thing
    other: _Thing
    apart: int
    shared: tuple[int, ...]
    after: tuple[int, ...]
    """Frames in which they are apart again."""


def interpenetrations(scene: Scene, bodies: tuple[Body, ...]) -> list[Finding]:
    """Pairs that are seen through each other; of each pair the stronger direction in time."""
    found = []
    for pair in combinations(bodies[:MAX_BODIES], 2):
        met = [m for forward in (True, False) if (m := _meeting(scene, pair, forward))]
        judged = [(value, m) for m in met if (value := _mixture(scene, m)) >= FLOOR]
        if judged:
            found.append(_finding(scene, *max(judged, key=lambda one: one[0])))
    return found


def _meeting(scene: Scene, pair: tuple[Body, Body], forward: bool) -> _Meeting | None:
    """Where straight ways of the two lead them to one place and apart again."""
    apart = _last_apart(pair, forward)
    if apart is None:
        return None
    things = [_thing(scene, body, apart, forward) for body in pair]
    one, other = things
    if one is None or other is None:
        return None
    if np.linalg.norm(one.velocity - other.velocity) < MIN_APPROACH:
        return None
    times = scene.stretch.pts_seconds
    order = range(apart + 1, len(times)) if forward else range(apart - 1, -1, -1)
    shared: list[int] = []
    after: list[int] = []
    for index in order:
        if abs(times[index] - times[apart]) > MAX_WAIT_SECONDS or len(after) == 4:
            break
        room = _room(scene, one, other, apart, index)
        if min(room) > 10 and not after:
            shared.append(index)
        elif shared and min(room) < -2:
            after.append(index)
    if len(shared) < 2 or not after:
        return None
    return _Meeting(one, other, apart, tuple(shared), tuple(after))


def _last_apart(pair: tuple[Body, Body], forward: bool) -> int | None:
    """The last frame (backwards: the first) in which both are followed and do not touch."""
    one, other = pair
    first = int(max(one.indices[0], other.indices[0]))
    last = int(min(one.indices[-1], other.indices[-1]))
    if last - first + 1 < MIN_FRAMES:
        return None
    boxes = [b.boxes[first - b.indices[0] : last + 1 - b.indices[0]] for b in pair]
    middles = [box[:, :2] + box[:, 2:] / 2 for box in boxes]
    gap = (np.abs(middles[0] - middles[1]) - (boxes[0][:, 2:] + boxes[1][:, 2:]) / 2).max(axis=1)
    where = np.flatnonzero(gap > 2)
    where = where[where >= MIN_FRAMES - 1] if forward else where[where <= len(gap) - MIN_FRAMES]
    if not len(where):
        return None
    return first + int(where[-1] if forward else where[0])


def _thing(scene: Scene, body: Body, apart: int, forward: bool) -> _Thing | None:
    """A body with the straight way that it is on; None where it is on none, or has no look."""
    at = apart - int(body.indices[0])
    low, high = (max(0, at - _WAY_FRAMES + 1), at) if forward else (at, at + _WAY_FRAMES - 1)
    high = min(high, len(body.indices) - 1)
    clock = scene.stretch.pts_seconds[body.indices[low : high + 1]]
    if len(clock) < MIN_FRAMES:
        return None
    matrices = scene.camera.to_first[body.indices[low : high + 1]]
    middles = body.boxes[low : high + 1, :2] + body.boxes[low : high + 1, 2:] / 2
    stable = np.einsum("nij,nj->ni", matrices[:, :, :2], middles) + matrices[:, :, 2]
    # Boxes jump when points are lost; the sum of steps does not.
    way = body.centres[low : high + 1]
    way = way + (stable - way).mean(axis=0)
    columns = np.stack([np.ones_like(clock), clock - scene.stretch.pts_seconds[apart]], axis=1)
    fit, *_ = np.linalg.lstsq(columns, way, rcond=None)
    if np.sqrt(((way - columns @ fit) ** 2).mean()) > MAX_UNSTEADY:
        return None
    x, y, w, h = body.boxes[at]
    seen, size = np.array([x + w / 2, y + h / 2]), (int(w), int(h))
    look = _patch(scene.stretch.frames[apart], seen, size)
    if min(size) < MIN_SIDE or look is None or look.std() < MIN_CONTRAST:
        return None
    return _Thing(seen, size, fit[0], fit[1])


def _place(scene: Scene, thing: _Thing, apart: int, index: int) -> NDArray[np.float64]:
    """(2,) where it should be in a frame."""
    clock = scene.stretch.pts_seconds
    stable = thing.place + thing.velocity * (clock[index] - clock[apart])
    matrix = scene.camera.to_first[index]
    return np.asarray(np.linalg.solve(matrix[:, :2], stable - matrix[:, 2]), np.float64)


def _room(scene: Scene, one: _Thing, other: _Thing, apart: int, index: int) -> NDArray[np.float64]:
    """(2,) pixels that the two share in x and y; negative = the gap between them."""
    far = np.abs(_place(scene, one, apart, index) - _place(scene, other, apart, index))
    return np.asarray((np.array(one.size) + np.array(other.size)) / 2 - far, np.float64)


def _mixture(scene: Scene, met: _Meeting) -> float:
    """The statistic: median over the frames in which they share most of a place."""
    if _likeness_after(scene, met) < MIN_AFTER:
        return 0.0
    rooms = [np.prod(_room(scene, met.one, met.other, met.apart, i)) for i in met.shared]
    # Where they hardly overlap a place that is wrong by little decides.
    wide = [i for i, room in zip(met.shared, rooms, strict=True) if room >= max(rooms) / 2]
    values = [v for i in wide if (v := _mixture_in(scene, met, i)) is not None]
    return float(np.median(values)) if len(values) >= 2 else 0.0


def _likeness_after(scene: Scene, met: _Meeting) -> float:
    """How alike the less alike of the two is to itself once they are apart again, -1..1."""
    import cv2

    frames, best = scene.stretch.frames, -1.0
    for index in met.after:
        both = []
        for thing in (met.one, met.other):
            look = _patch(frames[met.apart], thing.seen, thing.size)
            wide = (thing.size[0] + 16, thing.size[1] + 16)
            room = _patch(frames[index], _place(scene, thing, met.apart, index), wide)
            if look is None or room is None:
                break
            found = cv2.matchTemplate(room, look, cv2.TM_CCOEFF_NORMED)
            both.append(float(np.nan_to_num(found, posinf=0.0, neginf=0.0).max()))
        if len(both) == 2:
            best = max(best, min(both))
    return best


def _mixture_in(scene: Scene, met: _Meeting, index: int) -> float | None:
    """Twice the smaller share, at most 1, times what the mixture explains of one frame."""
    frames = scene.stretch.frames
    places = [_place(scene, thing, met.apart, index) for thing in (met.one, met.other)]
    halves = [np.array(thing.size) / 2 for thing in (met.one, met.other)]
    low = np.maximum(places[0] - halves[0], places[1] - halves[1])
    high = np.minimum(places[0] + halves[0], places[1] + halves[1])
    wide, tall = (int(side) - 2 for side in high - low)
    if min(wide, tall) < 8:
        return None
    middle = (low + high) / 2
    here = _patch(frames[index], middle, (wide, tall))
    if here is None:
        return None
    slips: list[tuple[int, int]] = [(0, 0), (0, 0)]
    best = (-1.0, 0.0, 0.0)
    steps = range(-_SLIP, _SLIP + 1)
    for number in (0, 1, 0, 1):  # each in turn, until neither place gets better
        for slip in [(x, y) for x in steps for y in steps]:
            tried = [slip if k == number else slips[k] for k in (0, 1)]
            looks = [
                _patch(frames[met.apart], thing.seen + middle - place + move, (wide, tall))
                for thing, place, move in zip((met.one, met.other), places, tried, strict=True)
            ]
            if looks[0] is None or looks[1] is None:
                continue
            mixed = _mixed(here, looks[0], looks[1])
            if mixed[0] > best[0]:
                best, slips = mixed, tried
    explained, first, second = best
    # Of smooth things, and where a place is wrong by more, one alone may explain as much; at the
    # rim of the nearer one both are seen, side by side.
    looks = [
        _nearest(frames[met.apart], thing.seen + middle - place, here)
        for thing, place in zip((met.one, met.other), places, strict=True)
    ]
    gained = float(np.clip((explained - _side_by_side(here, looks)) / _GAIN, 0, 1))
    return float(np.clip(2 * min(first, second), 0, 1)) * max(explained, 0.0) * gained


def _nearest(
    frame: NDArray[np.uint8], middle: NDArray[np.float64], here: NDArray[np.uint8]
) -> NDArray[np.uint8] | None:
    """What looks most like `here` around a place."""
    import cv2

    tall, wide = here.shape[:2]
    room = _patch(frame, middle, (wide + 4 * _SLIP, tall + 4 * _SLIP))
    if room is None:
        return None
    found = np.nan_to_num(cv2.matchTemplate(room, here, cv2.TM_CCOEFF_NORMED), posinf=0, neginf=0)
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    return room[row : row + tall, column : column + wide]


def _side_by_side(here: NDArray[np.uint8], looks: list[NDArray[np.uint8] | None]) -> float:
    """Share of the variance that remains explained where each spot shows one of the two alone."""
    import cv2

    y = here.astype(np.float32)
    y -= y.mean()
    left = []
    for look in looks:
        if look is None:
            return 1.0
        x = look.astype(np.float32)
        x -= x.mean()
        share = float((x * y).sum() / max(float((x * x).sum()), 1.0))
        left.append(cv2.blur(((y - max(share, 0.0) * x) ** 2).mean(axis=2), _SPOT))
        left.append(cv2.blur(((y - x) ** 2).mean(axis=2), _SPOT))
    return float(1 - np.minimum.reduce(left).mean() / max(float((y * y).mean()), 1.0))


def _mixed(
    here: NDArray[np.uint8], one: NDArray[np.uint8], other: NDArray[np.uint8]
) -> tuple[float, float, float]:
    """Share of the variance that a * one + b * other + c explains, a and b."""
    y, first, second = (p.astype(np.float64).ravel() for p in (here, one, other))
    y, first, second = y - y.mean(), first - first.mean(), second - second.mean()
    aa, bb, ab = first @ first, second @ second, first @ second
    ay, by = first @ y, second @ y
    size = aa * bb - ab * ab
    if size < 1e-3 * aa * bb or y @ y < 1:
        return 0.0, 0.0, 0.0
    a, b = (bb * ay - ab * by) / size, (aa * by - ab * ay) / size
    return float((a * ay + b * by) / (y @ y)), float(a), float(b)


def _patch(
    frame: NDArray[np.uint8], middle: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """A part of a frame; None where it reaches out of it."""
    x, y = (round(float(c - side / 2)) for c, side in zip(middle, size, strict=True))
    if x < 0 or y < 0 or x + size[0] > frame.shape[1] or y + size[1] > frame.shape[0]:
        return None
    return frame[y : y + size[1], x : x + size[0]]


def _finding(scene: Scene, value: float, met: _Meeting) -> Finding:
    times = scene.stretch.pts_seconds
    first, last = min(met.shared), max(met.shared)
    boxes = []
    for index in sorted(met.shared):
        for thing in (met.one, met.other):
            x, y = _place(scene, thing, met.apart, index)
            w, h = thing.size
            boxes.append(scene.displayed(index, (x - w / 2, y - h / 2, w, h)))
    start, end = float(times[first]), float(times[last])
    return Finding(
        code=CODE,
        lane="physics",
        t_start=start,
        t_end=end,
        boxes=tuple(boxes),
        statistic=STATISTIC,
        value=value,
        percentile_among_real=None,
        confounders_checked=(
            "one passes in front of the other: then one of them is not seen",
            "they push each other away: both go straight on",
            "both look as before once they are apart again",
            "motion of the camera",
        ),
        explanation=(
            f"Two things are at one place from {start:.2f} to {end:.2f} s and both are seen there, "
            "one through the other; neither is in front, neither is pushed, and both go on."
        ),
    )
