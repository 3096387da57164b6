"""Stiff things from point tracks: points that keep together, how they shift, grow and bend.

    points that move against the camera -> pairs that move alike -> groups -> one body each

A body's way is the sum of the median steps of its points, so that points may come and go. Its
growth is the sum of the median changes of the distances between them, with the camera's zoom taken
out; its bending is what a similarity leaves of their steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.tracking import PointTracks

MIN_POINTS = 4
"""Fewer do not make a body: one slipped corner would be its motion."""
MAX_POINTS = 160
"""Of those that move; the ones that move most are taken."""
MIN_SHARED_STEPS = 5
"""Two points are compared only where both are followed for so many steps."""
_REACH = 0.15
"""Share of the frame's long side within which two points may belong together."""
_MIN_TRAVEL = 0.012
"""Share of the long side that a point must move against the camera."""
_SLACK_PIXELS = 0.5
_SLACK_SHARE = 0.035
"""Steps of two points may differ by this share of their distance: turning and growing."""


@dataclass(frozen=True, slots=True)
class Body:
    """One group of points that move together; small pixels, the camera taken out."""

    indices: NDArray[np.int64]
    """(m,) frames of the stretch, without gaps."""
    centres: NDArray[np.float64]
    """(m, 2) its way: the first is the mean of its points."""
    growth: NDArray[np.float64]
    """(m,) natural log of its size against the first frame."""
    bending: NDArray[np.float64]
    """(m,) pixels by which its points leave a similarity in the step to this frame, 0 first."""
    support: NDArray[np.int64]
    """(m,) points behind the step to this frame."""
    boxes: NDArray[np.float64]
    """(m, 4) x, y, w, h around its points as seen, small pixels."""

    @property
    def size(self) -> float:
        """Median of the longer side of its boxes, pixels."""
        return float(np.median(self.boxes[:, 2:].max(axis=1)))


def find_bodies(points: PointTracks, long_side: int) -> tuple[Body, ...]:
    """Group the points of a stretch that move by themselves.

    Args:
        points: From `tracking.follow`.
        long_side: Of the small frames, pixels.

    Returns:
        Bodies, those with the most points first.
    """
    moving = _moving(points.stable_xy, _MIN_TRAVEL * long_side)
    if len(moving) < MIN_POINTS:
        return ()
    stable = points.stable_xy[moving].astype(np.float64)
    groups = _groups(stable, _REACH * long_side)
    found = [_body(stable[group], points.xy[moving][group].astype(np.float64)) for group in groups]
    return tuple(body for body in found if body is not None)


def _moving(stable: NDArray[np.float32], least: float) -> NDArray[np.int64]:
    """Points that get away from where they were first seen."""
    if not len(stable):
        return np.zeros(0, np.int64)
    known = ~np.isnan(stable[..., 0])
    first = known.argmax(axis=1)
    away = np.linalg.norm(stable - stable[np.arange(len(stable)), first][:, None], axis=2)
    travel = np.where(known, away, 0.0).max(axis=1)
    travel[known.sum(axis=1) <= MIN_SHARED_STEPS] = 0.0
    order = np.argsort(-travel, kind="stable")[:MAX_POINTS]
    return np.asarray(order[travel[order] > least], np.int64)


def _groups(stable: NDArray[np.float64], reach: float) -> list[NDArray[np.int64]]:
    """Groups of points that move alike, largest first."""
    steps = np.diff(stable, axis=1)  # (k, n - 1, 2)
    count = len(stable)
    alike = np.zeros((count, count), np.bool_)
    for one in range(count - 1):
        far = np.linalg.norm(stable[one + 1 :] - stable[one], axis=2)[:, 1:]
        apart = np.linalg.norm(steps[one + 1 :] - steps[one], axis=2)
        both = ~np.isnan(apart)
        shared = both.sum(axis=1)
        excess = np.where(both, apart - _SLACK_SHARE * far, 0.0)
        usual = np.sqrt((np.maximum(excess, 0) ** 2).sum(axis=1) / np.maximum(shared, 1))
        near = np.where(both, far, np.inf).min(axis=1)
        alike[one, one + 1 :] = (
            (shared >= MIN_SHARED_STEPS) & (near < reach) & (usual < _SLACK_PIXELS)
        )
    alike |= alike.T
    return _stars(alike)


def _stars(alike: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Each time the point with the most like it, and these; chains would join what merely touches.

    Args:
        alike: (k, k) symmetric.
    """
    left = alike.copy()
    groups: list[NDArray[np.int64]] = []
    while True:
        degree = left.sum(axis=1)
        centre = int(degree.argmax())
        if degree[centre] + 1 < MIN_POINTS:
            return sorted(groups, key=lambda group: -len(group))
        group = np.append(np.flatnonzero(left[centre]), centre)
        groups.append(np.sort(group))
        left[group] = False
        left[:, group] = False


def _body(stable: NDArray[np.float64], seen: NDArray[np.float64]) -> Body | None:
    """One group (k, n, 2) as a body; None when it is never held by enough points for long."""
    there = ~np.isnan(stable[..., 0])
    held = (there[:, 1:] & there[:, :-1]).sum(axis=0) >= MIN_POINTS
    first, last = _longest_run(held)
    if last - first < MIN_SHARED_STEPS:
        return None
    indices = np.arange(first, last + 1)
    shift, growth, bending, support = [np.zeros(2)], [0.0], [0.0], [0]
    for index in range(first, last):
        both = there[:, index] & there[:, index + 1]
        step = _step(stable[both, index], stable[both, index + 1])
        shift.append(step[0])
        growth.append(step[1])
        bending.append(step[2])
        support.append(int(both.sum()))
    start = stable[there[:, first], first].mean(axis=0)
    boxes = np.array([_around(seen[there[:, index], index]) for index in indices])
    return Body(
        indices,
        start + np.cumsum(shift, axis=0),
        np.cumsum(growth),
        np.array(bending),
        np.array(support),
        boxes,
    )


def _longest_run(held: NDArray[np.bool_]) -> tuple[int, int]:
    """First frame and last frame of the longest run of steps that are held."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])


def _step(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Shift (2,), log growth and bending of points (k, 2) from one frame to the next."""
    shift = np.median(after - before, axis=0)
    first, second = np.triu_indices(len(before), 1)
    was = np.linalg.norm(before[first] - before[second], axis=1)
    now = np.linalg.norm(after[first] - after[second], axis=1)
    wide = was > 6  # nearer points tell more of noise than of size
    growth = 0.0
    if wide.sum() >= 3:
        growth = float(np.median(np.log(np.maximum(now[wide], 1e-3) / was[wide])))
    a, b = before - before.mean(axis=0), after - after.mean(axis=0)
    # Least squares for after = s R before, as one complex number.
    p, q = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    turn = (np.conj(p) @ q) / max(float((np.abs(p) ** 2).sum()), 1e-9)
    bending = float(np.sqrt((np.abs(q - turn * p) ** 2).mean()))
    return shift, growth, bending


def _around(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
