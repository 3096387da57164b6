"""Motion that obeys mechanics, from a physics library: pymunk (Chipmunk), in two dimensions.

Four stages are enough for what is planted on them: something drifts along, is tossed and bounces,
two things meet, two things are dropped from different heights. Gravity points down the picture;
its size in pixels is drawn at random, since nobody who sees a clip knows its scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAGES = ("drift", "toss", "pair", "drop")
_STEP = 1 / 240


@dataclass(frozen=True, slots=True)
class Law:
    """What is broken, if anything."""

    gravity_flips_at: float | None = None
    """Seconds; the first body falls upwards from then on."""
    passes_through: bool = False
    """The bodies do not touch."""
    second_gravity: float = 1.0
    """Times the gravity that the other body feels."""


def simulate(
    stage: str,
    seconds: NDArray[np.float64],
    size: tuple[int, int],
    radii: tuple[float, ...],
    rng: np.random.Generator,
    law: Law = Law(),
) -> list[NDArray[np.float64]]:
    """Let bodies move.

    Args:
        stage: One of STAGES.
        seconds: (T,) ascending, from 0.
        size: Width and height of the picture, pixels.
        radii: Of the bodies, pixels: one for drift and toss, two for pair and drop.
        rng: Draws speeds, heights and gravity.
        law: What is broken.

    Returns:
        For each body (T, 5) poses as in `layers.Body`.
    """
    import pymunk

    width, height = size
    gravity = height * float(rng.uniform(0.9, 1.7)) if stage in ("toss", "drop") else 0.0
    space = pymunk.Space()
    space.gravity = (0, gravity)
    bodies = [_body(space, radius, law) for radius in radii]
    _START[stage](bodies, radii, width, height, gravity, rng)
    floor_at = 0.93 * height
    if gravity:
        floor = pymunk.Segment(space.static_body, (-9e4, floor_at), (9e4, floor_at), 1)
        floor.elasticity, floor.friction = 0.8, 0.6
        floor.filter = pymunk.ShapeFilter()
        space.add(floor)
        if law.second_gravity != 1.0:
            bodies[1].velocity_func = _pulled(law.second_gravity)
    return _record(space, bodies, seconds, law)


def _body(space: Any, radius: float, law: Law) -> Any:
    import pymunk

    body = pymunk.Body(1.0, pymunk.moment_for_circle(1.0, 0, radius))
    shape = pymunk.Circle(body, radius)
    shape.elasticity, shape.friction = 0.85, 0.4
    if law.passes_through:
        shape.filter = pymunk.ShapeFilter(group=1)
    space.add(body, shape)
    return body


def _drift(
    bodies: list[Any], radii: tuple[float, ...], width: int, height: int, g: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    way = 1 if rng.random() < 0.5 else -1
    x = 0.22 if way > 0 else 0.78
    bodies[0].position = (x * width, float(rng.uniform(0.35, 0.7)) * height)
    bodies[0].velocity = (way * float(rng.uniform(0.10, 0.17)) * width, 0)
    bodies[0].angular_velocity = float(rng.uniform(-0.4, 0.4))


def _toss(
    bodies: list[Any], radii: tuple[float, ...], width: int, height: int, g: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    way = 1 if rng.random() < 0.5 else -1
    bodies[0].position = ((0.25 if way > 0 else 0.75) * width, 0.85 * height - radii[0])
    rise = float(rng.uniform(0.5, 0.62)) * height
    bodies[0].velocity = (way * float(rng.uniform(0.08, 0.16)) * width, -np.sqrt(2 * g * rise))
    bodies[0].angular_velocity = float(rng.uniform(-1, 1))


def _pair(
    bodies: list[Any], radii: tuple[float, ...], width: int, height: int, g: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    y = float(rng.uniform(0.4, 0.65)) * height
    for body, side in zip(bodies, (-1, 1), strict=True):
        body.position = ((0.5 + 0.3 * side) * width, y + side * float(rng.uniform(0, 2)))
        body.velocity = (-side * float(rng.uniform(0.2, 0.26)) * width, 0)


def _drop(
    bodies: list[Any], radii: tuple[float, ...], width: int, height: int, g: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    for body, x, high in zip(bodies, (0.35, 0.65), (0.12, 0.38), strict=True):
        body.position = (x * width, (high + float(rng.uniform(0, 0.05))) * height)


_START = {"drift": _drift, "toss": _toss, "pair": _pair, "drop": _drop}


def _pulled(times: float) -> Any:
    """A velocity function of pymunk under which a body feels so many times the gravity."""

    def update(body: Any, gravity: Any, damping: float, dt: float) -> None:
        type(body).update_velocity(body, (gravity[0] * times, gravity[1] * times), damping, dt)

    return update


def _record(
    space: Any, bodies: list[Any], seconds: NDArray[np.float64], law: Law
) -> list[NDArray[np.float64]]:
    poses = [np.tile(np.array([0.0, 0, 1, 0, 1]), (len(seconds), 1)) for _ in bodies]
    now, flipped = 0.0, False
    for index, wanted in enumerate(seconds):
        while now < wanted - _STEP / 2:
            if law.gravity_flips_at is not None and now >= law.gravity_flips_at and not flipped:
                bodies[0].velocity_func, flipped = _pulled(-1.0), True
            space.step(_STEP)
            now += _STEP
        for body, pose in zip(bodies, poses, strict=True):
            pose[index, :2] = body.position
            pose[index, 3] = np.rad2deg(body.angle)
    return poses
