"""Open a file inside the decoder process: limits, index, first frame, choice of decoder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from unreel.detector.config import Limits
from unreel.detector.decode import EXACT_IN_DECORD, DecordSource, PyavSource
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
    decord: DecordSource | None
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
    depth = bit_depth_of(stream)
    context = stream.codec_context
    threads = _threads(limits, context.width * context.height)
    pyav = PyavSource(path, container, stream.index, threads, limits.max_frame_pixels)
    pyav.index = index
    frame = pyav.first_frame()
    codec = context.codec.canonical_name
    decord, why_not = None, ""
    even = frame.width % 2 == 0 and frame.height % 2 == 0  # odd chroma is scaled differently
    exact = codec in EXACT_IN_DECORD.get(container, ()) and depth == 8 and even
    if use_decord and exact and len(opened.streams.video) == 1:
        try:
            decord = DecordSource(path, index, threads)
        except ValueError as error:
            why_not = str(error)
    sampler: DecordSource | PyavSource = decord or pyav
    turned = pyav.quarter_turns % 2 == 1
    height, width = pyav.size
    facts = {
        "codec": codec,
        "pixel_format": frame.format.name,
        "bit_depth": depth,
        "hdr": int(frame.color_trc) in HDR_TRANSFERS,
        "width": height if turned else width,
        "height": width if turned else height,
        "rotation_degrees": -90 * pyav.quarter_turns % 360,
        "time_base": [index.time_base.numerator, index.time_base.denominator],
        "last_duration": index.last_duration,
        "nominal_fps": float(stream.average_rate or 0),
        "has_audio": bool(opened.streams.audio),
        "decoders": {"pyav": pyav.version, "decord": decord.version if decord else ""},
        "decoder": sampler.name,
        "why_not_decord": why_not[:200],
        "warnings": [*warnings, *index.warnings],
    }
    opened.close()
    return Probe(pyav, decord, index, facts)


def _threads(limits: Limits, pixels: int) -> int:
    """As many as there are cores; fewer for huge frames, of which each thread holds several."""
    wanted = limits.threads or os.cpu_count() or 1
    fitting = max(1, limits.memory_bytes // (pixels * 24 + 1))
    return int(min(wanted, fitting, 16))
