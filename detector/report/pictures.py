"""Kept frames as data: URIs: JPEG for frames, PNG for heat maps, H.264 for loops."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.encode import H264Writer

LOOP_LONG_SIDE = 320
HEAT_LONG_SIDE = 120
"""Pixels; the page stretches it over the frame."""
TOWARDS_GENERATED = (217, 95, 2)
TOWARDS_CAMERA = (31, 120, 180)
"""RGB; a pair that colour-blind readers tell apart."""
BOX_COLOUR = (255, 209, 0)

Box = tuple[float, float, float, float]
"""(x, y, w, h) as shares of the frame, 0..1."""


@dataclass(frozen=True, slots=True)
class Fineness:
    """How many bytes pictures may take."""

    jpeg_quality: int
    loop_crf: int
    scale: float = 1.0
    """Of the sides of still pictures."""


FINENESSES = (Fineness(78, 30), Fineness(60, 36), Fineness(45, 40, 0.6), Fineness(30, 46, 0.35))
"""From the finest on: a page that grows too large is made again with the next one."""


def jpeg(frame: NDArray[np.uint8], fineness: Fineness) -> str:
    """A frame (h, w, 3) RGB as a data: URI."""
    import cv2

    if fineness.scale < 1:
        by = fineness.scale
        smaller = cv2.resize(frame, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
        frame = np.asarray(smaller, np.uint8)
    quality = fineness.jpeg_quality
    bgr = np.ascontiguousarray(frame[..., ::-1])
    return _uri("image/jpeg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def heat_map(logits: NDArray[np.float32], most: float, width: int, height: int) -> str:
    """Logits of places as a transparent picture to lay over the frame.

    Args:
        logits: (gh, gw)
        most: Logit of the strongest colour.
        width: Of the frame, for its proportions.
        height: Of the frame.
    """
    import cv2

    scale = HEAT_LONG_SIDE / max(width, height)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    fine = cv2.resize(logits, size, interpolation=cv2.INTER_CUBIC)
    strength = np.clip(np.abs(fine) / most, 0, 1)
    colour = np.where((fine > 0)[..., None], TOWARDS_GENERATED, TOWARDS_CAMERA)
    rgba = np.dstack([colour, 190 * strength]).astype(np.uint8)
    bgra = np.ascontiguousarray(rgba[..., [2, 1, 0, 3]])
    return _uri("image/png", cv2.imencode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1])


def with_boxes(frame: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A copy of a frame with boxes: yellow on black, to be seen on any ground."""
    import cv2

    drawn = np.ascontiguousarray(frame).copy()
    height, width = drawn.shape[:2]
    thin = max(2, round(max(height, width) / 240))
    for x, y, w, h in boxes:
        corners = (
            (round(x * width), round(y * height)),
            (
                round((x + w) * width),
                round((y + h) * height),
            ),
        )
        cv2.rectangle(drawn, *corners, (0, 0, 0), thin + 2)
        cv2.rectangle(drawn, *corners, BOX_COLOUR, thin)
    return drawn


def loop(
    frames: Sequence[NDArray[np.uint8]], pts_seconds: NDArray[np.float64], fineness: Fineness
) -> str:
    """Frames as a small MP4 at their own times.

    Args:
        frames: (h, w, 3) RGB each, even sides.
        pts_seconds: (n,)
        fineness: How many bytes it may take.
    """
    import cv2

    height, width = frames[0].shape[:2]
    scale = min(1.0, LOOP_LONG_SIDE / max(height, width))
    size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    buffer = io.BytesIO()
    crf = fineness.loop_crf
    with H264Writer(buffer, width=size[0], height=size[1], crf=crf, preset="fast") as writer:
        for frame, t in zip(frames, pts_seconds - pts_seconds[0], strict=True):
            writer.write(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), float(t))
    return _uri("video/mp4", buffer.getvalue())


def _uri(kind: str, data: bytes | NDArray[np.uint8]) -> str:
    raw = data if isinstance(data, bytes) else data.tobytes()
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"
