"""Puts a scene together: a ground with a camera, and bodies that move on it by the laws.

`overlay` takes the footage itself as the ground, with the camera motion that it has; `simulated`
takes one picture, or a drawn one, under a camera that is moved by a few slow waves.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.layers import Body, Scene
from unreel.data.pairs.shapes import drawn_texture, shape_from
from unreel.data.pairs.simulate import Law, simulate
from unreel.data.pairs.stretches import Stretch

BODIES = {"drift": 1, "toss": 1, "pair": 2, "drop": 2}
_MARGIN = 0.2
"""The picture under a simulated camera is larger by this share on each side."""


def overlay(
    stretch: Stretch,
    camera: NDArray[np.float64],
    texture: NDArray[np.uint8],
    stage: str,
    rng: np.random.Generator,
    law: Law = Law(),  # noqa: B008
) -> Scene:
    """Shapes that move over real footage as if they lay in its plane.

    Args:
        stretch: The ground.
        camera: (T, 2, 3) of it.
        texture: A picture that the shapes are cut from.
        stage: One of simulate.STAGES.
        rng: Draws shapes and motion.
        law: What is broken.
    """
    bodies = _bodies(stretch.frames.shape, stretch.seconds, texture, stage, rng, law)
    return Scene("overlay", stretch.seconds, stretch.frames, camera, bodies)


def simulated(
    ground: NDArray[np.uint8] | None,
    size: tuple[int, int],
    seconds: NDArray[np.float64],
    stage: str,
    rng: np.random.Generator,
    law: Law = Law(),  # noqa: B008
) -> Scene:
    """Shapes over a picture that a camera moves over.

    Args:
        ground: (H, W, 3), or None for a drawn texture.
        size: Width and height of the frames.
        seconds: (T,)
        stage: One of simulate.STAGES.
        rng: Draws everything.
        law: What is broken.
    """
    width, height = size
    wide, tall = round(width * (1 + 2 * _MARGIN)), round(height * (1 + 2 * _MARGIN))
    big = drawn_texture(tall, wide, rng) if ground is None else cv2.resize(ground, (wide, tall))
    texture = drawn_texture(tall, wide, rng)
    camera = _wandering(seconds, width, height, rng)
    offset = np.array([[1, 0, -_MARGIN * width], [0, 1, -_MARGIN * height], [0, 0, 1]])
    frames = np.empty((len(seconds), height, width, 3), np.uint8)
    for index, matrix in enumerate(camera):
        whole = np.vstack([matrix, [0, 0, 1]]) @ offset
        frames[index] = cv2.warpAffine(
            big, whole[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    bodies = _bodies(frames.shape, seconds, texture, stage, rng, law)
    return Scene("simulated", seconds, _with_noise(frames, rng), camera, bodies)


def look_alike(body: Body, rng: np.random.Generator) -> Body:
    """Another body with the same look, under another name."""
    return replace(body, name=f"{body.name}-copy", depth=body.depth + float(rng.uniform(0.1, 0.2)))


def _bodies(
    shape: tuple[int, ...],
    seconds: NDArray[np.float64],
    texture: NDArray[np.uint8],
    stage: str,
    rng: np.random.Generator,
    law: Law,
) -> tuple[Body, ...]:
    height, width = shape[1:3]
    sizes = [int(rng.uniform(0.14, 0.22) * min(height, width)) for _ in range(BODIES[stage])]
    looks = [shape_from(texture, size, rng) for size in sizes]
    radii = tuple(max(look.shape[:2]) / 2 for look in looks)
    poses = simulate(stage, seconds, (width, height), radii, rng, law)
    names = ("thing", "other")
    return tuple(
        Body(name, (look,), pose, depth=float(number))
        for number, (name, look, pose) in enumerate(zip(names, looks, poses, strict=False))
    )


def _wandering(
    seconds: NDArray[np.float64], width: int, height: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(T, 2, 3): a hand-held camera, a sum of slow waves; the first frame is the world."""
    waves = np.zeros((4, len(seconds)))
    for row, most in enumerate((0.03 * width, 0.02 * height, 0.012, 0.02)):
        for hertz in (0.25, 0.6, 1.7):
            phase, size = rng.uniform(0, 6.28), most * rng.uniform(0.2, 1) / (3 * hertz)
            waves[row] += size * np.sin(2 * np.pi * hertz * seconds + phase)
    waves -= waves[:, :1]
    turn, zoom = waves[2], 1 + waves[3]
    camera = np.zeros((len(seconds), 2, 3))
    camera[:, 0, 0] = camera[:, 1, 1] = zoom * np.cos(turn)
    camera[:, 1, 0] = zoom * np.sin(turn)
    camera[:, 0, 1] = -camera[:, 1, 0]
    middle = np.array([width / 2, height / 2])
    camera[:, :, 2] = middle - camera[:, :, :2] @ middle + waves[:2].T
    return camera


def _with_noise(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sensor noise, without which a picture under a moved camera is cleaner than any footage."""
    height, width = frames.shape[1:3]
    field = rng.normal(0, 2.0, (height + 64, width + 64, 3)).astype(np.float32)
    for frame in frames:  # another part of one field each time: drawing is what takes long
        top, left = (int(value) for value in rng.integers(64, size=2))
        noisy = frame + field[top : top + height, left : left + width]
        frame[:] = np.clip(noisy, 0, 255).astype(np.uint8)
    return frames
