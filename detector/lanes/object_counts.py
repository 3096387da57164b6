"""How many things of each class a detector sees over time, and when the number comes back.

    dogs   3 3 3 3 3 4 4 4 3 3 3      one more for a while
    cups   2 2 2 1 1 1 1 2 2 2 2      one less for a while

Detectors overlook things. So a change counts only where the thing was seen surely, its place shows
that it is really there no more (or was not there before), it did not cross the frame's edge, and no
other thing stood in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unreel.detector.detecting import overlap
from unreel.detector.local_changes import likeness
from unreel.detector.object_tracks import ObjectTrack
from unreel.detector.records import Finding
from unreel.detector.scenes import Scene

STATISTIC = "sureness of a count that comes back"
MIN_SURE = 0.5
"""Mean confidence of the sightings around a change."""
MIN_SIGHTINGS = 3
NEAR = 4
"""Sightings before or after a change that are asked."""
LONGEST_SECONDS = 3.0
STILL_THERE = 0.7
"""Likeness of a place to itself from which the thing is held to be there, whatever the detector."""
MAX_COVERED = 0.1
"""Intersection over union with another thing from which it may be hidden by it."""
EDGE_SHARE = 0.03
CHECKED = (
    "cut", "entry or exit at the frame's edge", "another thing in front", "detector doubt",
    "motion of the camera",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Span:
    """Frames in which a thing is missing, or the only ones in which it is there."""

    track: ObjectTrack
    first: int
    last: int
    is_extra: bool
    sureness: float


def count_series(scene: Scene, label: str) -> tuple[tuple[float, float], ...]:
    """(seconds, things of the class) where the number changes, from the first frame on."""
    times = scene.stretch.pts_seconds
    points: list[tuple[float, float]] = []
    for index, t in enumerate(times):
        count = float(sum(index in o.indices for o in scene.objects if o.label == label))
        if not points or points[-1][1] != count:
            points.append((float(t), count))
    return tuple(points)


def count_candidates(scene: Scene) -> list[Finding]:
    """Spans in which there is one more or one less of a class than before and after."""
    found = []
    for track in scene.objects:
        spans = _gaps(scene, track) + _extras(scene, track)
        found += [_finding(scene, span) for span in spans]
    return found


def _gaps(scene: Scene, track: ObjectTrack) -> list[_Span]:
    """Where a thing that is seen surely before and after is not seen."""
    times, spans = scene.stretch.pts_seconds, []
    for k in np.flatnonzero(np.diff(track.indices) > MIN_SIGHTINGS):
        before, after = track.confidence[: k + 1][-NEAR:], track.confidence[k + 1 :][:NEAR]
        sure = float(min(before.mean(), after.mean()))
        first, last = int(track.indices[k]) + 1, int(track.indices[k + 1]) - 1
        middle = (first + last) // 2
        if (
            min(len(before), len(after)) >= MIN_SIGHTINGS
            and sure >= MIN_SURE
            and times[last] - times[first] <= LONGEST_SECONDS
            and not _near_edge(scene, track.boxes[k])
            and not _near_edge(scene, track.boxes[k + 1])
            and not _covered(scene, track, middle, track.boxes[k])
            and not _looks_there(scene, first - 1, track.boxes[k], (first, middle, last))
        ):
            spans.append(_Span(track, first, last, False, sure))
    return spans


def _extras(scene: Scene, track: ObjectTrack) -> list[_Span]:
    """A thing that comes up and is gone again, none of it at an edge or behind another."""
    times, last_frame = scene.stretch.pts_seconds, len(scene.stretch.pts_seconds) - 1
    first, last = int(track.indices[0]), int(track.indices[-1])
    sure = float(track.confidence.mean())
    if (
        len(track.indices) < MIN_SIGHTINGS
        or sure < MIN_SURE
        or first < MIN_SIGHTINGS
        or last > last_frame - MIN_SIGHTINGS
        or times[last] - times[first] > LONGEST_SECONDS
    ):
        return []
    for place, index, beyond in (
        (track.boxes[0], first, (first - 2, first - 3)),
        (track.boxes[-1], last, (last + 2, last + 3)),
    ):
        if (
            _near_edge(scene, place)
            or _covered(scene, track, index, place)
            or _looks_there(scene, index, place, beyond)
        ):
            return []
    others = [o for o in scene.objects if o.label == track.label and o is not track]
    if not any(o.indices[0] < first and o.indices[-1] > last for o in others):
        return []  # nothing of the class lasts: there is no number to come back to
    return [_Span(track, first, last, True, sure)]


def _near_edge(scene: Scene, box: Sequence[float]) -> bool:
    height, width = scene.stretch.frames.shape[1:3]
    margin = EDGE_SHARE * width
    x, y, w, h = box
    return bool(x < margin or y < margin or x + w > width - margin or y + h > height - margin)


def _covered(scene: Scene, track: ObjectTrack, index: int, box: Sequence[float]) -> bool:
    """Another thing stands there within a few frames."""
    for other in scene.objects:
        if other is track:
            continue
        near = np.abs(other.indices - index) <= NEAR
        if any(overlap(box, place) > MAX_COVERED for place in other.boxes[near]):
            return True
    return False


def _looks_there(scene: Scene, index: int, box: Sequence[float], others: Sequence[int]) -> bool:
    frames = scene.stretch.frames
    there = [i for i in others if 0 <= i < len(frames)]
    return any(likeness(frames[index], box, frames[i]) >= STILL_THERE for i in there)


def _finding(scene: Scene, span: _Span) -> Finding:
    times, track, label = scene.stretch.pts_seconds, span.track, span.track.label
    start, end = float(times[span.first]), float(times[min(span.last + 1, len(times) - 1)])
    others = sum(
        o is not track and o.indices[0] <= span.first and o.indices[-1] >= span.last
        for o in scene.objects
        if o.label == label
    )
    usual = others if span.is_extra else others + 1
    meanwhile = usual + (1 if span.is_extra else -1)
    length = np.sqrt(span.last - span.first + 1)
    boxes = [
        scene.displayed(int(i), box)
        for i, box in zip(track.indices, track.boxes, strict=True)
        if span.first - NEAR <= i <= span.last + NEAR
    ]
    return Finding(
        code="object-count-flicker",
        lane="objects",
        t_start=start,
        t_end=end,
        boxes=tuple(boxes),
        statistic=STATISTIC,
        value=float(span.sureness * length),
        percentile_among_real=None,
        confounders_checked=CHECKED,
        explanation=(
            f"{_counted(usual, label)} until {start:.1f} s, {meanwhile} until {end:.1f} s, then "
            f"{usual}; none came in from the edge or from behind another."
        ),
        series=count_series(scene, label),
    )


def _counted(count: int, label: str) -> str:
    """3 dogs"""
    if count == 1:
        return f"1 {label}"
    plurals = {"person": "persons", "sheep": "sheep", "knife": "knives", "bus": "buses"}
    ending = "es" if label.endswith(("ch", "sh", "ss")) else "s"
    return f"{count} {plurals.get(label, label + ending)}"
