"""The encoders that make training clips: H.264, H.265, AV1, VP9 and lossless, through PyAV."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.encode import steady_x264

LOSSLESS = "lossless"
MASK = "mask"
"""Grey and lossless: every value comes back as it was."""
_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Codec:
    """How PyAV is asked for a codec."""

    encoder: str
    suffix: str
    pixel_format: str
    crf_scale: float
    """Its crf for one of x264's: AV1 and VP9 count to 63 where x264 counts to 51."""
    options: tuple[tuple[str, str], ...]


# One thread each: what an encoder writes depends on how many it has.
CODECS = {
    "h264": Codec("libx264", ".mp4", "yuv420p", 1.0, (("preset", "medium"),)),
    "h265": Codec(
        "libx265", ".mp4", "yuv420p", 1.0,
        (("preset", "fast"), ("x265-params", "log-level=none:pools=none:frame-threads=1")),
    ),
    "av1": Codec(
        "libsvtav1", ".mp4", "yuv420p", 63 / 51, (("preset", "9"), ("svtav1-params", "lp=1")),
    ),
    "vp9": Codec(
        "libvpx-vp9", ".webm", "yuv420p", 63 / 51,
        (("b", "0"), ("deadline", "good"), ("cpu-used", "5"), ("row-mt", "0")),
    ),
    LOSSLESS: Codec("ffv1", ".mkv", "bgr0", 0.0, (("level", "3"),)),
    MASK: Codec("ffv1", ".mkv", "gray", 0.0, (("level", "3"),)),
}  # fmt: skip
PICTURE_CODECS = tuple(name for name in CODECS if name != MASK)


def write_video(
    pictures: Iterable[tuple[NDArray[np.uint8], float]],
    path: Path,
    codec: str,
    crf: int | None = None,
) -> int:
    """Write pictures as a video of one stream.

    Args:
        pictures: (H, W, 3) RGB, or (H, W) for masks, of even sides, each with its time in seconds.
        path: With the codec's suffix.
        codec: One of CODECS.
        crf: On x264's scale, whatever the codec; None = its default, or lossless.

    Returns:
        How many there were; with none the file is no video.
    """
    import av

    os.environ.setdefault("SVT_LOG", "1")  # errors only: it writes to stderr itself
    count, last = 0, -1
    # bitexact: Matroska otherwise gets a random number, and equal runs would give unequal files.
    options = {"fflags": "bitexact"}
    with ordinary_priority(), av.open(str(path), "w", options=options) as container:
        stream: Any = None
        for picture, seconds in pictures:
            if stream is None:
                stream = _stream(container, CODECS[codec], crf, picture.shape[:2])
            source = "gray" if picture.ndim == 2 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=source)
            last = max(round(seconds / _TIME_BASE), last + 1)
            frame.pts, frame.time_base = last, _TIME_BASE
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Gives the calling thread back the scheduling that it had.

    Where SVT-AV1 runs as root, it makes the thread that opens it a real-time one (SCHED_FIFO, 99).
    All that this thread starts later is one too, and a browser of such threads, each waiting for
    another in a loop, keeps every other process from its cores.
    """
    if not hasattr(os, "sched_getscheduler"):  # macOS, Windows: it does no such thing there
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)


def _stream(container: Any, how: Codec, crf: int | None, sides: tuple[int, ...]) -> Any:
    stream = container.add_stream(how.encoder, rate=30)
    stream.height, stream.width = sides
    stream.pix_fmt = how.pixel_format
    stream.time_base = stream.codec_context.time_base = _TIME_BASE
    stream.codec_context.thread_count = 1
    options = dict(how.options)
    if crf is not None:
        options["crf"] = str(round(crf * how.crf_scale))
    if how.encoder == "libx264":
        options |= steady_x264()
    stream.options = options
    return stream
