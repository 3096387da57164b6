"""Objects lane: do things come, go, double or change into others without a cause that one can see?

Measures: compact places that change at once while everything around goes on (local_changes.py),
    and, with a detector, how many things of a class there are over time (object_tracks.py), and
    how many hands, with a detector of these (limb_counts.py).
Why generators leave it: they have no list of the things in a scene; what is hidden, small or
    crowded is painted anew from frame to frame.
Blind: things that fade over seconds, crowds, low frame rates, what happens at the frame's edge.
    Captions, screens and lights that are switched in the scene look like things that come and go.
Source: object permanence as a test, cf. World Consistency Score (2508.00144); DeeptraceReward for
    what people mark.
Command: unreel scan --lanes objects
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.lanes.limb_counts import limb_candidates
from unreel.detector.lanes.object_counts import count_candidates
from unreel.detector.lanes.odd_paths import odd_paths
from unreel.detector.local_changes import LocalChange, likeness
from unreel.detector.records import Finding
from unreel.detector.scenes import ClipScenes, Scene
from unreel.detector.step_maps import CELL

NAME = "objects"
FLOOR = 4.0
"""Weaker changes are not even candidates."""
MIN_FADING = 0.25
"""Of LocalChange.fading: how clearly a thing was there before, or is there after."""
MIN_LIKENESS = 0.6
"""Of a thing to itself two frames on: what is less alike flashed up, or is too blurred to say."""
MAX_ELSEWHERE = 0.85
"""Of a thing to anything nearby in the frame in which it is not there: it only moved."""
MIN_STEADINESS = 0.3
"""Share of points that agree on the camera's motion."""
RETURN_SECONDS = 3.0
"""A thing that is back within this time flickered."""
MAX_SHIFT = 1.2
"""Box sizes between the place where a thing went and where it is back."""
MIN_TWIN = 0.8
"""Likeness of two things that are one thing twice..."""
MAX_TWIN_COLOURS = 14.0
"""...and grey levels by which they may differ."""
MIN_SAME = 0.5
"""Likeness of what went to what came back."""
MIN_JUMPED = 0.4
"""The same in one step: only the background around it is another."""
MIN_TWICE = 12.0
"""Weaker ones are held to what camera clips show of things that come at once."""
TWICE = "abruptness of a local change that shows what stands elsewhere"
"""The statistic of duplicates."""
LIKE_STRENGTH = 0.25
"""The weaker of going and coming against the stronger: one thing makes much the same change."""
CHECKED = (
    "cut", "motion blur and fast motion", "entry or exit at the frame's edge",
    "flash and single frames", "motion of the camera",
)  # fmt: skip


class ObjectsLane:
    """See the module."""

    name = NAME
    reads_paths = True

    def glance(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Nothing: the dense frames are enough."""

    def candidates(self, clip: ClipScenes) -> list[Finding]:
        """What might be worth a look, of all scenes."""
        found: list[Finding] = []
        for scene in clip.scenes:
            found += _of_changes(scene) + odd_paths(scene, NAME)
            if scene.has_names:
                found += count_candidates(scene)
            found += limb_candidates(scene)
        return found


@dataclass(frozen=True, slots=True)
class _Event:
    """A thing that came or went at once."""

    change: LocalChange
    came: bool
    value: float


def _of_changes(scene: Scene) -> list[Finding]:
    events = [event for change in scene.changes if (event := _event(scene, change))]
    jumped = _jumped(scene, events)
    events = [event for event in events if id(event) not in jumped]
    pairs = _returns(scene, events)
    paired = {id(event) for pair in pairs for event in pair}
    found: list[Finding] = []
    for first, second in pairs:
        twin = _twin(scene, first)
        if twin is None:
            found.append(_flicker(scene, first, second))
        else:
            found.append(_duplicate(scene, first, twin, second.change.index))
    for event in events:
        if id(event) not in paired:
            twin = _twin(scene, event)
            found.append(
                _single(scene, event) if twin is None else _duplicate(scene, event, twin, None)
            )
    return found


def _event(scene: Scene, change: LocalChange) -> _Event | None:
    """The change as a thing that came or went, if it is one."""
    came = change.fading < 0
    there, elsewhere = (change.stays, change.came_from) if came else (change.stood, change.moved_on)
    if abs(change.fading) < MIN_FADING or there < MIN_LIKENESS or elsewhere > MAX_ELSEWHERE:
        return None
    if _at_edge(scene, change.box) or scene.camera.steadiness[change.index] < MIN_STEADINESS:
        return None
    certain = 0.5 + 0.5 * abs(change.fading)
    value = change.strength * certain * _pace(scene, change.index)
    return _Event(change, came, value) if value >= FLOOR else None


def _pace(scene: Scene, index: int) -> float:
    """1 at ten frames a second and more, less below: between far frames anything can happen."""
    times = scene.stretch.pts_seconds
    return float(min(1.0, 0.1 / max(times[index] - times[index - 1], 1e-3)) ** 2)


def _at_edge(scene: Scene, box: Sequence[float]) -> bool:
    """Whether a place has a cell at the frame's edge: there things come in and go out."""
    height, width = scene.stretch.frames.shape[1:3]
    x, y, w, h = box
    right, bottom = width // CELL * CELL, height // CELL * CELL
    return bool(x < CELL or y < CELL or x + w > right - CELL or y + h > bottom - CELL)


def _returns(scene: Scene, events: Sequence[_Event]) -> list[tuple[_Event, _Event]]:
    """Pairs of going and coming (or coming and going) of one thing, each used once."""
    times, used, pairs = scene.stretch.pts_seconds, set(), []
    for k, first in enumerate(events):
        if id(first) in used:
            continue
        for second in events[k + 1 :]:
            gap = times[second.change.index] - times[first.change.index]
            if gap <= 0 or id(second) in used or first.came == second.came:
                continue
            if gap <= RETURN_SECONDS and _same_thing(scene, first, second):
                pairs.append((first, second))
                used |= {id(first), id(second)}
                break
    return pairs


def _jumped(scene: Scene, events: Sequence[_Event]) -> set[int]:
    """Things that go and come in one step, alike: a jump, which the physics lane says."""
    frames, found = scene.stretch.frames, set()
    for went in events:
        for came in events:
            at = came.change.index
            if came.came and not went.came and went.change.index == at:
                there = _centred_on(came.change.box, went.change.box)
                if likeness(frames[at - 1], went.change.box, frames[at], there) >= MIN_JUMPED:
                    found |= {id(went), id(came)}
    return found


def _centred_on(
    box: Sequence[float], size_of: Sequence[float]
) -> tuple[float, float, float, float]:
    """A box of another's size around the middle of the first."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return x - size_of[2] / 2, y - size_of[3] / 2, size_of[2], size_of[3]


def _same_thing(scene: Scene, first: _Event, second: _Event) -> bool:
    """Whether what went here is what came there: near, of one size, alike."""
    a, b = first.change, second.change
    if min(first.value, second.value) < LIKE_STRENGTH * max(first.value, second.value):
        return False
    size = max(a.box[2], a.box[3], b.box[2], b.box[3])
    times = scene.stretch.pts_seconds
    gap = float(times[b.index] - times[a.index])
    start, end = _stable(scene, a), _stable(scene, b)
    if np.linalg.norm(end - start) > MAX_SHIFT * size * (1 + gap):
        return False
    ratio = (a.box[2] * a.box[3]) / (b.box[2] * b.box[3])
    if not 0.33 < ratio < 3.0:
        return False
    seen_first = a.index if first.came else a.index - 1
    seen_second = b.index if second.came else b.index - 1
    frames = scene.stretch.frames
    there = _centred_on(b.box, a.box)
    return likeness(frames[seen_first], a.box, frames[seen_second], there) >= MIN_SAME


def _stable(scene: Scene, change: LocalChange) -> NDArray[np.float64]:
    """Centre in the coordinates of the first frame: the camera's motion is taken out."""
    x, y, w, h = change.box
    matrix = scene.camera.to_first[change.index]
    return np.asarray(matrix[:, :2] @ [x + w / 2, y + h / 2] + matrix[:, 2], np.float64)


def _twin(scene: Scene, event: _Event) -> tuple[tuple[float, float, float, float], float] | None:
    """The place elsewhere in the same frame that shows what came, and how alike it is."""
    import cv2

    if not event.came or event.value < MIN_TWICE:
        return None
    box, frame = event.change.box, scene.stretch.frames[event.change.index]
    x, y, w, h = (int(side) for side in box)
    # Its middle: around it each of the two has a background of its own.
    left, top = w // 6, h // 6
    patch = frame[y + top : y + h - top, x + left : x + w - left]
    if min(patch.shape[:2]) < 8 or patch.std() < 8:
        return None
    found = np.nan_to_num(cv2.matchTemplate(frame, patch, cv2.TM_CCOEFF_NORMED))
    near = slice(max(0, y + top - h // 2), y + h // 2), slice(max(0, x + left - w // 2), x + w // 2)
    found[near] = -1
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    best = float(found[row, column])
    there = frame[row : row + patch.shape[0], column : column + patch.shape[1]]
    colours = float(np.abs(there.astype(np.float32) - patch).mean())
    if best < MIN_TWIN or colours > MAX_TWIN_COLOURS:
        return None
    return (float(column - left), float(row - top), box[2], box[3]), best


def _boxes(
    scene: Scene, spans: Sequence[tuple[int, Sequence[float]]]
) -> tuple[tuple[float, float, float, float, float], ...]:
    return tuple(scene.displayed(index, box) for index, box in spans)


def _single(scene: Scene, event: _Event) -> Finding:
    """A thing that came or went and stayed so."""
    times, at, box = scene.stretch.pts_seconds, event.change.index, event.change.box
    before, now = float(times[at - 1]), float(times[at])
    if event.came:
        code = "object-appear"
        seen = range(at, min(at + 4, len(times)))
        words = f"Something is there at {now:.2f} s that was not there at {before:.2f} s"
    else:
        code = "object-vanish"
        seen = range(max(0, at - 4), at)
        words = f"Something that was there at {before:.2f} s is gone at {now:.2f} s"
    counts = (0.0, 1.0) if event.came else (1.0, 0.0)
    return Finding(
        code=code,
        lane=NAME,
        t_start=before,
        t_end=now,
        boxes=_boxes(scene, [(i, box) for i in seen]),
        statistic="abruptness of a local change",
        value=event.value,
        percentile_among_real=None,
        confounders_checked=CHECKED,
        explanation=(
            f"{words}: one place changes at once, the rest goes on; nothing entered or left at "
            "the edge, and there is no cut."
        ),
        series=((before, counts[0]), (now, counts[1])),
    )


def _flicker(scene: Scene, first: _Event, second: _Event) -> Finding:
    """One thing more or one less for a while."""
    times, a, b = scene.stretch.pts_seconds, first.change, second.change
    start, end = float(times[a.index]), float(times[b.index])
    usual, meanwhile = (0, 1) if first.came else (1, 0)
    words = (
        f"Something comes from one frame to the next at {start:.2f} s and goes so at {end:.2f} s"
        if first.came
        else f"Something is gone from {start:.2f} s and is back at {end:.2f} s"
    )
    path = [
        (i, _between(a.box, b.box, (times[i] - start) / max(end - start, 1e-6)))
        for i in range(max(0, a.index - 3), min(b.index + 4, len(times)))
    ]
    before, after = (float(times[i]) for i in (path[0][0], path[-1][0]))
    return Finding(
        code="object-count-flicker",
        lane=NAME,
        t_start=start,
        t_end=end,
        boxes=_boxes(scene, path),
        statistic="abruptness of the weaker of two local changes that undo each other",
        value=1.5 * min(first.value, second.value),
        percentile_among_real=None,
        confounders_checked=CHECKED,
        explanation=(
            f"{words} ({usual}, {meanwhile}, {usual}): it looks the same, and nothing passed in "
            "front of it or came in from the edge."
        ),
        series=((before, usual), (start, meanwhile), (end, usual), (after, usual)),
    )


def _between(
    a: Sequence[float], b: Sequence[float], share: float
) -> tuple[float, float, float, float]:
    t = float(np.clip(share, 0, 1))
    x, y, w, h = (p + t * (q - p) for p, q in zip(a, b, strict=True))
    return x, y, w, h


def _duplicate(
    scene: Scene,
    event: _Event,
    twin: tuple[tuple[float, float, float, float], float],
    gone: int | None,
) -> Finding:
    """A thing came that is there already; `gone` is the frame in which it went again."""
    times, at = scene.stretch.pts_seconds, event.change.index
    last = len(times) - 1 if gone is None else gone
    end = float(times[last])
    place, alike = twin
    spans = [(i, box) for i in range(at, min(last, at + 4)) for box in (event.change.box, place)]
    before, now = float(times[at - 1]), float(times[at])
    return Finding(
        code="object-duplicate",
        lane=NAME,
        t_start=now,
        t_end=end,
        boxes=_boxes(scene, spans),
        statistic=TWICE,
        value=event.value * alike,
        percentile_among_real=None,
        confounders_checked=(*CHECKED, "likeness by chance"),
        explanation=(
            f"At {now:.2f} s a second one of what stands elsewhere is there, alike to "
            f"{100 * alike:.0f} %; it did not come in from the edge or from behind the first."
        ),
        series=((before, 1.0), (now, 2.0)),
    )
