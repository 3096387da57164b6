"""Containers made by hand and by PyAV, for what the provenance lane reads of them."""

from __future__ import annotations

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
from make_media import numbered_frames

from unreel.detector.provenance.container import read_container
from unreel.detector.provenance.records import ContainerFacts


def facts_of(path: Path) -> ContainerFacts:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = read_container(descriptor)
    finally:
        os.close(descriptor)
    assert found is not None
    return found


def tagged(folder: Path, suffix: str, codec: str = "libx264", **metadata: str) -> Path:
    """A short clip with metadata, as PyAV's muxers write it."""
    path = folder / f"tagged{suffix}"
    with av.open(str(path), "w") as out:
        out.metadata.update(metadata)
        stream = out.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in enumerate(numbered_frames(6, 64, 48)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def box(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if size is None else size, kind) + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
