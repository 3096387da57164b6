"""How many hands there are over time: more than the people there have, or another number at once.

    one person   2 2 2 3 3 3 3 2       a third hand
    a still hand 1 1 1 0 0 1 1 1       gone, and nothing went over it

Hands are what limbs can be counted by: the other parts that pose networks know come in fixed
numbers, whatever the picture shows. People hide hands all the time, by moving them. So a hand that
comes or goes counts the more, the surer it was, the less of it is left at its place a quarter of a
second on, and the less anything moved there meanwhile. One that is soon back where it was counts
double.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.detecting import overlap
from unreel.detector.hands.finding import Hand, upright
from unreel.detector.hands.following import (
    MAX_GAP_SECONDS,
    HandSeries,
    HandTrack,
)
from unreel.detector.lanes.hand_numbers import CODE, counted, hand_series, many_candidates
from unreel.detector.records import Finding
from unreel.detector.scenes import Scene
from unreel.detector.step_maps import CELL, cell_centres
from unreel.detector.tracking import shifts

CHANGED = "sureness x loss of a hand, less where anything moved"
"""The statistic of a hand that comes or goes."""
MIN_SIGHTINGS = 3
"""Sampled frames, a quarter of a second apart."""
NEAR = 3
"""Sightings before or after a change that are asked."""
MIN_SURE = 0.7
"""Mean presence of these."""
MAX_LEFT = 0.3
"""Presence at the place of a hand that is gone."""
ANOTHER = 25.0
"""Grey levels from which the palm is not there any more, whatever the networks say."""
MAX_APART = 2.0
"""Palm sizes from its place at which a hand that is back counts as another."""
MAX_COVERED = 0.05
"""Intersection over union with another hand from which it may be hidden by it."""
EDGE = 0.2
"""Palm sizes between the palm and the frame's edge."""
CALM = 0.1
"""Palm sizes of motion at which a change counts half."""
MOVING = 0.9
"""Quantile of motion around a hand: a tenth of the place is enough to go over it."""
CHECKED = (
    "cut", "entry or exit at the frame's edge", "another hand in front", "detector doubt",
    "motion at the place",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A hand that comes or goes."""

    track: HandTrack
    sample: int
    """The last sampled frame with it before it goes, or the first with it."""
    beyond: int
    """The neighbouring sampled frame without it."""
    sure: float
    """Mean presence of the sightings beside it."""
    left: float
    """Presence at its place in the frame without it."""
    motion: float
    """Palm sizes that anything around it moves against the camera between the two."""
    differs: float
    """Grey levels between the palm and what is at its place without it."""
    back: float
    """0..1: how near to its place the hand is, surely, when it is seen again; 0 = it never is."""

    @property
    def came(self) -> bool:
        """It was not there before."""
        return self.beyond < self.sample

    @property
    def value(self) -> float:
        """See CHANGED."""
        lost = self.sure * (1 - self.left) * min(1.0, self.differs / ANOTHER)
        return lost * (1 + self.back) / (1 + self.motion / CALM)


def limb_candidates(scene: Scene) -> list[Finding]:
    """All of a scene in which hands were looked for."""
    if scene.hands is None:
        return []
    events = paired(scene, scene.hands, hand_changes(scene, scene.hands))
    found = [_changed(scene, scene.hands, event) for event in events]
    return found + many_candidates(scene, scene.hands)


def hand_changes(scene: Scene, hands: HandSeries) -> list[Change]:
    """Hands that come or go surely, away from the edge and from each other."""
    found = []
    for track in hands.tracks:
        if len(track.samples) < MIN_SIGHTINGS:
            continue
        found += [
            change
            for place in _ends(hands, track)
            if (change := _change(scene, hands, track, *place)) is not None
        ]
    return found


def paired(scene: Scene, hands: HandSeries, changes: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Changes that undo each other go together: of one hand, within MAX_GAP_SECONDS."""
    times = scene.stretch.pts_seconds[hands.indices]
    events: list[tuple[Change, ...]] = []
    for change in sorted(changes, key=lambda c: (c.track.number, min(c.sample, c.beyond))):
        last = events[-1][0] if events and len(events[-1]) == 1 else None
        if (
            last is not None
            and last.track is change.track
            and last.came != change.came
            and times[change.sample] - times[last.sample] <= MAX_GAP_SECONDS
        ):
            events[-1] = (last, change)
        else:
            events.append((change,))
    return events


def _ends(hands: HandSeries, track: HandTrack) -> list[tuple[int, int, Hand, float]]:
    """Its beginnings and ends: row, sampled frame without it, place and presence there."""
    found = []
    if track.before is not None:
        found.append((0, int(track.samples[0]) - 1, *track.before))
    for beyond, (place, left) in track.after.items():
        row = int(np.searchsorted(track.samples, beyond)) - 1
        follows = track.samples[track.samples > beyond]
        # One overlooked frame is no absence.
        if (follows[0] if len(follows) else len(hands.indices)) - beyond >= 2:
            found.append((row, beyond, place, left))
    return found


def _change(
    scene: Scene,
    hands: HandSeries,
    track: HandTrack,
    row: int,
    beyond: int,
    place: Hand,
    left: float,
) -> Change | None:
    sample = int(track.samples[row])
    near = (
        track.presence[row : row + NEAR] if beyond < sample else track.presence[: row + 1][-NEAR:]
    )
    hand = track.hands[row]
    if len(near) < NEAR or near.mean() < MIN_SURE or left > MAX_LEFT:
        return None
    if _near_edge(scene, hand) or _near_edge(scene, place) or _covered(hands, track, beyond, place):
        return None
    here, there = (int(hands.indices[s]) for s in (sample, beyond))
    frames = scene.stretch.frames
    motion = _motion(scene, hand, min(here, there), max(here, there))
    differs = _difference(frames[here], hand, frames[there], place)
    back = 0.0 if beyond < sample else _back(scene, hands, track, row)
    return Change(track, sample, beyond, float(near.mean()), left, motion, differs, back)


def _back(scene: Scene, hands: HandSeries, track: HandTrack, row: int) -> float:
    """See Change.back: of a hand that is not seen for a while after `row`."""
    later = track.presence[row + 1 : row + 1 + NEAR]
    if len(later) < NEAR or later.mean() < MIN_SURE:
        return 0.0
    places = []
    for at in (row, row + 1):
        matrix = scene.camera.to_first[hands.indices[track.samples[at]]]
        places.append(matrix[:, :2] @ track.hands[at].middle + matrix[:, 2])
    apart = float(np.linalg.norm(places[1] - places[0])) / track.hands[row].size
    return max(0.0, 1 - apart / MAX_APART)


def _difference(
    frame: NDArray[np.uint8], hand: Hand, other: NDArray[np.uint8], place: Hand
) -> float:
    """Mean grey levels between a palm and its place in another frame, where they differ least."""
    import cv2

    side, reach = 56, 8
    size = (side, side)
    here = cv2.resize(upright(frame, hand), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    there = cv2.resize(upright(other, place), size, interpolation=cv2.INTER_AREA)
    palm = here[16:44, 16:40]
    shifts = range(-reach, reach + 1, 4)
    return min(
        float(np.abs(palm - there[16 + y : 44 + y, 16 + x : 40 + x]).mean())
        for y in shifts
        for x in shifts
    )


def _near_edge(scene: Scene, hand: Hand) -> bool:
    height, width = scene.stretch.frames.shape[1:3]
    x, y, w, h = hand.box
    margin = EDGE * hand.size
    return bool(x < margin or y < margin or x + w > width - margin or y + h > height - margin)


def _covered(hands: HandSeries, track: HandTrack, sample: int, place: Hand) -> bool:
    """Another hand is there in that frame or a neighbouring one."""
    others = [o for o in hands.tracks if o is not track]
    return any(
        overlap(place.whole(), other.hands[int(row)].whole()) > MAX_COVERED
        for other in others
        for row in np.flatnonzero(np.abs(other.samples - sample) <= 1)
    )


def _motion(scene: Scene, hand: Hand, first: int, last: int) -> float:
    """Palm sizes that anything around a hand moves against the camera, in as long as from one
    frame to the other; as much before and after is looked at too, for what goes over it."""
    x, y, w, h = hand.whole()
    gh, gw = scene.steps[0].ahead.shape[:2]
    rows = np.arange(max(0, int((y - h / 2) / CELL)), min(gh, int((y + 1.5 * h) / CELL) + 1))
    columns = np.arange(max(0, int((x - w / 2) / CELL)), min(gw, int((x + 1.5 * w) / CELL) + 1))
    if not len(rows) or not len(columns):
        return float(gw)
    places = cell_centres(gh, gw)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ways = []
    for index in range(max(0, 2 * first - last), min(len(scene.steps), 2 * last - first)):
        expected = shifts(scene.camera.step(index + 1), places)
        flow = scene.steps[index].ahead[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ways.append(float(np.quantile(np.linalg.norm(flow - expected, axis=-1), MOVING)))
    return float(np.mean(ways)) * (last - first) / hand.size


def _changed(scene: Scene, hands: HandSeries, event: Sequence[Change]) -> Finding:
    """One hand that comes or goes, or both."""
    times = scene.stretch.pts_seconds[hands.indices]
    first, last = event[0], event[-1]
    before = len(hands.at(min(first.sample, first.beyond)))
    after = len(hands.at(max(last.sample, last.beyond)))
    t_start = float(times[min(first.sample, first.beyond)])
    t_end = float(times[max(last.sample, last.beyond)])
    if len(event) == 2:
        meanwhile = len(hands.at(max(first.sample, first.beyond)))
        way = "there from" if first.came else "gone from"
        words = (
            f"A hand is {way} {t_start:.1f} to {t_end:.1f} s ({counted(before)}, {meanwhile}, "
            f"{after}) and comes and goes on the spot"
        )
    elif first.came:
        words = f"A hand is there at {t_end:.1f} s where none was at {t_start:.1f} s"
    else:
        words = f"A hand that was there at {t_start:.1f} s is gone at {t_end:.1f} s"
    if len(event) == 1:
        words += f" ({counted(before)}, then {after})"
    near = range(first.sample - NEAR, last.sample + NEAR + 1)
    return Finding(
        code=CODE,
        lane="objects",
        t_start=t_start,
        t_end=t_end,
        boxes=_boxes(scene, hands, first.track, near),
        statistic=CHANGED,
        value=max(change.value for change in event),
        percentile_among_real=None,
        confounders_checked=CHECKED,
        explanation=(
            f"{words}; it was inside the frame, did not move away, and nothing went over it."
        ),
        series=hand_series(scene, hands),
    )


def _boxes(
    scene: Scene, hands: HandSeries, track: HandTrack, samples: Sequence[int]
) -> tuple[tuple[float, float, float, float, float], ...]:
    return tuple(
        scene.displayed(int(hands.indices[sample]), hand.whole())
        for sample, hand in zip(track.samples, track.hands, strict=True)
        if sample in samples
    )
