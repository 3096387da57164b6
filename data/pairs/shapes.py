"""Bodies and grounds made of texture: what is laid over footage where nothing can be cut out of it.

A shape is cut from the texture of a picture and shaded as a ball, or left flat as a box or a
pebble: rigid, with corners that can be followed. Without a picture the texture is drawn.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.layers import Look

FORMS = ("ball", "box", "pebble")


def drawn_texture(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) of blobs at several scales, as a ground for scenes without footage."""
    picture = np.zeros((height, width, 3), np.float32)
    for cell, strength in ((64, 60), (24, 35), (8, 20), (3, 10)):
        coarse = rng.normal(size=(height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        coarse = 0.7 * coarse.mean(axis=2, keepdims=True) + 0.3 * coarse
        picture += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture += rng.uniform(80, 170) + rng.uniform(-25, 25, 3)
    return np.clip(picture, 0, 255).astype(np.uint8)


def shape_from(picture: NDArray[np.uint8], size: int, rng: np.random.Generator) -> Look:
    """A body of about `size` pixels, with the texture of the busiest of some places of a picture.

    Returns:
        (h, w, 4) RGB and coverage.
    """
    form = FORMS[int(rng.integers(len(FORMS)))]
    wide = max(12, int(size * (1 if form == "ball" else rng.uniform(0.8, 1.4))))
    tall = max(12, int(size * (1 if form == "ball" else rng.uniform(0.8, 1.4))))
    patch = _busiest(picture, tall, wide, rng).astype(np.float32)
    # A tint, so that it stands out from the ground that its texture may come from.
    mean = patch.mean(axis=(0, 1))
    tint = rng.uniform(30, 225, 3)
    patch = tint + 1.4 * (patch - mean)
    coverage, light = _form(form, tall, wide, rng)
    rgb = np.clip(patch * light[..., None], 0, 255).astype(np.uint8)
    return np.dstack([rgb, (255 * coverage).astype(np.uint8)])


def pillar_from(picture: NDArray[np.uint8], height: int, width: int) -> Look:
    """Something upright to pass behind: a strip of a picture, darker at its sides."""
    strip = cv2.resize(picture[:, : max(8, picture.shape[1] // 6)], (width, height))
    light = np.cos(np.linspace(-1.1, 1.1, width))[None, :, None]
    rgb = np.clip((0.6 * strip + 50) * light, 0, 255).astype(np.uint8)
    return np.dstack([rgb, np.full((height, width), 255, np.uint8)])


def _busiest(
    picture: NDArray[np.uint8], tall: int, wide: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if height <= tall or width <= wide:
        return np.asarray(cv2.resize(picture, (wide, tall)), np.uint8)
    best, most = picture[:tall, :wide], -1.0
    for _ in range(12):
        top, left = int(rng.integers(height - tall)), int(rng.integers(width - wide))
        patch = picture[top : top + tall, left : left + wide]
        if float(patch.std()) > most:
            best, most = patch, float(patch.std())
    return best


def _form(
    form: str, tall: int, wide: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coverage and light, both (h, w)."""
    y = np.linspace(-1, 1, tall, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None]
    if form == "box":
        inside = np.ones((tall, wide), np.float32)
        light = 1.05 - 0.15 * (x + y) / 2
    elif form == "ball":
        radius = np.sqrt(x**2 + y**2)
        inside = np.clip((1 - radius) * wide / 3, 0, 1)
        light = 0.55 + 0.55 * np.sqrt(np.clip(1 - np.minimum(radius, 1) ** 2, 0, 1))
    else:
        angle = np.arctan2(y, x)
        bumps = sum(
            rng.uniform(-0.08, 0.08) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4, 5)
        )
        radius = np.sqrt(x**2 + y**2) / (0.85 + bumps)
        inside = np.clip((1 - radius) * wide / 3, 0, 1)
        light = 0.8 + 0.25 * (1 - y) / 2 + 0 * x
    return inside.astype(np.float32), np.broadcast_to(light, (tall, wide)).astype(np.float32)
