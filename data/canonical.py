"""The conditions under which clips are compared: both classes pass through the same encoder.

Real clips are mostly 25-30 frames a second, generated ones 6-16; sizes, lengths and encoders
differ too, and a classifier happily reads those instead of the pictures. A condition re-encodes
every clip alike. `canonical` is the one that results are judged by; the others ask how a result
survives what platforms and people do to a clip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unreel.detector.encode import H264Writer
from unreel.detector.errors import MediaError, UsageError


@dataclass(frozen=True, slots=True)
class Pass:
    """One trip through an encoder, with what is done to the picture before it."""

    crf: int
    preset: str = "veryfast"
    short_side: int | None = None
    """Shrink to this; never enlarged."""
    long_side: int | None = None
    max_fps: float | None = None
    """By dropping frames only; slower clips keep their rate."""
    crop: float = 1.0
    """Centre crop to this share of each side."""
    rescale: float = 1.0
    gamma: float = 1.0
    blur_sigma: float = 0.0
    """Gaussian, pixels."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A named chain of encodes; an empty chain leaves the bitstream as found."""

    name: str
    passes: tuple[Pass, ...]
    max_seconds: float = 8.0


CONDITIONS: dict[str, Condition] = {
    c.name: c
    for c in (
        Condition("raw", ()),
        Condition("canonical", (Pass(crf=23, preset="medium", short_side=320, max_fps=12),)),
        Condition("native23", (Pass(crf=23),)),
        Condition("hard", (Pass(crf=30, short_side=256, max_fps=10),)),
        Condition("reshare", (Pass(crf=28, long_side=720), Pass(crf=28, long_side=480))),
        Condition("screen", (Pass(crf=26, crop=0.95, rescale=0.9, gamma=1.2, blur_sigma=0.8),)),
    )
}


def condition(name: str) -> Condition:
    """Look a condition up.

    Raises:
        UsageError: No such condition.
    """
    if name not in CONDITIONS:
        raise UsageError(f"unknown condition {name!r}, allowed are {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def encode_condition(source: Path, target: Path, wanted: Condition) -> Path:
    """Write a clip in a condition's form.

    The target appears whole or not at all. Decoding happens in this process: meant for corpora
    that somebody chose, not for files of unknown origin.

    Returns:
        `target`, or `source` itself for `raw`.

    Raises:
        MediaError: No frame of the source could be decoded.
    """
    if not wanted.passes:
        return source
    current = source
    for number, step in enumerate(wanted.passes):
        partial = target.with_name(f"{target.stem}.{number}.partial.mp4")
        _encode_pass(current, partial, step, wanted.max_seconds)
        if current != source:
            current.unlink()
        current = partial
    os.replace(current, target)
    return target


def _encode_pass(source: Path, target: Path, step: Pass, max_seconds: float) -> None:
    writer: H264Writer | None = None
    try:
        for frame, seconds in decoded(source, step.max_fps, max_seconds):
            picture = _transform(frame, step)
            if writer is None:
                height, width = _size(picture)
                writer = H264Writer(
                    str(target), width=width, height=height, crf=step.crf, preset=step.preset
                )
                first = (height, width)
            if _size(picture) == first:  # a stream that changes size half-way is cut there
                writer.write(picture, seconds)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise MediaError("unreadable", f"no frame of {source} could be decoded")


def decoded(path: Path, max_fps: float | None, max_seconds: float) -> Iterator[tuple[Any, float]]:
    """(av.VideoFrame, seconds from the first frame), thinned to `max_fps`."""
    start: float | None = None
    slot = -1
    for number, frame in enumerate(_frames(path)):
        seconds = frame.time if frame.time is not None else number / 25
        start = seconds if start is None else start
        seconds -= start
        if seconds >= max_seconds:
            return
        # One frame for each 1/max_fps slot; the epsilon keeps 12 fps clips whole.
        due = int(seconds * max_fps + 1e-3) if max_fps else slot + 1
        if due > slot:
            slot = due
            yield frame, seconds


def _frames(path: Path) -> Iterator[Any]:
    """All frames that can be decoded, in order of presentation; damaged packets are passed over."""
    import av

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    continue
    except (av.error.FFmpegError, IndexError):
        return  # a damaged tail: what came before it counts


def _transform(frame: Any, step: Pass) -> Any:
    """Picture operations of one pass; stays in YUV where nothing but the size changes."""
    turn = int(frame.rotation or 0)
    plain = step.crop == 1 and step.gamma == 1 and not step.blur_sigma and not turn
    if not plain:
        frame = _photographed(frame.to_ndarray(format="rgb24"), step, turn)
    height, width = _size(frame)
    new_height, new_width = _target_size(height, width, step)
    if isinstance(frame, np.ndarray):
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return frame.reformat(
        width=new_width, height=new_height, format="yuv420p", interpolation="BICUBIC"
    )


def _photographed(rgb: Any, step: Pass, turn: int) -> Any:
    """Turned upright, cropped, darkened and blurred (H, W, 3) RGB."""
    import cv2

    rgb = np.rot90(rgb, k=round(turn / 90))
    height, width = rgb.shape[:2]
    top, left = round(height * (1 - step.crop) / 2), round(width * (1 - step.crop) / 2)
    rgb = rgb[top : height - top, left : width - left]
    if step.gamma != 1:
        table = (255 * (np.arange(256) / 255) ** step.gamma + 0.5).astype(np.uint8)
        rgb = table[rgb]
    if step.blur_sigma:
        rgb = cv2.GaussianBlur(np.ascontiguousarray(rgb), (0, 0), step.blur_sigma)
    return rgb


def _size(picture: Any) -> tuple[int, int]:
    if isinstance(picture, np.ndarray):
        return picture.shape[0], picture.shape[1]
    return picture.height, picture.width


def _target_size(height: int, width: int, step: Pass) -> tuple[int, int]:
    scale = step.rescale
    if step.short_side:
        scale = min(scale, step.short_side / min(height, width))
    if step.long_side:
        scale = min(scale, step.long_side / max(height, width))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)
