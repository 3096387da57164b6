"""A face cut out upright, at one size, with a margin: what is judged, and where masks are drawn.

Coordinates of a face: the middle between the eyes is (0, 0), their distance is 1, y runs down. The
five points of a mean face stand here; a similarity through them brings any face upright, profiles
too, since the eyes and the mouth lie apart in height however the head is turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MEAN_FACE = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.57], [-0.41, 1.15], [0.42, 1.15]])
"""(5, 2) in face coordinates."""
SIDE = 224
"""Pixels of a crop."""
EYE_DISTANCE = 0.27
"""Share of the crop's side between the eyes: hair, chin and some ground are inside."""
EYE_HEIGHT = 0.38
"""Share of the crop's side above the eyes."""

Affine = NDArray[np.float64]
"""(2, 3)"""


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Affine:
    """Turn, scale and shift that bring points closest to others (Umeyama 1991).

    Args:
        source: (n, 2), not all in one place.
        target: (n, 2)
    """
    centre_a, centre_b = source.mean(axis=0), target.mean(axis=0)
    a = (source - centre_a) @ np.array([1, 1j])
    b = (target - centre_b) @ np.array([1, 1j])
    turn = np.vdot(a, b) / max(float(np.vdot(a, a).real), 1e-9)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([matrix, centre_b - matrix @ centre_a])


def to_crop(points: NDArray[np.float64], side: int = SIDE) -> Affine:
    """From a frame to the crop of the face with these five points (5, 2)."""
    place = np.array([0.5, EYE_HEIGHT]) * side
    return similarity(points, MEAN_FACE * EYE_DISTANCE * side + place)


def moved(matrix: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2) through a (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: Affine) -> Affine:
    """The way back."""
    return np.asarray(np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2], np.float64)


def cut_out(frame: NDArray[np.uint8], matrix: Affine, side: int = SIDE) -> NDArray[np.uint8]:
    """The crop (side, side, 3); what lies outside of the frame repeats its edge.

    A large face is shrunk by areas first, so that no detail folds over into another.
    """
    import cv2

    scale = float(np.hypot(*matrix[:, 0]))
    corners = moved(inverse(matrix), np.array([[0, 0], [side, 0], [0, side], [side, side]], float))
    height, width = frame.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 4, 0, [width - 2, height - 2])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 4, low + 2, [width, height])
    area: Any = frame[low[1] : high[1], low[0] : high[0]]
    shrink = np.eye(2, 3)
    if scale < 1:
        size = np.maximum(2, np.round((high - low) * scale)).astype(int)
        shrink[[0, 1], [0, 1]] = size / (high - low)
        area = cv2.resize(area, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    shift = np.vstack([np.column_stack([np.eye(2), low]), [0, 0, 1]])
    onto = np.vstack([matrix, [0, 0, 1]]) @ shift @ np.vstack([inverse(shrink), [0, 0, 1]])
    flags = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    crop = cv2.warpAffine(
        area, onto[:2], (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(crop, np.uint8)


def smoothed(
    points: NDArray[np.float64], pts_seconds: NDArray[np.float64], seconds: float = 0.15
) -> NDArray[np.float64]:
    """Points of a face over time (m, 5, 2) with the detector's trembling taken out of their shape.

    Where the head is stays as it was measured; how it is turned and how large it is is averaged
    with what was seen just before and after (Gaussian of `seconds`).
    """
    centre = points.mean(axis=1, keepdims=True)
    apart = pts_seconds[:, None] - pts_seconds[None]
    weight = np.exp(-0.5 * (apart / seconds) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    shape: NDArray[np.float64] = np.tensordot(weight, points - centre, axes=1)
    return np.asarray(shape + centre, np.float64)
