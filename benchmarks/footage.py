"""The videos that the speed table is measured on: made once, kept in a folder, nobody's property.

A camera that pans over a textured wall while a block crosses the picture. Texture and motion make
the decoder work as camera footage does; a cut in the middle gives the shot pass something to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 30


def pan(width: int, height: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Frames (H, W, 3) RGB of the pan; the wall changes half-way."""
    rng = np.random.default_rng(0)
    walls = [_wall(rng, width + 256, height + 64) for _ in range(2)]
    block = rng.integers(0, 255, (height // 6, height // 6, 3), dtype=np.uint8)
    for index in range(frames):
        wall = walls[index * 2 // frames]
        left = round(128 + 127 * np.sin(index / 40))
        top = round(32 + 31 * np.sin(index / 23))
        picture = wall[top : top + height, left : left + width].copy()
        x = 4 * index % (width - block.shape[1])
        picture[height // 2 : height // 2 + block.shape[0], x : x + block.shape[1]] = block
        yield picture


def _wall(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Large patches of colour under a fine grain: (H, W, 3)."""
    wall = np.zeros((height, width, 3), np.float32)
    for cell, share in ((160, 0.7), (6, 0.3)):
        noise = rng.random((height // cell + 2, width // cell + 2, 3), dtype=np.float32)
        wall += 255 * share * cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return wall.clip(0, 255).astype(np.uint8)


def clip(path: Path, *, width: int, height: int, seconds: int, **options: str) -> Path:
    """A video of the pan, H.264; made only if it is not there yet.

    Args:
        path: Where it belongs.
        width: Pixels.
        height: Pixels.
        seconds: Its length.
        **options: For x264, e.g. crf="30", preset="ultrafast".
    """
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as target:
        stream = target.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pan(width, height, seconds * FPS):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode())
    return part.rename(path)


def repeated(path: Path, source: Path, times: int) -> Path:
    """The source again and again in one file, its packets copied: two hours in seconds."""
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as target, av.open(str(source)) as first:
        stream = target.add_stream_from_template(first.streams.video[0])
        length = Fraction(first.streams.video[0].duration) * first.streams.video[0].time_base
        for turn in range(times):
            with av.open(str(source)) as again:
                for packet in again.demux(video=0):
                    if packet.dts is None:
                        continue
                    shift = int(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    target.mux(packet)
    return part.rename(path)
