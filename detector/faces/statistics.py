"""How the parts of a face differ in detail and in motion: plain numbers, frame by frame.

* detail   how fast fine detail falls off from each of four scales to the next, in each part of the
           upright face and around it, against the mean of the face. A lens, an encoder and a change
           of size treat all of a face alike; a mouth that was drawn anew at few pixels, or a face
           that was blended in, has a fall of its own.
* motion   how much each part changes from frame to frame, against the mean of the face: a picture
           that is made to talk moves other parts than a person does.

Since all of it is one part against the others, camera, light and compression drop out.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unreel.detector.faces.crops import EYE_DISTANCE, EYE_HEIGHT, SIDE

PARTS = {
    "left eye": (-0.8, -0.2, -0.25, 0.25),
    "right eye": (0.2, 0.8, -0.25, 0.25),
    "nose": (-0.4, 0.4, 0.25, 0.75),
    "mouth": (-0.55, 0.55, 0.85, 1.5),
    "chin": (-0.5, 0.5, 1.5, 1.95),
    "forehead": (-0.6, 0.6, -0.75, -0.3),
    "left cheek": (-1.0, -0.5, 0.3, 0.9),
    "right cheek": (0.5, 1.0, 0.3, 0.9),
    "left jaw": (-1.0, -0.6, 0.95, 1.5),
    "right jaw": (0.6, 1.0, 0.95, 1.5),
    "left of the face": (-1.7, -1.1, -0.2, 1.2),
    "right of the face": (1.1, 1.7, -0.2, 1.2),
    "hair": (-0.8, 0.8, -1.3, -0.85),
    "neck": (-0.5, 0.5, 2.0, 2.25),
}
"""Left, right, top, bottom in face coordinates (crops.py); sides as one sees them."""
FACE = 10
"""The first so many parts are of the face itself; the others surround it."""
SCALES = (0.6, 1.0, 1.7, 3.0)
"""Standard deviations of the Gaussians before the Laplacian, pixels of the crop."""
MOTION_SCALE = 3.0
"""Pixels: motion is told from frames that are as soft as this, so that noise counts little."""
NEIGHBOURS_SECONDS = 0.3
"""Frames farther apart than this are of different bursts."""
KINDS = ("detail", "motion")
NAMES = (
    *(f"detail {a:g}/{b:g} of {part}" for a, b in pairwise(SCALES) for part in PARTS),
    *(f"motion of {part}" for part in PARTS),
)


def statistics_of(
    crops: NDArray[np.uint8], pts_seconds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The numbers of one track.

    Args:
        crops: (m, SIDE, SIDE, 3) upright.
        pts_seconds: (m,)

    Returns:
        (m, 56) in the order of NAMES; motion is NaN where no neighbouring frame was looked at.
    """
    import cv2

    greys = [np.asarray(cv2.cvtColor(c, cv2.COLOR_RGB2GRAY), np.float32) for c in crops]
    detail = np.stack([_detail(grey) for grey in greys])  # (m, 3 * parts)
    soft = [np.asarray(cv2.GaussianBlur(grey, (0, 0), MOTION_SCALE)) for grey in greys]
    steps = [_against_face(np.log(_means(np.abs(b - a)) + 0.2)) for a, b in pairwise(soft)]
    near = np.diff(pts_seconds) <= NEIGHBOURS_SECONDS
    motion = np.full((len(crops), len(PARTS)), np.nan)
    for row in range(len(crops)):
        beside = [steps[k] for k in (row - 1, row) if 0 <= k < len(steps) and near[k]]
        if beside:
            motion[row] = np.mean(beside, axis=0)
    return np.hstack([detail, motion])


def of_track(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """(56,) of a whole track: the mean of what was seen; NaN where nothing was."""
    seen = np.isfinite(statistics)
    total = np.where(seen, statistics, 0.0).sum(axis=0)
    count = seen.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _detail(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3 * parts,) fall of detail from each scale to the next."""
    import cv2

    levels = []
    for sigma in SCALES:
        edges = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), sigma), cv2.CV_32F)
        levels.append(np.log(_means(np.abs(np.asarray(edges))) * sigma**2 + 0.15))
    return np.concatenate([_against_face(a - b) for a, b in pairwise(levels)])


def _against_face(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values - values[:FACE].mean(), np.float64)


def _means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(parts,)"""
    return np.array([values[area(box)].mean() for box in PARTS.values()], np.float64)


def area(box: tuple[float, float, float, float], side: int = SIDE) -> tuple[slice, slice]:
    """A part of the crop, as rows and columns."""
    left, right, top, bottom = (round(v * EYE_DISTANCE * side) for v in box)
    x, y = round(side / 2), round(EYE_HEIGHT * side)
    rows = slice(max(0, y + top), min(side, y + bottom))
    return rows, slice(max(0, x + left), min(side, x + right))
