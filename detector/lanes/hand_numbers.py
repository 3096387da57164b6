"""More hands near people than people have, and how many hands there are over time.

A hand belongs to somebody whose face is near and whose arm is in the frame. Hands whose arms come
in over the edge may be anybody's, and of folded hands the network sees one more now and then: both
do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unreel.detector.hands.finding import Hand
from unreel.detector.hands.following import SURE, HandSeries
from unreel.detector.records import Finding
from unreel.detector.scenes import Scene

CODE = "limb-count"
TOO_MANY = "sureness of hands beyond two for each person"
"""The statistic; times the root of the number of sightings."""
MIN_SIGHTINGS = 3
"""Sampled frames in a row, a quarter of a second apart."""
REACH = 6.0
"""Face heights between a face and a hand of the same person."""
APART = 2.0
"""Palm sizes between hands that are counted as two."""
ARM = 4.0
"""Palm sizes behind a palm within which its forearm is in the frame."""
CHECKED = ("cut", "arms of people out of the frame", "folded hands", "detector doubt")


def many_candidates(scene: Scene, hands: HandSeries) -> list[Finding]:
    """Spans in which people have more than two hands each; none where faces were not looked for."""
    return [_many(scene, hands, *run) for run in too_many(scene, hands)]


def hand_series(scene: Scene, hands: HandSeries) -> tuple[tuple[float, float], ...]:
    """(seconds, hands) where the number changes, from the first sampled frame on."""
    points: list[tuple[float, float]] = []
    for sample, index in enumerate(hands.indices):
        count = float(len(hands.at(sample)))
        if not points or points[-1][1] != count:
            points.append((float(scene.stretch.pts_seconds[index]), count))
    return tuple(points)


def too_many(scene: Scene, hands: HandSeries) -> list[tuple[list[int], float]]:
    """Runs of sampled frames in which there are too many, and the value of TOO_MANY."""
    runs: list[tuple[list[int], list[float]]] = []
    for sample in range(len(hands.indices)):
        sure = _beyond_two(scene, hands, sample)
        if sure < SURE:
            continue
        if runs and runs[-1][0][-1] == sample - 1:
            runs[-1][0].append(sample)
            runs[-1][1].append(sure)
        else:
            runs.append(([sample], [sure]))
    return [
        (samples, float(np.mean(sure) * np.sqrt(len(samples))))
        for samples, sure in runs
        if len(samples) >= MIN_SIGHTINGS
    ]


def owned(scene: Scene, hands: HandSeries, sample: int) -> list[Hand]:
    """Hands near a face, whose arms do not come in over the frame's edge, apart from each other."""
    faces = hands.faces.get(sample, ())
    kept: list[Hand] = []
    for hand in sorted(hands.at(sample), key=lambda h: -h.presence):
        near = any(_in_reach(face, hand) for face in faces)
        if near and _arm_inside(scene, hand) and all(_apart(hand, k) for k in kept):
            kept.append(hand)
    return kept


def _beyond_two(scene: Scene, hands: HandSeries, sample: int) -> float:
    """Presence of the surest hand beyond two for each person; 0 = there is none."""
    if not hands.faces.get(sample):
        return 0.0
    presence = [hand.presence for hand in owned(scene, hands, sample)]
    lawful = 2 * _people(scene, hands, sample)
    return presence[lawful] if len(presence) > lawful else 0.0


def _people(scene: Scene, hands: HandSeries, sample: int) -> int:
    """Faces, or persons of an object detector where these are more."""
    index = int(hands.indices[sample])
    named = sum(o.label == "person" and index in o.indices for o in scene.objects)
    return max(len(hands.faces.get(sample, ())), named)


def _apart(a: Hand, b: Hand) -> bool:
    return float(np.linalg.norm(a.middle - b.middle)) >= APART * max(a.size, b.size)


def _arm_inside(scene: Scene, hand: Hand) -> bool:
    height, width = scene.stretch.frames.shape[1:3]
    x, y = hand.middle - ARM * hand.size * np.array(hand.up)
    return bool(0 <= x <= width and 0 <= y <= height)


def _in_reach(face: Sequence[float], hand: Hand) -> bool:
    centre = np.array([face[0] + face[2] / 2, face[1] + face[3] / 2])
    return bool(np.linalg.norm(hand.middle - centre) <= REACH * face[3])


def _many(scene: Scene, hands: HandSeries, samples: Sequence[int], value: float) -> Finding:
    """More hands than people have."""
    times = scene.stretch.pts_seconds[hands.indices]
    middle = samples[len(samples) // 2]
    count, people = len(owned(scene, hands, middle)), _people(scene, hands, middle)
    boxes = [
        scene.displayed(int(hands.indices[s]), hand.whole())
        for s in samples
        for hand in owned(scene, hands, s)
    ]
    persons = "one person" if people == 1 else f"{people} people"
    return Finding(
        code=CODE,
        lane="objects",
        t_start=float(times[samples[0]]),
        t_end=float(times[samples[-1]]),
        boxes=tuple(boxes),
        statistic=TOO_MANY,
        value=value,
        percentile_among_real=None,
        confounders_checked=CHECKED,
        explanation=(
            f"{persons[0].upper()}{persons[1:]} and {counted(count)} near, from "
            f"{times[samples[0]]:.1f} to {times[samples[-1]]:.1f} s; no arm comes in over the "
            "frame's edge."
        ),
        series=hand_series(scene, hands),
    )


def counted(count: int) -> str:
    """2 hands"""
    return f"{count} hand" if count == 1 else f"{count} hands"
