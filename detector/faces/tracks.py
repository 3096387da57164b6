"""Faces of single frames joined to people over time: by overlap, and by how they look.

Frames of a scan lie a quarter of a second apart, in bursts with seconds between them. A face that
moved too far to overlap, or was hidden for a while, is taken up again when it looks the same; two
faces in one frame are never one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.detecting import overlap
from unreel.detector.faces.crops import SIDE, cut_out, smoothed, to_crop
from unreel.detector.faces.finding import Face

SURE = 0.6
"""Confidence from which a face may begin a track; weaker ones only go on with one."""
LOOK_SIDE = 32
MIN_OVERLAP = 0.3
"""Of boxes of neighbouring frames, where the look does not forbid it."""
MIN_LIKENESS = 0.55
"""Correlation of looks that takes a face up without overlap..."""
FORBIDDING_LIKENESS = 0.1
"""...and below which overlap does not join."""
REACH = 3.0
"""In widths of the face, how far it may have gone in between."""
MIN_SIZE = 48.0
"""Pixels of a box's larger side: smaller faces hold nothing to judge."""
MAX_CUT = 3
"""Largest faces of a burst that are cut out."""


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One person's face through a shot."""

    number: int
    """From 1, the largest first."""
    shot: int
    indices: NDArray[np.int64]
    """(m,) into the frames that were searched, ascending."""
    pts_seconds: NDArray[np.float64]
    """(m,)"""
    boxes: NDArray[np.float64]
    """(m, 4) x, y, w, h in pixels of the frame."""
    points: NDArray[np.float64]
    """(m, 5, 2)"""
    confidence: NDArray[np.float64]
    """(m,) 0..1"""
    crops: NDArray[np.uint8]
    """(m, SIDE, SIDE, 3) RGB, upright; (0, ...) where the face was too small to be cut out."""

    @property
    def size(self) -> float:
        """Pixels: the median over time of the boxes' larger side."""
        return float(np.median(self.boxes[:, 2:].max(axis=1)))


class FaceTracker:
    """Takes in the faces of one frame after the other, by time."""

    def __init__(self) -> None:
        self._open: list[_Open] = []

    def add(
        self, index: int, shot: int, seconds: float, frame: NDArray[np.uint8], faces: Sequence[Face]
    ) -> None:
        """Join the faces of a frame to those of the frames before.

        Args:
            index: Of the frame, ascending.
            shot: Nothing goes on past a cut.
            seconds: Presentation time.
            frame: (H, W, 3) RGB, for the looks.
            faces: Found in it.
        """
        looks = [_look(frame, face) for face in faces]
        chances = [
            (_chance(track, face, look), row, column)
            for row, track in enumerate(self._open)
            if track.shot == shot
            for column, (face, look) in enumerate(zip(faces, looks, strict=True))
        ]
        taken: set[int] = set()
        served: set[int] = set()
        for chance, row, column in sorted(chances, reverse=True):
            if chance > 0 and row not in served and column not in taken:
                self._open[row].take(index, seconds, faces[column], looks[column])
                served.add(row)
                taken.add(column)
        for column, (face, look) in enumerate(zip(faces, looks, strict=True)):
            if column not in taken and face.confidence >= SURE:
                self._open.append(_Open(shot, index, seconds, face, look))

    def last(self, shot: int, index: int) -> list[Face]:
        """Faces that were there in frame `index` of a shot."""
        return [t.faces[-1] for t in self._open if t.shot == shot and t.indices[-1] == index]

    def cut(self, first: int, frames: NDArray[np.uint8]) -> None:
        """Cut the largest faces out of a burst whose frames were all added, the first as `first`.

        Done burst by burst, for frames of full size are not kept.
        """
        seen = [(t, [k for k, i in enumerate(t.indices) if i >= first]) for t in self._open]
        large = [(t, ks) for t, ks in seen if ks and t.size(ks) >= MIN_SIZE]
        large.sort(key=lambda both: -both[0].size(both[1]) * len(both[1]))
        for track, rows in large[:MAX_CUT]:
            points = np.stack([track.faces[k].points for k in rows])
            steady = smoothed(points, np.array([track.seconds[k] for k in rows]))
            for row, shape in zip(rows, steady, strict=True):
                frame = frames[track.indices[row] - first]
                track.crops[row] = cut_out(frame, to_crop(shape))

    def tracks(self) -> list[FaceTrack]:
        """All of them; those that are large and long come first."""
        ranked = sorted(self._open, key=lambda t: -t.weight())
        return [track.closed(number) for number, track in enumerate(ranked, start=1)]


class _Open:
    """A track that may still go on."""

    def __init__(
        self, shot: int, index: int, seconds: float, face: Face, look: NDArray[np.float64]
    ) -> None:
        self.shot, self.indices, self.seconds = shot, [index], [seconds]
        self.faces, self.look = [face], look
        self.crops: dict[int, NDArray[np.uint8]] = {}

    def take(self, index: int, seconds: float, face: Face, look: NDArray[np.float64]) -> None:
        self.indices.append(index)
        self.seconds.append(seconds)
        self.faces.append(face)
        self.look = 0.7 * self.look + 0.3 * look

    def weight(self) -> float:
        return sum(face.box[2] * face.box[3] for face in self.faces)

    def size(self, rows: Sequence[int]) -> float:
        return float(np.median([max(self.faces[k].box[2:]) for k in rows]))

    def closed(self, number: int) -> FaceTrack:
        """Where any of it was cut out, those frames alone."""
        rows = sorted(self.crops) or list(range(len(self.faces)))
        empty = np.empty((0, SIDE, SIDE, 3), np.uint8)
        return FaceTrack(
            number,
            self.shot,
            np.array(self.indices)[rows],
            np.array(self.seconds)[rows],
            np.array([self.faces[k].box for k in rows]),
            np.stack([self.faces[k].points for k in rows]),
            np.array([self.faces[k].confidence for k in rows]),
            np.stack([self.crops[k] for k in rows]) if self.crops else empty,
        )


def _look(frame: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
    """The face upright and small, light and contrast taken out: (LOOK_SIDE^2 * 3,), length 1."""
    crop = cut_out(frame, to_crop(face.points, LOOK_SIDE), LOOK_SIDE)
    values = crop.astype(np.float64).reshape(-1, 3)
    values = (values - values.mean(axis=0)).ravel()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float64)


def _chance(track: _Open, face: Face, look: NDArray[np.float64]) -> float:
    """How likely a face goes on with a track; 0 = it does not."""
    before = track.faces[-1].box
    likeness = float(track.look @ look) / max(float(np.linalg.norm(track.look)), 1e-9)
    shared = overlap(before, face.box)
    if shared >= MIN_OVERLAP and likeness > FORBIDDING_LIKENESS:
        return shared + likeness
    size = max(before[2], face.box[2])
    gone = np.hypot(
        before[0] + before[2] / 2 - face.box[0] - face.box[2] / 2,
        before[1] + before[3] / 2 - face.box[1] - face.box[3] / 2,
    )
    alike = min(before[2], face.box[2]) > 0.5 * size
    return likeness if alike and gone < REACH * size and likeness >= MIN_LIKENESS else 0.0
