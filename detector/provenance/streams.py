"""FLV, Ogg, ASF and MPEG streams: the little that these say of where they are from."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from unreel.detector.provenance.bounded import BudgetSpentError, FileBytes, text_of
from unreel.detector.provenance.boxes import BoxWalker, TooManyBoxesError
from unreel.detector.provenance.findings import Findings
from unreel.detector.provenance.records import ContainerFacts, Track
from unreel.detector.provenance.x264 import encoder_settings

_HEAD = 1 << 16
_ASF_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ASF_CONTENT = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c")
_ASF_EXTENDED = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def read_stream(source: FileBytes, format: str) -> ContainerFacts:
    """What such a file says.

    Args:
        source: The file.
        format: flv, ogg, asf, mpegts or mpeg.
    """
    found = Findings(BoxWalker(source))
    head = source.read(0, _HEAD)
    tracks: tuple[Track, ...] = ()
    try:
        if format == "flv":
            tracks = _flv(head, found)
        elif format == "ogg":
            _ogg(head, found)
        elif format == "asf":
            _asf(head, found)
        for tag in encoder_settings(head):
            found.tags.append(tag)
    except (ValueError, IndexError, struct.error, OverflowError) as error:
        found.notes.append(f"its header cannot be read: {text_of(str(error), 100)}")
    except (BudgetSpentError, TooManyBoxesError):
        found.notes.append("larger than is looked at: the rest of the file is not in this")
    if format in ("mpegts", "mpeg"):
        found.notes.append("this container has no place for tags: only the stream was looked at")
    return found.facts(format, tracks)


def _flv(head: bytes, found: Findings) -> tuple[Track, ...]:
    """Strings and numbers of onMetaData (AMF 0)."""
    start = head.find(b"\x02\x00\x0aonMetaData")
    if start < 0:
        return ()
    place, numbers = start + 13, {}
    if head[place] == 8:
        place += 5
    elif head[place] == 3:
        place += 1
    else:
        return ()
    for _ in range(100):
        (length,) = struct.unpack_from(">H", head, place)
        name = text_of(head[place + 2 : place + 2 + length], 60)
        place += 2 + length
        kind = head[place]
        if kind == 0:
            (numbers[name],) = struct.unpack_from(">d", head, place + 1)
            place += 9
        elif kind == 1:
            place += 2
        elif kind == 2:
            (size,) = struct.unpack_from(">H", head, place + 1)
            found.tag("onMetaData", name, head[place + 3 : place + 3 + size])
            place += 3 + size
        else:
            break  # lists of key frames: everything of interest stands before them
    fps = numbers.get("framerate")
    width, height = (numbers.get(side, 0.0) for side in ("width", "height"))
    if not (0 < width < 1e5 and 0 < height < 1e5):
        return ()
    rate = fps if fps and 0 < fps < 1e4 else None
    return (Track("video", "flv", width=int(width), height=int(height), fps=rate),)


def _ogg(head: bytes, found: Findings) -> None:
    """Comment headers of Theora, Vorbis and Opus streams."""
    for mark in (b"\x81theora", b"\x03vorbis", b"OpusTags"):
        start = head.find(mark)
        if start < 0:
            continue
        place = start + len(mark)
        where = text_of(mark[-6:].lstrip(b"\x81\x03"), 10)
        (size,) = struct.unpack_from("<I", head, place)
        found.tag(where, "vendor", head[place + 4 : place + 4 + min(size, 1000)])
        place += 4 + size
        (count,) = struct.unpack_from("<I", head, place)
        place += 4
        for _ in range(min(count, 50)):
            (size,) = struct.unpack_from("<I", head, place)
            name, _, value = head[place + 4 : place + 4 + size].partition(b"=")
            found.tag(where, text_of(name, 60).lower(), value)
            place += 4 + size


def _asf(head: bytes, found: Findings) -> None:
    """Content descriptions and dates in the ASF header object."""
    (count,) = struct.unpack_from("<I", head, 24)
    place = 30
    for _ in range(min(count, 60)):
        kind = head[place : place + 16]
        (size,) = struct.unpack_from("<Q", head, place + 16)
        body = head[place + 24 : place + min(size, len(head))]
        if kind == _ASF_FILE:
            (ticks,) = struct.unpack_from("<Q", body, 24)
            if ticks:
                made = _ASF_EPOCH + timedelta(microseconds=ticks // 10)
                found.created = made.isoformat().replace("+00:00", "Z")
        elif kind == _ASF_CONTENT:
            _asf_content(body, found)
        elif kind == _ASF_EXTENDED:
            _asf_extended(body, found)
        if size < 24:
            raise ValueError("an object is shorter than its own header")
        place += size
        if place >= len(head):
            return


def _asf_content(body: bytes, found: Findings) -> None:
    sizes = struct.unpack_from("<5H", body)
    place = 10
    names = ("title", "author", "copyright", "description", "rating")
    for name, size in zip(names, sizes, strict=True):
        found.tag("content", name, body[place : place + size], "utf-16-le")
        place += size


def _asf_extended(body: bytes, found: Findings) -> None:
    (count,) = struct.unpack_from("<H", body)
    place = 2
    for _ in range(min(count, 60)):
        (size,) = struct.unpack_from("<H", body, place)
        name = text_of(body[place + 2 : place + 2 + size], 60, "utf-16-le").lower()
        kind, length = struct.unpack_from("<HH", body, place + 2 + size)
        place += 6 + size
        if kind == 0:
            found.tag("extended content", name, body[place : place + length], "utf-16-le")
        place += length
