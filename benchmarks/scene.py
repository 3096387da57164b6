"""A drawn scene for the pictures in the documents: nobody's footage, and nobody is in it.

Hills that pass at different speeds, a balloon, the sun; after a cut the same by night. A fine grain
keeps the encoder and the network from seeing flat colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.detector.encode import H264Writer

WIDTH, HEIGHT, FPS = 640, 360, 25
DAY = ((255, 214, 165), (120, 170, 225), (96, 128, 84), (60, 92, 58), (250, 240, 200))
NIGHT = ((44, 52, 92), (14, 18, 40), (30, 40, 58), (18, 24, 36), (225, 228, 240))
"""Horizon, zenith, far hills, near hills, sun or moon: RGB."""


def frames(seconds: float = 8.0) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) RGB; the night begins half-way."""
    rng = np.random.default_rng(3)
    grain = rng.normal(0, 3.0, (HEIGHT + 40, WIDTH + 40, 1))
    count = round(seconds * FPS)
    for index in range(count):
        t = index / FPS
        picture = _landscape(t, DAY if index < count / 2 else NIGHT)
        _balloon(picture, round(90 + 55 * t), round(150 - 9 * t + 6 * np.sin(t)))
        y, x = rng.integers(0, 40, 2)
        picture = picture + grain[y : y + HEIGHT, x : x + WIDTH]
        yield picture.clip(0, 255).astype(np.uint8)


def _landscape(t: float, colours: tuple[tuple[int, int, int], ...]) -> NDArray[np.float64]:
    horizon, zenith, far, near, light = (np.array(colour, float) for colour in colours)
    height = np.linspace(0, 1, HEIGHT)[:, None, None]
    picture = np.repeat(zenith + (horizon - zenith) * height**0.7, WIDTH, axis=1)
    cv2.circle(picture, (470, 90), 34, tuple(light.tolist()), -1, cv2.LINE_AA)
    x = np.arange(WIDTH)
    for ground, speed, base, rough in ((far, 14, 215, 46), (near, 46, 275, 60)):
        at = (x + speed * t) / 90
        ridge = base - rough * (
            0.5 * np.sin(at) + 0.3 * np.sin(2.3 * at + 1) + 0.1 * np.sin(7 * at)
        )
        below = np.arange(HEIGHT)[:, None] >= ridge[None]
        shade = 0.8 + 0.2 * np.sin(0.9 * at + 2)[None, :, None]
        picture = np.where(below[..., None], ground * shade, picture)
    return picture


def _balloon(picture: NDArray[np.float64], x: int, y: int) -> None:
    for offset, colour in ((-13, (200, 62, 50)), (0, (240, 190, 70)), (13, (200, 62, 50))):
        cv2.ellipse(picture, (x + offset, y), (12, 36), 0, 0, 360, colour, -1, cv2.LINE_AA)
    cv2.rectangle(picture, (x - 7, y + 44), (x + 7, y + 56), (92, 64, 40), -1)


def write(path: Path, seconds: float = 8.0) -> Path:
    """The scene as H.264."""
    with H264Writer(str(path), width=WIDTH, height=HEIGHT, crf=20) as writer:
        for index, frame in enumerate(frames(seconds)):
            writer.write(frame, index / FPS)
    return path
