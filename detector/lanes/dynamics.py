"""Dynamics: the path that a clip's embedding takes through time, as a few numbers.

Measures: speed along the path, how evenly it is gone, how much it turns, how straight it is.
Why generators leave it: they draw motion that is smoother, or jerkier, than what cameras see.
Blind: still scenes (no path), cuts and time-lapse (a path of jumps); real clips at few frames a
    second look like generated ones. Measured on unseen groups it adds nothing to the learned lane
    (docs/log-2026-11-23.md), so it takes no part in a scan or in the score.
Source: Zheng et al. 2025 (D3: second differences), Interno et al. 2025 (ReStraV: curvature).
Command: none; benchmarks/lanes.py measures it
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAME = "dynamics"
MIN_FRAMES = 3
"""Two steps: fewer have no turn."""


@dataclass(frozen=True, slots=True)
class PathGeometry:
    """The path of one window, embeddings scaled to unit length."""

    speed: float
    """Mean step, per second."""
    unevenness: float
    """Standard deviation of the speeds over their mean."""
    jerk: float
    """Standard deviation of the differences of neighbouring speeds, per second."""
    bend: float
    """Mean length of the second differences, per step."""
    turn_degrees: float
    """Mean angle between neighbouring steps: 0 = straight on, 180 = back."""
    turn_spread_degrees: float
    """Standard deviation of these angles."""
    straightness: float
    """Way from the first frame to the last over the length of the path, 0..1."""

    def as_array(self) -> NDArray[np.float64]:
        """(7,) in the order of the fields."""
        return np.array(astuple(self), np.float64)


GEOMETRY_NAMES = tuple(spec.name for spec in fields(PathGeometry))


def path_geometry(embedding: ArrayLike, pts_seconds: ArrayLike) -> PathGeometry | None:
    """The path of one window.

    Args:
        embedding: (T, D) of any length; they are scaled to one.
        pts_seconds: (T,) ascending.

    Returns:
        None for fewer than MIN_FRAMES frames.

    Raises:
        ValueError: The two differ in length, or times do not ascend.
    """
    z = np.asarray(embedding, np.float64)
    times = np.asarray(pts_seconds, np.float64)
    if z.ndim != 2 or times.shape != z.shape[:1]:
        raise ValueError(f"got embeddings {z.shape} and times {times.shape}, wanted (T, D), (T,)")
    seconds = np.diff(times)
    if (seconds <= 0).any():
        raise ValueError("times must ascend")
    if len(z) < MIN_FRAMES:
        return None
    z = z / (np.linalg.norm(z, axis=1, keepdims=True) + 1e-12)
    step = np.diff(z, axis=0)  # (T - 1, D)
    length = np.linalg.norm(step, axis=1)
    speed = length / seconds
    turn = turns_degrees(step)
    return PathGeometry(
        speed=float(speed.mean()),
        unevenness=float(speed.std() / (speed.mean() + 1e-12)),
        jerk=float(np.diff(speed).std()),
        bend=float(np.linalg.norm(np.diff(z, n=2, axis=0), axis=1).mean()),
        turn_degrees=float(turn.mean()),
        turn_spread_degrees=float(turn.std()),
        straightness=float(np.linalg.norm(z[-1] - z[0]) / (length.sum() + 1e-12)),
    )


def turns_degrees(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T - 2,) angles between neighbouring steps (T - 1, D); 90 where a step has no length."""
    length = np.linalg.norm(steps, axis=1)
    product = (steps[1:] * steps[:-1]).sum(axis=1)
    cosine = product / np.maximum(length[1:] * length[:-1], 1e-12)
    angles: NDArray[np.float64] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return angles
