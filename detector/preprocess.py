"""The one path from decoded frames to what the model sees, for training and scanning alike.

Resampling leaves traces of its own (two libraries' "same" filter differ by 4 grey levels on noise),
so a model must never meet frames in use that were shrunk in another way than in training.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MULTIPLE = 32
"""Sides are multiples of the backbone's total stride: 'same' padding is then a constant, which an
exported graph can hold for all sizes."""


def model_size(
    height: int, width: int, *, short_side: int, max_aspect: float = 2.0
) -> tuple[int, int]:
    """Size at which a frame is judged.

    The short side becomes `short_side`, or stays (to the next multiple of 32 below) when it is
    smaller: frames are never enlarged by more than what fills up the smallest size of 64.

    Returns:
        (height, width) in pixels, multiples of 32; frames longer than `max_aspect` are squeezed.

    Raises:
        ValueError: A side is not positive.
    """
    if height < 1 or width < 1:
        raise ValueError(f"a frame needs positive sides, got {height} x {width}")
    short = max(64, min(short_side, min(height, width) // MULTIPLE * MULTIPLE))
    aspect = min(max(height, width) / min(height, width), max_aspect)
    long = max(short, math.floor(short * aspect / MULTIPLE + 0.5) * MULTIPLE)
    return (short, long) if height <= width else (long, short)


def to_model_size(frames: NDArray[np.uint8], *, short_side: int) -> NDArray[np.uint8]:
    """Shrink frames to the size at which the model judges them.

    Args:
        frames: (T, H, W, 3) RGB.
        short_side: Pixels, a multiple of 32.

    Returns:
        (T, h, w, 3) uint8, area-averaged when shrunk, bicubic in the rare case of enlarging.
    """
    import cv2  # here: 0.1 s that only a scan should pay

    height, width = model_size(frames.shape[1], frames.shape[2], short_side=short_side)
    if (height, width) == frames.shape[1:3]:
        return frames
    shrinking = height <= frames.shape[1] and width <= frames.shape[2]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return np.stack([cv2.resize(f, (width, height), interpolation=method) for f in frames])


def squeezed(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Whole frames as squares, for encoders that take one size: content is kept, aspect is not.

    Args:
        frames: (T, H, W, 3) RGB.
        side: Pixels.

    Returns:
        (T, side, side, 3) uint8.
    """
    import cv2

    method = cv2.INTER_AREA if min(frames.shape[1:3]) >= side else cv2.INTER_CUBIC
    return np.stack([cv2.resize(f, (side, side), interpolation=method) for f in frames])


def normalise(
    frames: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float32]:
    """uint8 RGB frames to what the graph takes.

    Args:
        frames: (..., H, W, 3) uint8.
        mean: Per channel, of values scaled to 0..1.
        std: Per channel, likewise.

    Returns:
        (..., 3, H, W) float32.
    """
    scale = (1.0 / (255.0 * np.asarray(std))).astype(np.float32)
    shift = (-np.asarray(mean) / np.asarray(std)).astype(np.float32)
    scaled = frames * scale + shift
    return np.ascontiguousarray(np.moveaxis(scaled, -1, -3), dtype=np.float32)
