"""Joins detections of single frames to objects that last: by place, size and look.

Each object is predicted by a Kalman filter of constant velocity that the camera's own motion is
added to; detections are assigned to predictions all at once (Jonker & Volgenant 1987, package
`lapx`), the sure ones first and then the doubtful ones, as in ByteTrack (Zhang et al. 2022). An
object that is not seen goes on by prediction for a while: an unsure detector is no vanishing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.detecting import Detection, overlap
from unreel.detector.tracking import CameraMotion

SURE = 0.5
"""Confidence from which a detection may begin an object."""
COAST_SECONDS = 0.6
"""An object that is not seen for longer has ended."""
MIN_OVERLAP = 0.15
"""Less intersection over union with the prediction is another object."""
_GRID = 4


@dataclass(frozen=True, slots=True)
class ObjectTrack:
    """One object through a stretch."""

    number: int
    label: str
    indices: NDArray[np.int64]
    """(m,) frames in which it was seen, ascending."""
    boxes: NDArray[np.float64]
    """(m, 4) x, y, w, h in small pixels."""
    confidence: NDArray[np.float64]
    """(m,) 0..1"""
    looks: NDArray[np.float32]
    """(m, 48) mean colours of a 4 x 4 grid over the box, 0..255."""
    stable_centres: NDArray[np.float64]
    """(m, 2) with the camera's motion taken out."""


class _Open:
    """An object that is still followed."""

    def __init__(self, number: int, index: int, detection: Detection) -> None:
        import cv2

        self.number = number
        self.labels = [detection.label]
        self.indices = [index]
        self.boxes = [detection.box]
        self.confidence = [detection.confidence]
        self.last_seconds = 0.0
        self._filter = cv2.KalmanFilter(8, 4, 0, cv2.CV_64F)
        self._filter.measurementMatrix = np.eye(4, 8)
        self._filter.transitionMatrix = np.eye(8) + np.eye(8, k=4)
        self._filter.errorCovPost = np.diag([4.0] * 4 + [25.0] * 4)
        self._filter.processNoiseCov = np.diag([1.0] * 4 + [2.0] * 4)
        self._filter.measurementNoiseCov = np.diag([4.0] * 4)
        state = np.zeros((8, 1))
        state[:4, 0] = _centred(detection.box)
        self._filter.statePost = state

    def predict(self, step: NDArray[np.float64]) -> tuple[float, float, float, float]:
        """Where it should be now; `step` (2, 3) is what the camera did since the last frame."""
        state = self._filter.statePost.copy()
        state[:2, 0] = step[:, :2] @ state[:2, 0] + step[:, 2]
        self._filter.statePost = state
        x, y, w, h = (float(v) for v in self._filter.predict()[:4, 0])
        w, h = max(w, 1.0), max(h, 1.0)
        return x - w / 2, y - h / 2, w, h

    def take(self, index: int, detection: Detection) -> None:
        self._filter.correct(np.array(_centred(detection.box)).reshape(4, 1))
        self.labels.append(detection.label)
        self.indices.append(index)
        self.boxes.append(detection.box)
        self.confidence.append(detection.confidence)


def _centred(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return x + w / 2, y + h / 2, w, h


def track_objects(
    detections: Sequence[Sequence[Detection]],
    pts_seconds: NDArray[np.float64],
    frames: NDArray[np.uint8],
    camera: CameraMotion,
    *,
    min_sightings: int = 3,
) -> tuple[ObjectTrack, ...]:
    """Join detections to objects.

    Args:
        detections: Of each frame.
        pts_seconds: (n,)
        frames: (n, h, w, 3) RGB that the looks are taken from.
        camera: Its motion.
        min_sightings: Objects seen in fewer frames are detector noise.

    Returns:
        Objects by the time they are first seen.
    """
    ended: list[_Open] = []
    live: list[_Open] = []
    made = 0
    for index, found in enumerate(detections):
        now = float(pts_seconds[index])
        step = camera.step(index) if index else np.eye(2, 3)
        places = [track.predict(step) for track in live] if index else []
        left = list(range(len(live)))
        free = [d for d in found if d.confidence >= SURE]
        for part in (free, [d for d in found if d.confidence < SURE]):
            pairs = _assign([places[i] for i in left], part, [live[i].labels[-1] for i in left])
            for row, column in pairs:
                live[left[row]].take(index, part[column])
                live[left[row]].last_seconds = now
            taken = {column for _, column in pairs}
            if part is free:
                free = [d for column, d in enumerate(part) if column not in taken]
            left = [i for row, i in enumerate(left) if row not in {r for r, _ in pairs}]
        for detection in free:
            live.append(_Open(made, index, detection))
            live[-1].last_seconds = now
            made += 1
        ended += [t for t in live if now - t.last_seconds > COAST_SECONDS]
        live = [t for t in live if now - t.last_seconds <= COAST_SECONDS]
    kept = [t for t in ended + live if len(t.indices) >= min_sightings]
    return tuple(_closed(t, frames, camera) for t in sorted(kept, key=lambda t: t.number))


def _assign(
    places: Sequence[tuple[float, float, float, float]],
    found: Sequence[Detection],
    labels: Sequence[str],
) -> list[tuple[int, int]]:
    """Pairs (object, detection) with the least cost together."""
    if not places or not found:
        return []
    import lap

    cost = np.array(
        [
            [
                1 - overlap(place, d.box) + (0.0 if d.label == label else 0.3)
                for d in found
            ]
            for place, label in zip(places, labels, strict=True)
        ]
    )  # fmt: skip
    _, row_to_column, _ = lap.lapjv(cost, extend_cost=True, cost_limit=1 - MIN_OVERLAP)
    return [(row, int(column)) for row, column in enumerate(row_to_column) if column >= 0]


def _closed(track: _Open, frames: NDArray[np.uint8], camera: CameraMotion) -> ObjectTrack:
    indices = np.array(track.indices)
    boxes = np.array(track.boxes)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    matrices = camera.to_first[indices]  # (m, 2, 3)
    stable = np.einsum("mij,mj->mi", matrices[:, :, :2], centres) + matrices[:, :, 2]
    looks = np.stack([look(frames[i], b) for i, b in zip(track.indices, track.boxes, strict=True)])
    label = max(set(track.labels), key=lambda name: (track.labels.count(name), name))
    return ObjectTrack(
        track.number, label, indices, boxes, np.array(track.confidence), looks, stable
    )


def look(frame: NDArray[np.uint8], box: Sequence[float]) -> NDArray[np.float32]:
    """What a box shows: (48,) mean colours of a 4 x 4 grid, 0..255.

    Args:
        frame: (h, w, 3) RGB.
        box: (x, y, w, h); what lies outside the frame is left out.
    """
    import cv2

    height, width = frame.shape[:2]
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(width, int(box[0] + box[2]) + 1), min(height, int(box[1] + box[3]) + 1)
    part = frame[top:bottom, left:right]
    if not part.size:
        return np.zeros(3 * _GRID * _GRID, np.float32)
    small = cv2.resize(part, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32).ravel()
