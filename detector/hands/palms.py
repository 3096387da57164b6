"""Palms in single frames, by the palm detector of MediaPipe Hands, which is given as a file.

The network takes squares of 192 pixels. A frame that is wider or higher than square is looked at in
squares of its shorter side, so that palms stay twice as large as in one letterbox. Each of 2016
anchors tells whether a palm is there, its box and seven points: the wrist, the knuckles of four
fingers, two points of the thumb.

A palm says where a hand is and how it points, not how many fingers it has: the network was trained
to find palms because they are stiff and hide each other less than whole hands do.

Source: MediaPipe Hands (Zhang et al. 2020), anchors and thresholds of its published graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.detecting import overlap
from unreel.detector.hands.network import Network

SIDE = 192
"""Pixels of the network's input."""
LAYERS = ((24, 2), (12, 6))
"""Cells a side and anchors a cell: strides 8 and three times 16."""
ANCHORS = sum(cells * cells * each for cells, each in LAYERS)
COORDINATES = 18
"""Box and seven points."""
MIN_CONFIDENCE = 0.5
"""Weaker ones are no palms. Half of those above are none either: see HandDetector.presence."""
MAX_OVERLAP = 0.3
MAX_SHARED = 0.6
"""Of the smaller box: palms of two squares that stand for one are cut by the border at times."""
MAX_PER_FRAME = 24
MAX_SQUARES = 4
"""Of one frame: strips, as hostile files have them, must not cost a hundred looks."""


@dataclass(frozen=True, slots=True)
class Palm:
    """One palm in one frame."""

    confidence: float
    """0..1"""
    box: tuple[float, float, float, float]
    """(x, y, w, h) pixels of the frame: the palm without the fingers."""
    points: NDArray[np.float64]
    """(7, 2) x, y: wrist, knuckles of index, middle, ring and little finger, two of the thumb."""


class PalmDetector:
    """MediaPipe's palm detector as TFLite.

    Args:
        path: The file.

    Raises:
        ModelError: It cannot be read, or is of another kind.
    """

    def __init__(self, path: Path) -> None:
        self._network = Network(
            path, SIDE, {"Identity": ANCHORS * COORDINATES, "Identity_1": ANCHORS}
        )
        self._anchors = anchors()

    def detect(self, frame: NDArray[np.uint8]) -> list[Palm]:
        """Palms in a frame (h, w, 3) RGB of any size, the surest first."""
        places = squares(frame.shape[1], frame.shape[0])
        found = [palm for square in places for palm in self._at(frame, square)]
        kept: list[Palm] = []
        for palm in sorted(found, key=lambda p: -p.confidence):
            if len(kept) < MAX_PER_FRAME and not any(_same(palm.box, k.box) for k in kept):
                kept.append(palm)
        return kept

    def _at(self, frame: NDArray[np.uint8], square: tuple[int, int, int]) -> list[Palm]:
        import cv2

        x, y, side = square
        part: Any = frame[max(0, y) : y + side, max(0, x) : x + side]
        h, w = part.shape[:2]
        pad = (max(0, -y), side - h - max(0, -y), max(0, -x), side - w - max(0, -x))
        if any(pad):
            part = cv2.copyMakeBorder(part, *pad, cv2.BORDER_CONSTANT)
        way = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
        scores, told = self._run(np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=way)))
        rows = np.flatnonzero(scores >= MIN_CONFIDENCE)
        values = (
            told[rows].reshape(len(rows), COORDINATES // 2, 2) / SIDE
        )  # centre, size, seven points
        values[:, 0] += self._anchors[rows]
        values[:, 2:] += self._anchors[rows, None]
        values *= side
        return _merged(scores[rows], values, np.array([x, y], np.float64))

    def _run(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(2016,) confidence and (2016, 18) offsets in pixels of the input."""
        found = self._network.run(picture)
        offsets = found["Identity"].reshape(ANCHORS, COORDINATES)
        return 1 / (1 + np.exp(-np.clip(found["Identity_1"], -100, 100))), offsets


def anchors() -> NDArray[np.float64]:
    """(2016, 2) centres x, y as shares of the input; all of them have its size."""
    made = []
    for cells, each in LAYERS:
        rows, columns = np.mgrid[:cells, :cells]
        centres = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) / cells
        made.append(np.repeat(centres, each, axis=0))
    return np.concatenate(made)


def squares(width: int, height: int) -> list[tuple[int, int, int]]:
    """(x, y, side) of squares that cover a frame, each as wide as its shorter side.

    A nearly square frame is one, with a rim; of a narrow strip there are MAX_SQUARES, with rims.
    """
    short, long = min(width, height), max(width, height)
    if long <= 1.15 * short:
        return [((width - long) // 2, (height - long) // 2, long)]
    side = max(short, -(-long // MAX_SQUARES))
    aside = (short - side) // 2
    starts = np.linspace(0, long - side, -(-long // side)).round().astype(int).tolist()
    return [(s, aside, side) if width > height else (aside, s, side) for s in starts]


def _merged(
    scores: NDArray[np.float64], values: NDArray[np.float64], origin: NDArray[np.float64]
) -> list[Palm]:
    """Neighbouring anchors that stand for one palm, weighted by their confidence."""
    palms = []
    corners = np.concatenate([values[:, 0] - values[:, 1] / 2, values[:, 1]], axis=-1)
    left = np.argsort(-scores, kind="stable")
    while len(left):
        alike = np.array([overlap(corners[left[0]], corners[k]) > MAX_OVERLAP for k in left])
        alike[0] = True
        rows = left[alike]
        mean = np.average(values[rows], axis=0, weights=scores[rows])
        x, y = mean[0] - mean[1] / 2 + origin
        box = (float(x), float(y), float(mean[1, 0]), float(mean[1, 1]))
        palms.append(Palm(float(scores[rows[0]]), box, mean[2:] + origin))
        left = left[~alike]
    return palms


def _same(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes stand for one palm, whole or cut."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return False
    both = wide * high
    smaller = min(a[2] * a[3], b[2] * b[3])
    return overlap(a, b) > MAX_OVERLAP or both > MAX_SHARED * smaller
