"""Write the invisible watermark of Stable Diffusion's scripts, for a decoder to read.

Written from the description of the method, not for use on pictures that anyone keeps: the largest
coefficient of each 4x4 block of the half-size U plane is moved to the even or odd half of a step.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STEP = 36.0


def marked(frame: NDArray[np.uint8], message: NDArray[np.int8]) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) RGB with a message in it."""
    yuv = cv2.cvtColor(frame[..., ::-1].copy(), cv2.COLOR_BGR2YUV)
    height, width = frame.shape[0] // 4 * 4, frame.shape[1] // 4 * 4
    plane = yuv[:height, :width, 1].astype(np.float64)
    quads = [plane[::2, ::2], plane[::2, 1::2], plane[1::2, ::2], plane[1::2, 1::2]]
    low = sum(quads) / 2  # Haar: the other three bands stay as they are
    new = low.copy()
    rows, columns = low.shape[0] // 4, low.shape[1] // 4
    for number in range(rows * columns):
        top, left = number // columns * 4, number % columns * 4
        block = new[top : top + 4, left : left + 4]
        row, column = divmod(int(np.argmax(np.abs(block.ravel()[1:]))) + 1, 4)
        value = abs(block[row, column])
        moved = (value // STEP + 0.25 + 0.5 * message[number % len(message)]) * STEP
        block[row, column] = moved if block[row, column] >= 0 else -moved
    change = np.kron((new - low) / 2, np.ones((2, 2)))
    yuv[:height, :width, 1] = np.rint(plane + change).clip(0, 255)
    return np.ascontiguousarray(cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR)[..., ::-1])
