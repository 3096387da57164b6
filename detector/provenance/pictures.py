"""GIF, JPEG and PNG: comments, EXIF, IPTC, XMP, the chunks in which image tools keep prompts."""

from __future__ import annotations

import zlib

from unreel.detector.provenance.bounded import MAX_TEXT, BudgetSpentError, FileBytes, text_of
from unreel.detector.provenance.boxes import BoxWalker, Part, TooManyBoxesError
from unreel.detector.provenance.exif import read_exif, read_iim
from unreel.detector.provenance.findings import Findings
from unreel.detector.provenance.mp4_tracks import group_frames
from unreel.detector.provenance.records import ContainerFacts, Track
from unreel.detector.provenance.xmp import MAX_PACKET

_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_PARTS = 3000


def read_picture(source: FileBytes, format: str) -> ContainerFacts:
    """What a GIF, JPEG or PNG says.

    Args:
        source: The file.
        format: gif, jpeg or png.
    """
    found = Findings(BoxWalker(source))
    tracks: tuple[Track, ...] = ()
    try:
        if format == "gif":
            tracks = (_gif(source, found),)
        elif format == "jpeg":
            _jpeg(source, found)
        else:
            _png(source, found)
    except (BudgetSpentError, TooManyBoxesError):
        found.notes.append("larger than is looked at: the rest of the file is not in this")
    except (ValueError, IndexError) as error:
        found.notes.append(f"it cannot be read to its end: {text_of(str(error), 100)}")
    return found.facts(format, tracks)


def _part(found: Findings, kind: str, start: int, size: int, room: int) -> Part:
    claimed = size if size > room else None
    part = Part(kind, kind, start, start, start + min(size, room), claimed)
    found.at_top(part)
    return part


def _jpeg(source: FileBytes, found: Findings) -> None:
    place = 2
    for _ in range(_MAX_PARTS):
        head = source.read(place, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            return
        size = int.from_bytes(head[2:4], "big")
        if size < 2:
            raise ValueError("a segment is shorter than its own length")
        name = f"APP{head[1] - 0xE0}" if 0xE0 <= head[1] <= 0xEF else f"{head[1]:02x}"
        _part(found, "COM" if head[1] == 0xFE else name, place, 2 + size, source.size - place)
        _segment(head[1], source.read(place + 4, size - 2), found, place)
        place += 2 + size


def _segment(marker: int, body: bytes, found: Findings, place: int) -> None:
    if marker == 0xFE:
        found.tag("COM", "comment", body)
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        for name, value in read_exif(body):
            found.tag("APP1/EXIF", name, value)
    elif marker == 0xE1 and body.startswith(_XMP_MARK):
        found.xmp("APP1", body[len(_XMP_MARK) :])
    elif marker == 0xED:
        for name, value in read_iim(body):
            found.tag("APP13/IPTC", name, value)
    elif marker == 0xEB and b"jumb" in body[:32] and found.c2pa_offset is None:
        found.c2pa_offset = place


def _png(source: FileBytes, found: Findings) -> None:
    place = 8
    for _ in range(_MAX_PARTS):
        head = source.read(place, 8)
        if len(head) < 8:
            return
        size, kind = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1")
        _part(found, kind, place, 12 + size, source.size - place)
        if kind in ("tEXt", "iTXt", "zTXt", "eXIf"):
            _text_chunk(kind, source.read(place + 8, min(size, 1 << 18)), found)
        elif kind == "caBX" and found.c2pa_offset is None:
            found.c2pa_offset = place
        place += 12 + size


def _text_chunk(kind: str, body: bytes, found: Findings) -> None:
    if kind == "eXIf":
        for name, value in read_exif(body):
            found.tag("eXIf", name, value)
        return
    key, _, rest = body.partition(b"\0")
    name = text_of(key, 80, "latin-1")
    if kind == "tEXt":
        found.tag(kind, name, rest, "latin-1")
        return
    packed = rest[:1] != b"\0" if kind == "iTXt" else True
    # Compression flag and method, language, translated keyword; in zTXt the method alone.
    rest = rest[2:].split(b"\0", 2)[-1] if kind == "iTXt" else rest[1:]
    text = _inflated(rest) if packed else rest
    if name == "XML:com.adobe.xmp":
        found.xmp(kind, text)
    else:
        found.tag(kind, name, text)


def _inflated(data: bytes) -> bytes:
    """The beginning of a compressed text: a few kilobytes can promise gigabytes."""
    try:
        return zlib.decompressobj().decompress(data, MAX_PACKET)
    except zlib.error:
        return b""


def _gif(source: FileBytes, found: Findings) -> Track:
    head = source.whole(0, 13)
    width = int.from_bytes(head[6:8], "little")
    height = int.from_bytes(head[8:10], "little")
    place = 13 + _colours(head[10])
    frames, delays = 0, set()
    for _ in range(_MAX_PARTS):
        mark = source.read(place, 2)
        if mark[:1] == b"\x2c":
            frames += 1
            place += 10 + _colours(source.whole(place, 10)[9]) + 1
            place, _ = _sub_blocks(source, place, 0)
            continue
        if mark[:1] != b"\x21":
            break
        place, body = _sub_blocks(source, place + 2, 8 * MAX_TEXT if mark[1] != 0xF9 else 8)
        if mark[1] == 0xF9 and len(body) >= 4:
            delays.add(int.from_bytes(body[1:3], "little"))
        elif mark[1] == 0xFE:
            found.tag("comment", "comment", body)
        elif mark[1] == 0xFF:
            _application(body, found, place)
    # A GIF counts hundredths of a second, and viewers show 0 and 1 as 10.
    delay = next(iter(delays)) if len(delays) == 1 else 0
    return Track(
        kind="video",
        codec="gif",
        width=width,
        height=height,
        fps=100 / delay if delay else None,
        constant_rate=len(delays) <= 1,
        groups=group_frames(frames, None, reordered=False) if frames else None,
    )


def _application(body: bytes, found: Findings, place: int) -> None:
    name = text_of(body[:11], 11, "latin-1")
    if body.startswith(b"C2PA_GIF") and found.c2pa_offset is None:
        found.c2pa_offset = place
    elif body.startswith(b"XMP DataXMP"):
        found.xmp("application", body[11:])
    found.vendor_boxes.append(f"application/{name}")


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks(source: FileBytes, place: int, keep: int) -> tuple[int, bytes]:
    """Skip a chain of sub-blocks; returns where it ends and up to `keep` bytes of it."""
    kept = b""
    while True:
        size = source.whole(place, 1)[0]
        if size == 0:
            return place + 1, kept
        if len(kept) < keep:
            # XMP in a GIF is not cut into sub-blocks: their lengths are part of the text.
            whole = kept.startswith(b"XMP DataXMP")
            kept += source.read(place + (0 if whole else 1), size + (1 if whole else 0))
        place += 1 + size
