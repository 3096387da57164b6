"""Random changes of a training window, the same for all of its frames.

What differs between frames of one window would look like flicker, and flicker is evidence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.training.recipe import Recipe


def training_view(
    window: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A random part of a window in random shape.

    Args:
        window: (T, h, w, 3) RGB.
        recipe: Gives the number of frames, the crop and the range of scales.
        rng: Source of all choices.

    Returns:
        (train_frames, crop, crop, 3) uint8.
    """
    frames = _some_frames(window, recipe.train_frames, rng)
    frames = _crop(frames, recipe, rng)
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    frames = _tone(frames, rng)
    if rng.random() < 0.4:
        frames = _hide_corner(frames, rng)
    if rng.random() < 0.2:
        frames = _blur(frames, rng)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(1, 6), frames.shape)
        frames = np.clip(frames + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        frames = _jpeg(frames, int(rng.integers(35, 95)))
    return np.ascontiguousarray(frames)


def _some_frames(
    window: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Consecutive frames; a window with fewer repeats its last step backwards."""
    if len(window) <= count:
        order = [*range(len(window)), *range(len(window) - 2, -1, -1)] * count
        return window[order[:count]]
    start = int(rng.integers(0, len(window) - count + 1))
    return window[start : start + count]


def _crop(frames: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A square of the frame, scaled by a random factor to the crop size."""
    import cv2

    height, width = frames.shape[1:3]
    scale = rng.uniform(recipe.scale_low, recipe.scale_high)
    side = min(round(recipe.crop / scale), height, width)
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    part = frames[:, top : top + side, left : left + side]
    size = (recipe.crop, recipe.crop)
    method = cv2.INTER_AREA if side > recipe.crop else cv2.INTER_CUBIC
    return np.stack([cv2.resize(f, size, interpolation=method) for f in part])


def _tone(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma, contrast, brightness; now and then without colour."""
    gamma, contrast = rng.uniform(0.75, 1.35), rng.uniform(0.8, 1.25)
    brightness = rng.uniform(-25, 25)
    levels = 255 * (np.arange(256) / 255) ** gamma
    levels = (levels - 128) * contrast + 128 + brightness
    frames = np.clip(levels, 0, 255).astype(np.uint8)[frames]
    if rng.random() < 0.08:
        grey = frames.mean(axis=-1, keepdims=True).astype(np.uint8)
        frames = np.repeat(grey, 3, axis=-1)
    return frames


def _hide_corner(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint over a corner or an edge strip, where generators and channels leave their logos."""
    frames = frames.copy()
    height, width = frames.shape[1:3]
    tall = int(height * rng.uniform(0.06, 0.2))
    wide = int(width * rng.uniform(0.1, 0.5))
    rows = slice(0, tall) if rng.random() < 0.5 else slice(height - tall, height)
    columns = slice(0, wide) if rng.random() < 0.5 else slice(width - wide, width)
    frames[:, rows, columns] = rng.integers(0, 256, 3)
    return frames


def _blur(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    import cv2

    sigma = rng.uniform(0.4, 1.4)
    return np.stack([cv2.GaussianBlur(f, (0, 0), sigma) for f in np.ascontiguousarray(frames)])


def _jpeg(frames: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    bgr = np.ascontiguousarray(frames[..., ::-1])
    coded = [cv2.imencode(".jpg", f, flags)[1] for f in bgr]
    decoded: Any = [cv2.imdecode(c, cv2.IMREAD_COLOR) for c in coded]
    return np.stack(decoded)[..., ::-1]
