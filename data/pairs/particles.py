"""Many small things at once, which fall or rise by themselves: snow, bubbles.

They are spread over the frame and come in again at the other side when they leave it, so that it
stays filled. Each has a speed and a sway of its own; how far down they have come is given from
outside, and that is where gravity is broken or kept.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.edited import Edited, UnsuitableError
from unreel.data.pairs.layers import Body, Look, Scene, X, Y, steady

COUNT = (60, 110)
"""Of one scene."""
_SPEED = (0.3, 0.6)
"""Frame heights a second."""
_TURN_SECONDS = 0.3
"""That it takes until all that fell rises."""
_MARGIN = 0.1
"""Of the frame, on each side: there things leave and come in unseen."""


def snow_that_turns(scene: Scene, rng: np.random.Generator) -> Edited:
    """Snow falls, and from a moment on it rises."""
    clock = scene.seconds
    flips = float(rng.uniform(0.35, 0.5)) * float(clock[-1])
    speed = np.clip(1 - 2 * (clock - flips) / _TURN_SECONDS, -1, 1)
    way = np.concatenate([[0.0], np.cumsum(speed[:-1] * np.diff(clock))])
    falling = scene.swapped(*_flakes(scene, way, rng))
    return Edited(falling, flips, float(clock[-1]), watched=())


def snowfall(scene: Scene, rng: np.random.Generator) -> Edited:
    """Snow falls, and goes on falling."""
    falling = scene.swapped(*_flakes(scene, scene.seconds, rng))
    return Edited(falling, 0.0, float(scene.seconds[-1]), watched=())


def bubbles(scene: Scene, rng: np.random.Generator) -> Edited:
    """Bubbles or sparks, which rise all along, as they do."""
    rising = scene.swapped(*_flakes(scene, -0.6 * scene.seconds, rng))
    return Edited(rising, 0.0, float(scene.seconds[-1]), watched=())


def _flakes(scene: Scene, way: NDArray[np.float64], rng: np.random.Generator) -> list[Body]:
    """Bodies that have come down by `way` (T,), in seconds of fall."""
    height, width = scene.ground.shape[1:3]
    if min(height, width) < 64:
        raise UnsuitableError("there is no room for small things")
    made = []
    for number in range(int(rng.integers(*COUNT))):
        near = float(rng.uniform(0.4, 1.0))  # far ones are small and slow
        poses = steady(0, 0, len(way))
        down = rng.uniform(0, 1) + near * float(rng.uniform(*_SPEED)) * way
        aside = rng.uniform(0, 1) + 0.006 * np.sin(
            2 * np.pi * float(rng.uniform(0.3, 0.9)) * scene.seconds + rng.uniform(0, 6.28)
        )
        poses[:, X] = (np.mod(aside, 1.0) * (1 + 2 * _MARGIN) - _MARGIN) * width
        poses[:, Y] = (np.mod(down, 1.0) * (1 + 2 * _MARGIN) - _MARGIN) * height
        look = _flake(max(3, round(near * 0.022 * height)), rng)
        made.append(Body(f"flake {number}", (look,), poses, depth=5.0 + near))
    return made


def _flake(size: int, rng: np.random.Generator) -> Look:
    """(size + 2, size + 2, 4): a soft white spot."""
    cover = np.zeros((size + 2, size + 2), np.float32)
    cv2.circle(cover, ((size + 1) // 2, (size + 1) // 2), size // 2, 1.0, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(cover, (3, 3), 0.6) * float(rng.uniform(0.75, 1.0))
    rgb = np.full((*cover.shape, 3), rng.uniform(215, 250), np.uint8)
    return np.dstack([rgb, (255 * soft).astype(np.uint8)])
