"""Open a file inside the decoder process: limits, index, first frame, choice of decoder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from unreel.detector.config import Limits
from unreel.detector.decode import (
    DECORD_MAX_BYTES,
    DECORD_MAX_PIXELS,
    EXACT_IN_DECORD,
    DecordSource,
    PyavSource,
)
from unreel.detector.demux import (
    HDR_TRANSFERS,
    FrameIndex,
    bit_depth_of,
    check_promises,
    index_frames,
    open_container,
    pick_stream,
)


@dataclass(frozen=True, slots=True)
class Probe:
    """An opened file."""

    pyav: PyavSource
    open_decord: Callable[[], DecordSource] | None
    """Raises ValueError where decord counts or times the frames differently; None = it must not
    read this file."""
    index: FrameIndex
    facts: dict[str, Any]
    """What the parent needs for a Media record; JSON types only."""


def probe(path: str, container: str, limits: Limits, size_bytes: int, use_decord: bool) -> Probe:
    """Open, check, index, decode one frame.

    Args:
        path: Of the file.
        container: A key of sniff.LIBAV_FORMATS.
        limits: What is refused.
        size_bytes: Of the file.
        use_decord: False after decord has crashed on this file.

    Raises:
        MediaError: With the code that tells why not.
    """
    opened = open_container(path, container)
    stream, warnings = pick_stream(opened, limits)
    check_promises(opened, stream, size_bytes, limits)
    index = index_frames(opened, stream, size_bytes, limits)
    context = stream.codec_context
    threads = _threads(limits, context.width * context.height)
    pyav = PyavSource(path, container, stream.index, threads, limits.max_frame_pixels)
    pyav.index = index
    frame = pyav.first_frame()
    facts = {
        **_facts_of_stream(stream),
        **_facts_of_picture(pyav, frame),
        "time_base": [index.time_base.numerator, index.time_base.denominator],
        "last_duration": index.last_duration,
        "has_audio": bool(opened.streams.audio),
        "warnings": [*warnings, *index.warnings],
    }
    fits = len(opened.streams.video) == 1 and _fits_decord(facts, container, size_bytes)
    open_decord = partial(DecordSource, path, index, threads) if fits and use_decord else None
    facts["may_use_decord"] = open_decord is not None
    facts["pyav_version"] = pyav.version
    opened.close()
    return Probe(pyav, open_decord, index, facts)


def _facts_of_stream(stream: Any) -> dict[str, Any]:
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "bit_depth": bit_depth_of(stream),
        "nominal_fps": float(stream.average_rate or 0),
    }


def _facts_of_picture(pyav: PyavSource, frame: Any) -> dict[str, Any]:
    height, width = pyav.size
    if pyav.quarter_turns % 2 == 1:
        height, width = width, height
    return {
        "pixel_format": frame.format.name,
        "hdr": int(frame.color_trc) in HDR_TRANSFERS,
        "width": width,
        "height": height,
        "rotation_degrees": -90 * pyav.quarter_turns % 360,
    }


def _fits_decord(facts: dict[str, Any], container: str, size_bytes: int) -> bool:
    """Whether decord is exact for such a file, and no more costly than PyAV."""
    width, height = facts["width"], facts["height"]
    return bool(
        facts["codec"] in EXACT_IN_DECORD.get(container, ())
        and facts["bit_depth"] == 8
        and facts["rotation_degrees"] == 0  # it turns into a buffer of another size, and gives up,
        and width >= 160  # as it does with rows that libav makes longer
        and width % 2 == 0 == height % 2  # odd chroma is scaled differently
        and width * height <= DECORD_MAX_PIXELS
        and size_bytes <= DECORD_MAX_BYTES
    )


def _threads(limits: Limits, pixels: int) -> int:
    """As many as there are cores; fewer for huge frames, of which each thread holds several."""
    wanted = limits.threads or os.cpu_count() or 1
    fitting = max(1, limits.memory_bytes // (pixels * 24 + 1))
    return int(min(wanted, fitting, 16))
