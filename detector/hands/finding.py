"""Hands in single frames: palms that hold as hands under a second look.

The palm detector takes ears, paws and clouds for palms. What it finds is cut out upright and given
to the hand network of the same package, of which only one of its answers is used: whether a hand is
there. The 21 points that it gives as well are always 21, on any hand: fingers cannot be counted by
them, as limbs cannot by the 33 points of the pose network.

Source: MediaPipe Hands (Zhang et al. 2020); the cut follows its published graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError
from unreel.detector.hands.network import WANTED, Network
from unreel.detector.hands.palms import Palm, PalmDetector

PALMS = "palm_detection_full.tflite"
HANDS = "hand_landmark_full.tflite"
FILES = (PALMS, HANDS)
SIDE = 224
"""Pixels of the upright cut."""
REACH = 2.6
"""Sides of the palm in the cut..."""
AHEAD = 0.5
"""...whose middle lies this much of a side towards the fingers."""
MIN_PRESENCE = 0.5
"""Less is no hand; see SURE of following.py for what may begin a track."""
ONE_HAND = 0.6
"""Sides between the middles of two palms below which they stand for one hand."""
_OUTPUTS = {"Identity_1": 1}
"""Presence, 0..1."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One hand in one frame."""

    presence: float
    """0..1, of the hand network."""
    box: tuple[float, float, float, float]
    """(x, y, w, h) pixels of the frame: the palm without the fingers."""
    up: tuple[float, float]
    """Unit vector from the wrist to the knuckle of the middle finger."""

    @property
    def size(self) -> float:
        """Pixels: the longer side of the palm."""
        return max(self.box[2:])

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) of the palm."""
        x, y, w, h = self.box
        return np.array([x + w / 2, y + h / 2])

    def moved(self, by: NDArray[np.float64]) -> Hand:
        """The same elsewhere."""
        x, y, w, h = self.box
        return replace(self, box=(x + float(by[0]), y + float(by[1]), w, h))

    def whole(self) -> tuple[float, float, float, float]:
        """(x, y, w, h) of palm and fingers."""
        x, y = self.middle + AHEAD * self.size * np.array(self.up) - self.size
        return float(x), float(y), 2 * self.size, 2 * self.size


class HandDetector:
    """Palms and hands of MediaPipe as TFLite.

    Args:
        folder: That holds FILES.

    Raises:
        ModelError: It does not, or they are other networks.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ModelError(f"hand detector {folder} is no folder; {WANTED}")
        self._palms = PalmDetector(self.folder / PALMS)
        self._hands = Network(self.folder / HANDS, SIDE, _OUTPUTS)

    def detect(self, frame: NDArray[np.uint8]) -> list[Hand]:
        """Hands in a frame (h, w, 3) RGB, the surest first."""
        found = []
        for palm in self._palms.detect(frame):
            hand = _hand(palm)
            found.append(replace(hand, presence=self.presence(frame, hand)))
        kept: list[Hand] = []
        for hand in sorted(found, key=lambda h: -h.presence):
            if hand.presence >= MIN_PRESENCE and not any(one_hand(hand, k) for k in kept):
                kept.append(hand)
        return kept

    def presence(self, frame: NDArray[np.uint8], place: Hand) -> float:
        """How surely a hand is at a place of a frame (h, w, 3) RGB, 0..1."""
        return float(self._hands.run(upright(frame, place))["Identity_1"][0])


@lru_cache(maxsize=1)
def load_hand_detector(folder: str) -> HandDetector:
    """The detector of a folder; the last one stays loaded, for the next clip.

    Raises:
        ModelError: See HandDetector.
    """
    return HandDetector(folder)


def one_hand(a: Hand, b: Hand) -> bool:
    """Whether two palms are too near each other to be two."""
    return float(np.linalg.norm(a.middle - b.middle)) < ONE_HAND * max(a.size, b.size)


def upright(frame: NDArray[np.uint8], place: Hand) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) cut of a hand, fingers up."""
    import cv2

    up = np.array(place.up)
    right = np.array([-up[1], up[0]])
    middle = place.middle + AHEAD * place.size * up
    half = REACH * place.size / 2
    corners = [
        middle + half * (up - right),
        middle + half * (up + right),
        middle - half * (up + right),
    ]
    target = np.array([[0, 0], [SIDE, 0], [0, SIDE]], np.float32)
    matrix = cv2.getAffineTransform(np.array(corners, np.float32), target)
    return np.asarray(cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def _hand(palm: Palm) -> Hand:
    way = palm.points[2] - palm.points[0]
    length = float(np.linalg.norm(way))
    up = (0.0, -1.0) if length < 1e-6 else (float(way[0] / length), float(way[1] / length))
    return Hand(0.0, palm.box, up)
