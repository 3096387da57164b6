"""Write small videos with PyAV, so that tests need no system package.

Every frame carries its own number: eight blocks along the top edge, white = 1, most significant
bit at the left, in Gray code (neighbours differ in one block only: no cut). A test reads the
number back from the pixels and so knows which frame it holds, whatever decoder gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from unreel.data.codecs import ordinary_priority

BITS = 8
RED_CORNER = (220, 30, 30)
"""Colour of the bottom-right corner: tells which way up a picture is."""


@dataclass(frozen=True)
class Recipe:
    """How a test video is written."""

    codec: str = "libx264"
    suffix: str = ".mp4"
    pix_fmt: str = "yuv420p"
    width: int = 160
    height: int = 96
    frames: int = 48
    fps: int = 24
    gop: int = 12
    format: str | None = None
    """Muxer, where the suffix does not tell."""
    options: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)
    times_ms: tuple[int, ...] | None = None
    """Presentation times for variable frame rate."""
    rotation: int = 0
    """Counter-clockwise degrees written into the display matrix."""
    transfer: int | None = None
    """H.273 code, 16 = PQ."""
    audio: bool = False


def numbered_frames(count: int, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) with a number on top, a moving square and a red corner."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (max(2, height // 16), max(2, width // 16), 3), np.uint8)
    rows = np.arange(height) * len(coarse) // height
    columns = np.arange(width) * coarse.shape[1] // width
    ground = coarse[rows][:, columns]
    frames = np.repeat(ground[None], count, axis=0)
    block, top, side = width // BITS, height // 4, height // 4
    for number, frame in enumerate(frames):
        for bit in range(BITS):
            on = (number ^ number >> 1) >> (BITS - 1 - bit) & 1
            frame[:top, bit * block : (bit + 1) * block] = 235 if on else 16
        left = (number * 3) % max(1, width - 2 * side)
        frame[height // 2 : height // 2 + side, left : left + side] = 240
        frame[-side:, -side:] = RED_CORNER
    return frames


def number_of(frame: NDArray[np.uint8]) -> int:
    """Read the number back from an upright picture."""
    height, width = frame.shape[:2]
    block, top = width // BITS, height // 4
    number = last = 0
    for bit in range(BITS):
        patch = frame[
            top // 4 : top - top // 4, bit * block + block // 4 : (bit + 1) * block - block // 4
        ]
        last ^= int(patch.mean() > 128)
        number = number << 1 | last
    return number


def is_upright(frame: NDArray[np.uint8]) -> bool:
    """The red corner is at the bottom right."""
    side = frame.shape[0] // 8
    patch = frame[-side:, -side:].reshape(-1, 3).mean(axis=0)
    return bool(patch[0] > 150 and patch[1] < 100 and patch[2] < 100)


def write_video(
    folder: Path, recipe: Recipe = Recipe(), name: str = "clip", frames: Any = None
) -> Path:
    """Encode numbered frames (or those given, (T, H, W, 3) RGB) as a recipe says."""
    path = folder / f"{name}{recipe.suffix}"
    if frames is None:
        frames = numbered_frames(recipe.frames, recipe.width, recipe.height)
    with (
        ordinary_priority(),
        av.open(
            str(path), "w", format=recipe.format, container_options=recipe.muxer_options
        ) as out,
    ):
        sound = out.add_stream("aac", rate=48000) if recipe.audio else None
        stream = _video_stream(out, recipe, frames.shape[2], frames.shape[1])
        for packet in _encoded(stream, frames, recipe):
            out.mux(packet)
        if sound is not None:
            _write_silence(out, sound, len(frames) / recipe.fps)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound only."""
    with av.open(str(path), "w") as out:
        _write_silence(out, out.add_stream("aac", rate=48000), seconds)
    return path


def decode_plainly(path: Path) -> tuple[NDArray[np.uint8], list[float]]:
    """All frames (T, H, W, 3) as displayed and their seconds from the first, by PyAV alone."""
    frames, times = [], []
    with av.open(str(path)) as opened:
        for frame in opened.decode(video=0):
            turns = round(frame.rotation / 90) % 4
            frames.append(np.rot90(frame.to_ndarray(format="rgb24"), turns))
            times.append(frame.time)
    times.sort()  # AVI has no display times, only as many slots as there are frames
    return np.stack(frames), [t - times[0] for t in times]


def _video_stream(out: Any, recipe: Recipe, width: int, height: int) -> Any:
    stream = out.add_stream(recipe.codec, rate=recipe.fps, options=dict(recipe.options))
    stream.width, stream.height, stream.pix_fmt = width, height, recipe.pix_fmt
    context = stream.codec_context
    context.gop_size = recipe.gop
    context.thread_count = 1
    if recipe.times_ms is not None:
        context.time_base = Fraction(1, 1000)
        stream.time_base = Fraction(1, 1000)
    if recipe.transfer is not None:
        context.color_trc = recipe.transfer
        context.colorspace = context.color_primaries = 9
    if recipe.rotation:
        stream.set_display_rotation(recipe.rotation)
    return stream


def _encoded(stream: Any, frames: Sequence[NDArray[np.uint8]], recipe: Recipe) -> Any:
    for number, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format=recipe.pix_fmt)
        if recipe.times_ms is not None:
            frame.pts, frame.time_base = recipe.times_ms[number], Fraction(1, 1000)
        else:
            frame.pts, frame.time_base = number, Fraction(1, recipe.fps)
        yield from stream.encode(frame)
    yield from stream.encode()


def _write_silence(out: Any, stream: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 48000), 1024):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for packet in stream.encode(frame):
            out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)
