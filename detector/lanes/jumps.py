"""Teleport: a thing is gone from one place and, in the next frame, at another.

Two places change at once in the same step: what stood at one before stands at the other after. The
look is held against both pictures: it must be new where it is now and gone where it was, else two
things merely changed together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.local_changes import LocalChange
from unreel.detector.records import Finding
from unreel.detector.scenes import Scene

CODE = "teleport"
FLOOR = 1.2
"""Weaker candidates are not kept."""
MAX_DISTANCE = 45.0
"""Grey levels, rms, that the look may have changed by."""
MIN_FADING = 0.2
"""Of LocalChange.fading: how clearly the thing was at the first place, and is at the second."""
_MIN_SIDE = 8
_SECONDS_AROUND = 0.15


def teleports(scene: Scene) -> list[Finding]:
    """Candidates of one stretch."""
    found = []
    by_step: dict[int, list[LocalChange]] = {}
    for change in scene.changes:
        by_step.setdefault(change.index, []).append(change)
    for index, changes in sorted(by_step.items()):
        pairs = [
            (_gain(scene, index, gone, come), gone, come)
            for gone in changes
            for come in changes
            if gone is not come and _are_alike_in_size(gone, come)
        ]
        pairs = [pair for pair in pairs if pair[0] > 0]
        if not pairs:
            continue
        gain, gone, come = max(pairs, key=lambda pair: pair[0])
        value = gain * float(np.sqrt(min(gone.strength, come.strength)))
        if value > FLOOR:
            found.append(_finding(scene, index, gone, come, value))
    return found


def _are_alike_in_size(one: LocalChange, two: LocalChange) -> bool:
    a, b = one.box[2] * one.box[3], two.box[2] * two.box[3]
    return 0.3 < a / b < 3.3


def _gain(scene: Scene, index: int, gone: LocalChange, come: LocalChange) -> float:
    """How much nearer the look is to what is there now than to anything that was there; 0..1."""
    if gone.fading < MIN_FADING or come.fading > -MIN_FADING:
        return 0.0
    before, after = scene.stretch.frames[index - 1], scene.stretch.frames[index]
    look = _part(before, gone.box, 0.0)
    if min(look.shape[:2]) < _MIN_SIDE or look.std() < 4:
        return 0.0
    there = _distance(look, _part(after, come.box, 0.5))
    if there > MAX_DISTANCE:
        return 0.0
    was_there = _distance(look, _part(_without(before, gone.box), come.box, 0.5))
    still_here = _distance(look, _part(_without(after, come.box), gone.box, 0.3))
    return 1 - there / max(min(was_there, still_here), 1.0)


def _without(frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The picture with a box painted over: the thing itself must not be found beside its place."""
    x, y, w, h = (int(side) for side in box)
    painted = frame.copy()
    painted[max(0, y) : y + h + 1, max(0, x) : x + w + 1] = frame.mean(axis=(0, 1)).astype(np.uint8)
    return painted


def _part(
    frame: NDArray[np.uint8], box: tuple[float, float, float, float], margin: float
) -> NDArray[np.uint8]:
    """What a box shows, with a margin of this share of its sides."""
    x, y, w, h = box
    top, left = max(0, int(y - margin * h)), max(0, int(x - margin * w))
    return frame[top : int(y + h + margin * h) + 1, left : int(x + w + margin * w) + 1]


def _distance(look: NDArray[np.uint8], place: NDArray[np.uint8]) -> float:
    """Rms difference of a look from the nearest part of a place, at a few sizes; grey levels."""
    import cv2

    nearest = 255.0
    for factor in (0.85, 1.0, 1.2):
        height, width = (max(6, round(side * factor)) for side in look.shape[:2])
        # The rim belongs to the ground, which differs from place to place.
        rim_y, rim_x = height // 6, width // 6
        resized = cv2.resize(look, (width, height))[rim_y : height - rim_y, rim_x : width - rim_x]
        if resized.shape[0] > place.shape[0] or resized.shape[1] > place.shape[1]:
            continue
        squares = cv2.matchTemplate(place, resized, cv2.TM_SQDIFF)
        nearest = min(nearest, float(np.sqrt(max(float(squares.min()), 0.0) / resized.size)))
    return nearest


def _finding(
    scene: Scene, index: int, gone: LocalChange, come: LocalChange, value: float
) -> Finding:
    clock, scale = scene.stretch.pts_seconds, scene.stretch.scale
    width = scene.stretch.frames.shape[2]
    far = np.hypot(come.box[0] - gone.box[0], come.box[1] - gone.box[1]) / width
    before, after = float(clock[index - 1]), float(clock[index])
    boxes = [
        scene.displayed(i, gone.box if i < index else come.box)
        for i in range(len(clock))
        if before - _SECONDS_AROUND <= clock[i] <= after + _SECONDS_AROUND
    ]
    said = (
        f"a thing {round(gone.box[2] * scale)} x {round(gone.box[3] * scale)} pixels large is gone "
        f"at {after:.2f} s and in the same frame {100 * far:.0f} % of the picture's width away"
    )
    return Finding(
        CODE, "physics", before, after, tuple(boxes), "nearness x strength", value, None,
        (
            "no cut or flash: the rest of the picture goes on",
            "motion between the two frames does not explain it",
            "the look was not at the second place before, and is no longer at the first",
        ),
        said,
    )  # fmt: skip
