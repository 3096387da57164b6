"""Small scenes with ground truth: a textured thing on a textured ground, a moving camera."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch

HEIGHT, WIDTH, FPS = 144, 256, 12
SIDE = 32
Place = tuple[float, float] | None
"""(x, y) of the thing's upper left corner, or None where it is not there."""


def texture(rng: np.random.Generator, height: int, width: int, low: int, high: int) -> NDArray:
    """Blotches of a few pixels, as things have them."""
    import cv2

    coarse = rng.integers(low, high, (height // 6 + 2, width // 6 + 2, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def stretch_of(
    place: Callable[[int], Place],
    *,
    frames: int = 30,
    pan: float = 1.0,
    seed: int = 0,
    over: Callable[[int, NDArray], None] | None = None,
) -> Stretch:
    """A stretch of frames.

    Args:
        place: Where the thing is in each frame.
        frames: How many.
        pan: Pixels that the camera moves in a step.
        seed: Of the textures.
        over: Draws on each frame at last, e.g. what stands in front.
    """
    rng = np.random.default_rng(seed)
    ground = texture(rng, HEIGHT, WIDTH + 200, 40, 130)
    thing = texture(rng, SIDE, SIDE, 150, 255)
    pictures = []
    for index in range(frames):
        shift = round(pan * index)
        picture = ground[:, shift : shift + WIDTH].copy()
        where = place(index)
        if where is not None:
            paste(picture, thing, *where)
        if over is not None:
            over(index, picture)
        noise = rng.normal(0, 2, picture.shape)
        pictures.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
    return Stretch(0, np.arange(frames) / FPS, np.stack(pictures), 2.0)


def paste(picture: NDArray, thing: NDArray, x: float, y: float) -> None:
    """Lay a thing over a picture; what lies outside is cut off."""
    left, top = round(x), round(y)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(WIDTH, left + thing.shape[1]), min(HEIGHT, top + thing.shape[0])
    if x1 > x0 and y1 > y0:
        picture[y0:y1, x0:x1] = thing[y0 - top : y1 - top, x0 - left : x1 - left]
