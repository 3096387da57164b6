"""What an edit of a scene gives back, and the places and times that are fit for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.layers import ANGLE, OPACITY, SCALE, Body, Look, Scene

INSTANT_SECONDS = 0.3
"""Boxes of something that takes no time (it is there, and is not) reach this far from it."""


class UnsuitableError(Exception):
    """A scene has no place or time for this event; another one is tried."""


@dataclass(frozen=True, slots=True)
class Footage:
    """Pictures with the boxes of what is watched, after the layers were painted."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    seconds: NDArray[np.float64]
    """(T,)"""
    boxes: NDArray[np.float64]
    """(K, T, 4): x, y, w, h of each watched body; zeros = not there."""


After = Callable[[Footage], Footage]


@dataclass(frozen=True, slots=True)
class Edited:
    """A scene in which something happens."""

    scene: Scene
    t_start: float
    t_end: float
    watched: tuple[str, ...] = ("thing",)
    """Bodies whose boxes are the truth; none = the whole frame."""
    box_start: float | None = None
    box_end: float | None = None
    """Where boxes are given; None = t_start and t_end."""
    after: After | None = None
    """What is done to the painted frames."""


def centres(scene: Scene, body: Body) -> NDArray[np.float64]:
    """(T, 2) of a body in pixels of each frame."""
    points = np.einsum("tij,tj->ti", scene.camera[:, :, :2], body.poses[:, :2])
    return np.asarray(points + scene.camera[:, :, 2])


def sizes(body: Body) -> NDArray[np.float64]:
    """(T, 2) width and height, pixels of the world."""
    shapes = np.array([look.shape[1::-1] for look in body.looks], float)
    shapes = shapes if len(shapes) > 1 else np.repeat(shapes, len(body.poses), axis=0)
    return np.asarray(shapes * body.poses[:, SCALE : SCALE + 1])


def is_inside(scene: Scene, body: Body, margin: float = 0.03) -> NDArray[np.bool_]:
    """(T,): the whole body is in the frame, and this share of the width away from its edges."""
    height, width = scene.ground.shape[1:3]
    half, gap = sizes(body) / 2, margin * width
    middle = centres(scene, body)
    low = (middle - half > gap).all(axis=1)
    high = (middle + half < np.array([width, height]) - gap).all(axis=1)
    return np.asarray(low & high & (body.poses[:, OPACITY] > 0.5))


def moment(
    scene: Scene,
    body: Body,
    rng: np.random.Generator,
    *,
    early: float = 0.3,
    late: float = 0.6,
    lasting: float = 0.0,
) -> int:
    """A frame at which something may happen to a body: it is well inside then, and `lasting` on.

    Args:
        scene: Where.
        body: Which.
        rng: Chooses among the frames that are fit.
        early: Share of the duration before which nothing is done.
        late: The same, after.
        lasting: Seconds.

    Raises:
        UnsuitableError: There is no such frame.
    """
    clock = scene.seconds
    fit, inside = [], is_inside(scene, body)
    for index in np.flatnonzero((clock > early * clock[-1]) & (clock < late * clock[-1])):
        end = int(np.searchsorted(clock, clock[index] + lasting))
        if end < len(clock) and inside[max(0, index - 3) : end + 1].all():
            fit.append(int(index))
    if not fit:
        raise UnsuitableError("the body is never well inside the frame for long enough")
    return fit[int(rng.integers(len(fit)))]


def with_poses(body: Body, **columns: NDArray[np.float64]) -> Body:
    """The same body on another way; columns x, y, scale, angle, opacity."""
    poses = body.poses.copy()
    names = {"x": 0, "y": 1, "scale": SCALE, "angle": ANGLE, "opacity": OPACITY}
    for name, values in columns.items():
        poses[:, names[name]] = values
    return replace(body, poses=poses)


def each_look(body: Body) -> list[Look]:
    """One look for each frame."""
    return [body.look(index).copy() for index in range(len(body.poses))]


def span_mask(scene: Scene, start: float, end: float) -> NDArray[np.bool_]:
    """(T,): frames at or after `start` and before `end`."""
    return np.asarray((scene.seconds >= start - 1e-6) & (scene.seconds < end - 1e-6))
