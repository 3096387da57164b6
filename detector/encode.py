"""Writing H.264, for the re-encode check of a scan and the canonical forms of a corpus.

PyAV brings libx264 in its wheel, so that nothing has to be installed beside Python packages.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLAG_FRAME_DURATION = 1 << 8
"""FFmpeg's AV_CODEC_FLAG_FRAME_DURATION: durations of frames are true, the container gets them."""
TIME_BASE = Fraction(1, 90_000)
"""Fine enough to keep the time stamps of any frame rate in use."""
_AVX_512 = 13
"""OpenCV's cv::CPU_AVX_512F, which its Python module does not name."""


def steady_x264() -> dict[str, str]:
    """Options with which libx264 writes the same bytes whenever it gets the same frames.

    Its AVX-512 code reads memory that nobody has written: with MALLOC_PERTURB_ at 1 and at 85 it
    wrote other bytes for eight of fourteen small clips, for none of them without AVX-512, and was
    no slower. AVX2 is named only where the processor has it: x264 takes it as true.
    """
    import cv2

    return {"x264-params": "asm=avx2"} if cv2.checkHardwareSupport(_AVX_512) else {}


class H264Writer(AbstractContextManager["H264Writer"]):
    """Write frames with their own time stamps as yuv420p H.264 in MP4, without audio.

    Args:
        target: A path or a binary file object.
        width: Pixels, even.
        height: Pixels, even.
        crf: x264's constant rate factor, 0..51; higher = smaller and worse.
        preset: x264's speed preset; it changes the traces left, so it is part of a condition.
        threads: 0 = as many as there are cores. The bitstream depends on it, so conditions fix it.
        durations: `write` is told how long each frame is shown.
    """

    def __init__(
        self,
        target: str | io.BytesIO,
        *,
        width: int,
        height: int,
        crf: int,
        preset: str = "medium",
        threads: int = 1,
        durations: bool = False,
    ) -> None:
        if width % 2 or height % 2 or width < 2 or height < 2:
            raise ValueError(f"yuv420p needs even sides of at least 2, got {width} x {height}")
        import av

        self._container: Any = av.open(target, "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=30)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = TIME_BASE
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.codec_context.thread_count = threads
        if durations:
            self._stream.codec_context.flags |= _FLAG_FRAME_DURATION
        self._stream.options = {"crf": str(crf), "preset": preset, **steady_x264()}
        self._last_pts = -1

    def write(self, frame: Any, pts_seconds: float, duration_seconds: float = 0.0) -> None:
        """Append one frame.

        Args:
            frame: (H, W, 3) uint8 RGB, or an av.VideoFrame already of the right size.
            pts_seconds: Its presentation time; later than the frame before.
            duration_seconds: How long it is shown; needs `durations`, counts for the last.
        """
        import av

        if isinstance(frame, np.ndarray):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        # Two source frames may share a time stamp after rounding; the container allows no tie.
        self._last_pts = max(round(pts_seconds / TIME_BASE), self._last_pts + 1)
        frame.pts, frame.time_base = self._last_pts, TIME_BASE
        if duration_seconds > 0:
            frame.duration = round(duration_seconds / TIME_BASE)
        frame.pict_type = 0  # the encoder chooses; a decoded frame still carries its old type
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Flush the encoder and write the index."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._container.close()


def reencode(
    frames: NDArray[np.uint8], pts_seconds: Iterable[float], *, crf: int
) -> NDArray[np.uint8]:
    """Frames after one H.264 round trip in memory.

    Args:
        frames: (T, H, W, 3) uint8 RGB, even sides.
        pts_seconds: (T,) presentation times, ascending.
        crf: x264's constant rate factor.

    Returns:
        (T, H, W, 3) uint8, the same frames as another encoder would hand them on.
    """
    import av

    buffer = io.BytesIO()
    height, width = frames.shape[1:3]
    with H264Writer(buffer, width=width, height=height, crf=crf) as writer:
        for frame, seconds in zip(frames, pts_seconds, strict=True):
            writer.write(frame, seconds)
    buffer.seek(0)
    container: Any = av.open(buffer, format="mp4")  # our own bytes of a moment ago
    with container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
