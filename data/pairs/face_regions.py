"""Regions of a face as soft masks over time, drawn from five points.

A face has no more than five points here: the eyes, the nose, the corners of the mouth. Outlines are
those of a mean face in face coordinates (detector/faces/crops.py), brought onto each frame by the
affine map that fits its points best, which follows turns of the head too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.faces.crops import MEAN_FACE, moved

_HALF = {
    # Right half, from top to bottom; the left one is its mirror.
    "face": ((0.0, -0.62), (0.5, -0.66), (0.95, -0.4), (1.06, 0.1), (1.0, 0.7), (0.82, 1.25),
             (0.5, 1.68), (0.0, 1.86)),
    "inner": ((0.0, -0.4), (0.55, -0.48), (0.88, -0.15), (0.84, 0.35), (0.72, 0.95), (0.5, 1.35),
              (0.0, 1.48)),
    "eyes": ((0.0, -0.45), (0.6, -0.5), (0.95, -0.2), (0.9, 0.25), (0.4, 0.35), (0.0, 0.4)),
    "lower": ((0.0, 0.42), (0.5, 0.45), (0.95, 0.5), (0.88, 1.1), (0.6, 1.6), (0.0, 1.85)),
    "mouth": ((0.0, 0.82), (0.4, 0.86), (0.62, 1.1), (0.5, 1.38), (0.0, 1.5)),
}  # fmt: skip
REGIONS = tuple(_HALF)


def outline(region: str) -> NDArray[np.float64]:
    """(n, 2) in face coordinates, clockwise from the top."""
    right = np.array(_HALF[region])
    left = right[1:-1][::-1] * [-1, 1]
    return np.vstack([right, left])


def to_frame(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) affine from face coordinates to a frame whose face has these points (5, 2)."""
    known = np.column_stack([MEAN_FACE, np.ones(len(MEAN_FACE))])
    fitted, *_ = np.linalg.lstsq(known, points, rcond=None)
    return np.asarray(fitted.T, np.float64)


def eye_distance(points: NDArray[np.float64]) -> float:
    """Pixels between the eyes of a mean face as large as this one, however it is turned."""
    return float(np.sqrt(abs(np.linalg.det(to_frame(points)[:, :2]))))


def drawn(
    shape: tuple[int, int], points: NDArray[np.float64], edge: NDArray[np.float64], soft: float
) -> NDArray[np.float32]:
    """One mask.

    Args:
        shape: (height, width) of the frame.
        points: (5, 2) of the face in it.
        edge: (n, 2) outline in face coordinates.
        soft: Width of its rim, in distances between the eyes.

    Returns:
        (height, width), 0..1.
    """
    import cv2

    mask = np.zeros(shape, np.uint8)
    corners = np.round(moved(to_frame(points), edge) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, lineType=cv2.LINE_AA, shift=4)
    sigma = max(0.4, soft * eye_distance(points))
    # Pulled in first: a mask that only bleeds outwards would reach over the face's own edge.
    pull = 2 * round(sigma) + 1
    mask = np.asarray(cv2.erode(mask, np.ones((pull, pull), np.uint8)), np.uint8)
    blurred: Any = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)
    return np.clip(np.asarray(blurred, np.float32), 0, 1)
