"""Points and the camera through a shot: what stays put in the world, what moves by itself.

    frames -> corners -> Lucas-Kanade forward and back -> point tracks
                                       consensus of all -> camera motion, taken out of the tracks

Lucas-Kanade begins where the dense flow of the step says that the point is, there and on the way
back, and so needs no pyramid. A point is followed only while the way back ends where it began. The
camera's motion from one frame to the next is the similarity (shift, turn, zoom) that most points
share, by RANSAC; where less than half of them agree it is not known, which `steadiness` says. All
times are presentation times.

Sources: Lucas & Kanade 1981; forward-backward check: Kalal et al. 2010; RANSAC: Fischler & Bolles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch
from unreel.detector.step_maps import CELL, StepMaps

MAX_POINTS = 260
"""Followed at the same time."""
MAX_TRACKS = 1200
"""Of one stretch; later corners are not taken up."""
MIN_DISTANCE = 8
"""Pixels between corners when they are taken up."""
RENEW_EVERY = 4
"""Frames after which lost points are replaced by new corners."""
MAX_ROUND_TRIP = 0.6
"""Pixels between a point and where following it forward and back ends."""
MAX_CAMERA_ERROR = 1.5
"""Pixels from the common motion at which a point still agrees with it."""
_LK_WINDOW = (15, 15)


@dataclass(frozen=True, slots=True)
class PointTracks:
    """Corners followed through a stretch; coordinates in its small pixels, NaN where absent."""

    xy: NDArray[np.float32]
    """(p, n, 2) as seen."""
    stable_xy: NDArray[np.float32]
    """(p, n, 2) with the camera's motion taken out: in the coordinates of the first frame."""


@dataclass(frozen=True, slots=True)
class CameraMotion:
    """How the camera moved, as far as most points agree."""

    to_first: NDArray[np.float64]
    """(n, 2, 3) similarity that takes small-pixel coordinates of a frame to the first frame's."""
    zoom: NDArray[np.float64]
    """(n,) size of things against the first frame by the camera alone; 2 = twice as large."""
    steadiness: NDArray[np.float64]
    """(n,) share of points that agree with the step to this frame, 0..1; 1 in the first frame."""

    def step(self, index: int) -> NDArray[np.float64]:
        """(2, 3) from the coordinates of frame index - 1 to those of frame index."""
        return self.between(index - 1, index)

    def between(self, one: int, other: int) -> NDArray[np.float64]:
        """(2, 3) from the coordinates of frame `one` to those of frame `other`."""
        here, there = _square(self.to_first[one]), _square(self.to_first[other])
        return np.asarray((np.linalg.inv(there) @ here)[:2], np.float64)


def greys(stretch: Stretch) -> NDArray[np.uint8]:
    """(n, h, w) luma of a stretch."""
    import cv2

    return np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in stretch.frames])


def follow(grey: NDArray[np.uint8], steps: Sequence[StepMaps]) -> tuple[PointTracks, CameraMotion]:
    """Follow corners through the frames of a stretch and find the camera's motion.

    Args:
        grey: (n, h, w) luma, uncut.
        steps: (n - 1) of the same frames; the first is of frames 0 and 1.

    Returns:
        Point tracks and the motion of the camera; without texture there are no tracks and the
        camera stands still with steadiness 0.
    """
    xy = _followed(grey, steps)  # (p, n, 2)
    camera = _camera(xy, len(grey))
    stable = np.full_like(xy, np.nan)
    for index, matrix in enumerate(camera.to_first):
        stable[:, index] = xy[:, index] @ matrix[:, :2].T + matrix[:, 2]
    return PointTracks(xy, stable.astype(np.float32)), camera


def _followed(grey: NDArray[np.uint8], steps: Sequence[StepMaps]) -> NDArray[np.float32]:
    """(p, n, 2), NaN where a track has not begun or has ended."""
    count = len(grey)
    rows: list[NDArray[np.float32]] = []
    live: list[int] = []
    for index in range(count):
        if index and live:
            before = np.stack([rows[row][index - 1] for row in live])
            after, kept = _step(grey[index - 1], grey[index], before, steps[index - 1])
            live = [row for row, ok in zip(live, kept, strict=True) if ok]
            for row, place in zip(live, after[kept], strict=True):
                rows[row][index] = place
        if index % RENEW_EVERY == 0 and index < count - 1:
            here = [rows[row][index] for row in live]
            room = min(MAX_POINTS - len(live), MAX_TRACKS - len(rows))
            for corner in _corners(grey[index], here, room):
                track = np.full((count, 2), np.nan, np.float32)
                track[index] = corner
                live.append(len(rows))
                rows.append(track)
    return np.stack(rows) if rows else np.zeros((0, count, 2), np.float32)


def _step(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    points: NDArray[np.float32],
    step: StepMaps,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow points (k, 2) to the next frame and back; those that come back are kept."""
    import cv2

    options = {
        "winSize": _LK_WINDOW,
        "maxLevel": 0,
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    start = points.reshape(-1, 1, 2)
    guess = _moved(start, step.ahead)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, guess, **options)  # type: ignore[call-overload]  # stubs lack defaults
    guess = _moved(there, step.flow)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, guess, **options)  # type: ignore[call-overload]  # as above
    error = np.linalg.norm(back - start, axis=2)[:, 0]
    height, width = after.shape
    x, y = there[:, 0, 0], there[:, 0, 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    kept = (found[:, 0] == 1) & (found_back[:, 0] == 1) & (error < MAX_ROUND_TRIP) & inside
    return there[:, 0].astype(np.float32), kept


def _moved(points: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the flow (gh, gw, 2) of their cells takes points (k, 1, 2)."""
    columns = np.clip(points[..., 0] / CELL, 0, flow.shape[1] - 1).astype(np.intp)
    rows = np.clip(points[..., 1] / CELL, 0, flow.shape[0] - 1).astype(np.intp)
    return np.asarray(points + flow[rows, columns], np.float32)


def _corners(
    grey: NDArray[np.uint8], taken: list[NDArray[np.float32]], room: int
) -> NDArray[np.float32]:
    """Up to `room` new corners (k, 2) away from those that are followed already."""
    import cv2

    if room <= 0:
        return np.zeros((0, 2), np.float32)
    mask = np.full(grey.shape, 255, np.uint8)
    for x, y in taken:
        cv2.circle(mask, (round(float(x)), round(float(y))), MIN_DISTANCE, 0, -1)
    found = cv2.goodFeaturesToTrack(grey, room, 0.01, MIN_DISTANCE, mask=mask)
    if found is None:
        return np.zeros((0, 2), np.float32)
    return np.asarray(found[:, 0], np.float32)


def _camera(xy: NDArray[np.float32], count: int) -> CameraMotion:
    """Chain the motion that most points share from each frame to the next."""
    to_first = np.repeat(np.eye(2, 3)[None], count, axis=0)
    steadiness = np.zeros(count)
    steadiness[0] = 1.0
    for index in range(1, count):
        both = ~np.isnan(xy[:, index - 1, 0]) & ~np.isnan(xy[:, index, 0])
        matrix, share = _common_motion(xy[both, index], xy[both, index - 1])
        steadiness[index] = share
        chained = _square(to_first[index - 1]) @ _square(matrix)
        to_first[index] = chained[:2]
    zoom = 1 / np.sqrt(np.abs(np.linalg.det(to_first[:, :, :2])))
    return CameraMotion(to_first, zoom, steadiness)


def _common_motion(
    now: NDArray[np.float32], before: NDArray[np.float32]
) -> tuple[NDArray[np.float64], float]:
    """Similarity from `now` to `before` (k, 2), and the share of points that agree with it."""
    import cv2

    still = np.eye(2, 3)
    if len(now) < 8:
        return still, 0.0
    matrix, agree = cv2.estimateAffinePartial2D(
        now, before, method=cv2.RANSAC, ransacReprojThreshold=MAX_CAMERA_ERROR, maxIters=500
    )
    if matrix is None or not np.isfinite(matrix).all():
        return still, 0.0
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if not 0.5 < zoom < 2.0:  # no camera does that within a fifteenth of a second
        return still, 0.0
    return np.asarray(matrix, np.float64), float(np.mean(agree))


def shifts(matrix: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2) by how much a motion (2, 3) moves each of some places (..., 2)."""
    return np.asarray(places @ matrix[:, :2].T + matrix[:, 2] - places, np.float64)


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])
