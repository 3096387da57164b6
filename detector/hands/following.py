"""Hands joined over time, and how many there are.

    sampled frames   |...|...|...|   four a second, two where no hand is
    a track          H   H   h   -   seen; held by presence alone; gone

Between sampled frames a hand is moved along the optical flow. Where no palm is found there, the
hand network is asked whether a hand still is: a detector that overlooks a hand is no vanishing.
The same is done backwards from where a track begins.

Source: assignment as in object_tracks.py (Jonker & Volgenant 1987).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch, thinned
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.hands.finding import MIN_PRESENCE, Hand, HandDetector
from unreel.detector.step_maps import CELL, StepMaps

SAMPLE_SECONDS = 0.25
_SLACK_SECONDS = 0.02
SURE = 0.8
"""Presence from which a hand may begin a track."""
MAX_LEAP = 1.5
"""Palm sizes between where flow puts a hand and where it is seen."""
MAX_GAP_SECONDS = 3.0
"""A hand that is back at its place within this time is the same."""


@dataclass(frozen=True, slots=True)
class HandTrack:
    """One hand through a stretch."""

    number: int
    samples: NDArray[np.int64]
    """(m,) which of the sampled frames it was seen in, ascending."""
    hands: tuple[Hand, ...]
    """(m,)"""
    after: dict[int, tuple[Hand, float]]
    """Of sampled frames right after one in which it was seen: the place, and the presence there."""
    before: tuple[Hand, float] | None
    """The same of the sampled frame before the first."""

    @property
    def presence(self) -> NDArray[np.float64]:
        """(m,)"""
        return np.array([hand.presence for hand in self.hands])


@dataclass(frozen=True, slots=True)
class HandSeries:
    """All hands of a stretch."""

    indices: NDArray[np.int64]
    """(k,) frames of the stretch that were looked at, ascending."""
    tracks: tuple[HandTrack, ...]
    faces: dict[int, tuple[tuple[float, float, float, float], ...]] = field(default_factory=dict)
    """Boxes of faces in those sampled frames in which there are more than two hands."""

    def at(self, sample: int) -> list[Hand]:
        """Hands in one of the sampled frames."""
        return [
            track.hands[int(row)]
            for track in self.tracks
            for row in np.flatnonzero(track.samples == sample)
        ]


FindFaces = Callable[[NDArray[np.uint8]], Sequence[tuple[float, float, float, float]]]


def face_boxes(detector: FaceDetector) -> FindFaces:
    """A face detector as follow_hands wants it."""
    return lambda frame: [face.box for face in detector.detect(frame)]


def follow_hands(
    stretch: Stretch,
    steps: Sequence[StepMaps],
    detector: HandDetector,
    find_faces: FindFaces | None = None,
) -> HandSeries:
    """Find and join the hands of a stretch.

    Args:
        stretch: Frames in a row.
        steps: Their flow.
        detector: Finds hands in single frames.
        find_faces: Boxes (x, y, w, h) of faces in a frame; None = persons are not counted.
    """
    samples, found = _looked(stretch, detector)
    joiner = _Joiner(stretch, steps, samples, detector)
    for sample, hands in enumerate(found):
        joiner.take(sample, hands)
    series = HandSeries(samples, joiner.closed())
    if find_faces is None:
        return series
    crowded = [s for s in range(len(samples)) if len(series.at(s)) > 2]
    faces = {s: tuple(find_faces(stretch.frames[samples[s]])) for s in crowded}
    return replace(series, faces=faces)


def _looked(stretch: Stretch, detector: HandDetector) -> tuple[NDArray[np.int64], list[list[Hand]]]:
    """Frames that are looked at and their hands: every second one, then those beside a hand."""
    chosen = thinned(stretch.pts_seconds, SAMPLE_SECONDS, _SLACK_SECONDS)
    coarse = {k: detector.detect(stretch.frames[chosen[k]]) for k in range(0, len(chosen), 2)}
    found = dict(coarse)
    for k in range(1, len(chosen), 2):
        if coarse.get(k - 1) or coarse.get(k + 1):
            found[k] = detector.detect(stretch.frames[chosen[k]])
    kept = sorted(found)
    return np.array([chosen[k] for k in kept], np.int64), [found[k] for k in kept]


class _Track:
    """A hand that is still followed."""

    def __init__(self, number: int, sample: int, hand: Hand) -> None:
        self.number, self.samples, self.hands = number, [sample], [hand]
        self.place = hand
        self.after: dict[int, tuple[Hand, float]] = {}
        self.before: tuple[Hand, float] | None = None


class _Joiner:
    """Takes in the hands of one sampled frame after the other."""

    def __init__(
        self,
        stretch: Stretch,
        steps: Sequence[StepMaps],
        samples: NDArray[np.int64],
        detector: HandDetector,
    ) -> None:
        self._frames, self._seconds = stretch.frames, stretch.pts_seconds
        self._steps, self._samples = steps, samples
        self._detector = detector
        self._tracks: list[_Track] = []

    def take(self, sample: int, hands: Sequence[Hand]) -> None:
        """Join; what is not seen is asked for; what is new and sure begins a track."""
        now = self._seconds[self._samples[sample]]
        live = [
            t
            for t in self._tracks
            if now - self._seconds[self._samples[t.samples[-1]]] <= MAX_GAP_SECONDS
        ]
        for track in live:
            track.place = self._moved(track.place, sample - 1, sample)
        pairs = _assign([t.place for t in live], hands)
        for row, column in pairs:
            self._see(live[row], sample, hands[column])
        seen, taken = {row for row, _ in pairs}, {column for _, column in pairs}
        for row, track in enumerate(live):
            if row not in seen and track.samples[-1] == sample - 1:
                self._ask(track, sample)
        for column, hand in enumerate(hands):
            if column not in taken and hand.presence >= SURE:
                track = _Track(len(self._tracks), sample, hand)
                self._tracks.append(track)
                self._look_back(track)

    def closed(self) -> tuple[HandTrack, ...]:
        """All of them, in the order in which they began."""
        return tuple(
            HandTrack(t.number, np.array(t.samples), tuple(t.hands), t.after, t.before)
            for t in self._tracks
        )

    def _see(self, track: _Track, sample: int, hand: Hand) -> None:
        track.samples.append(sample)
        track.hands.append(hand)
        track.place = hand

    def _ask(self, track: _Track, sample: int) -> None:
        presence = self._detector.presence(self._frame(sample), track.place)
        if presence >= MIN_PRESENCE:
            self._see(track, sample, replace(track.place, presence=presence))
        else:
            track.after[sample] = (track.place, presence)

    def _look_back(self, track: _Track) -> None:
        while track.samples[0] > 0:
            sample = track.samples[0]
            place = self._moved(track.hands[0], sample, sample - 1)
            presence = self._detector.presence(self._frame(sample - 1), place)
            if presence < MIN_PRESENCE:
                track.before = (place, presence)
                return
            track.samples.insert(0, sample - 1)
            track.hands.insert(0, replace(place, presence=presence))

    def _frame(self, sample: int) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = self._frames[self._samples[sample]]
        return found

    def _moved(self, hand: Hand, start: int, end: int) -> Hand:
        """Along the flow from one sampled frame to a neighbouring one, either way."""
        first, last = int(self._samples[start]), int(self._samples[end])
        if first <= last:
            for index in range(first, last):
                hand = hand.moved(flow_at(self._steps[index].ahead, hand.box))
        else:
            for index in range(first, last, -1):
                hand = hand.moved(flow_at(self._steps[index - 1].flow, hand.box))
        return hand


def flow_at(flow: NDArray[np.float32], box: Sequence[float]) -> NDArray[np.float64]:
    """(2,) median flow over a box (x, y, w, h); 0 outside of the frame."""
    x, y, w, h = box
    rows = slice(max(0, int(y / CELL)), max(0, int((y + h) / CELL) + 1))
    columns = slice(max(0, int(x / CELL)), max(0, int((x + w) / CELL) + 1))
    part = flow[rows, columns].reshape(-1, 2)
    return np.median(part, axis=0).astype(np.float64) if len(part) else np.zeros(2)


def _assign(places: Sequence[Hand], found: Sequence[Hand]) -> list[tuple[int, int]]:
    """Pairs (track, hand) with the least way together."""
    if not places or not found:
        return []
    import lap

    cost = np.array(
        [
            [float(np.linalg.norm(p.middle - h.middle)) / max(p.size, h.size) for h in found]
            for p in places
        ]
    )
    _, row_to_column, _ = lap.lapjv(cost, extend_cost=True, cost_limit=MAX_LEAP)
    return [(row, int(column)) for row, column in enumerate(row_to_column) if column >= 0]
