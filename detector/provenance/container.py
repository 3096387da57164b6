"""From an open file to what its container says: one reader for each kind of container."""

from __future__ import annotations

from unreel.detector.provenance.bounded import FileBytes
from unreel.detector.provenance.matroska import MatroskaReader
from unreel.detector.provenance.mp4 import Mp4Reader
from unreel.detector.provenance.pictures import read_picture
from unreel.detector.provenance.records import ContainerFacts
from unreel.detector.provenance.riff import RiffReader
from unreel.detector.provenance.streams import read_stream
from unreel.detector.sniff import container_of


def format_of(head: bytes) -> str | None:
    """The format that these first bytes begin: a video container, JPEG, PNG or WebP; else None."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return container_of(head)


def read_container(descriptor: int) -> ContainerFacts | None:
    """What the container of an open file says; None for what is no container that is known.

    Pure Python with a budget: no decoder is started, nothing is decoded.
    """
    source = FileBytes(descriptor)
    format = format_of(source.read(0, 4096))
    match format:
        case None:
            return None
        case "mp4":
            return Mp4Reader(source).facts()
        case "matroska":
            return MatroskaReader(source).facts()
        case "avi" | "webp":
            return RiffReader(source, format).facts()
        case "gif" | "jpeg" | "png":
            return read_picture(source, format)
        case _:
            return read_stream(source, format)
