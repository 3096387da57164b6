"""EXIF (camera, software, comment) and IPTC IIM (credit, program): fields that name a source.

EXIF: CIPA DC-008; IIM: IPTC Information Interchange Model 4.2.
"""

from __future__ import annotations

import struct

from unreel.detector.provenance.bounded import text_of

_IFD0 = {
    0x010E: "description", 0x010F: "make", 0x0110: "model", 0x0131: "software",
    0x0132: "date", 0x013B: "artist", 0x8298: "copyright",
}  # fmt: skip
_EXIF = {0x9003: "date taken", 0x9286: "user comment", 0xA434: "lens", 0xA420: "image id"}
_EXIF_POINTER = 0x8769
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_MAX_ENTRIES = 200

_IIM = {
    5: "title", 25: "keywords", 40: "instructions", 65: "originating program", 80: "by-line",
    105: "headline", 110: "credit", 115: "source", 116: "copyright", 120: "caption",
}  # fmt: skip


def read_exif(data: bytes) -> list[tuple[str, str]]:
    """Name and value of the known fields; empty where nothing can be read.

    Args:
        data: TIFF structure, with or without "Exif" and two NULs before it.
    """
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return []
    found: list[tuple[str, str]] = []
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        pointer = _directory(data, order, start, _IFD0, found)
        if pointer:
            _directory(data, order, pointer, _EXIF, found)
    except struct.error:
        pass  # cut off: what was read stands
    return found


def _directory(
    data: bytes, order: str, start: int, names: dict[int, str], found: list[tuple[str, str]]
) -> int:
    """Read one directory; returns where the EXIF directory lies, or 0."""
    (count,) = struct.unpack_from(order + "H", data, start)
    pointer = 0
    for index in range(min(count, _MAX_ENTRIES)):
        place = start + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", data, place)
        if tag == _EXIF_POINTER:
            (pointer,) = struct.unpack_from(order + "I", data, place + 8)
        if tag not in names:
            continue
        size = _SIZES.get(kind, 1) * number
        where = place + 8
        if size > 4:
            (where,) = struct.unpack_from(order + "I", data, place + 8)
        raw = data[where : where + min(size, 1 << 16)]
        found.append((names[tag], _comment(raw) if tag == 0x9286 else text_of(raw)))
    return pointer


def _comment(raw: bytes) -> str:
    """A user comment: eight bytes name the encoding."""
    if raw.startswith(b"UNICODE\0"):
        body = raw[8:]
        # Byte order is that of the file by the standard, and not in practice: NULs tell.
        big = body[:1] == b"\0"
        return text_of(body, encoding="utf-16-be" if big else "utf-16-le")
    return text_of(raw[8:] if raw[:8].rstrip(b"\0") in (b"ASCII", b"JIS", b"") else raw)


def read_iim(data: bytes) -> list[tuple[str, str]]:
    """Name and value of the known IPTC fields inside a Photoshop resource block (APP13)."""
    found: list[tuple[str, str]] = []
    place = data.find(b"\x1c\x02")
    while place >= 0 and place + 5 <= len(data) and data[place : place + 2] == b"\x1c\x02":
        number, size = data[place + 2], int.from_bytes(data[place + 3 : place + 5], "big")
        if size & 0x8000:
            break
        if number in _IIM:
            found.append((_IIM[number], text_of(data[place + 5 : place + 5 + size])))
        place += 5 + size
    return found[:50]
