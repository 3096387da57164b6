"""Walks through the three ways in which containers nest: ISO boxes, RIFF chunks, EBML elements.

No claim of a size is believed beyond the part that holds it. A part that claims more than there is
room for is cut there and marked; one smaller than its own header ends the walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unreel.detector.provenance.bounded import FileBytes
from unreel.detector.provenance.records import Box

MAX_BOXES = 4000
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Part:
    """A box, chunk or element while it is looked at."""

    kind: str
    path: str
    start: int
    body: int
    """Offset of the first byte after the header."""
    end: int
    """Offset behind it, never beyond the part around it."""
    claimed: int | None
    """Size it says it has, where that is more than there is room for."""
    uuid: bytes = b""
    """Of ISO boxes with an extended type."""

    def record(self) -> Box:
        """The same for the report."""
        return Box(self.path, self.start, self.end - self.start, self.claimed)


class TooManyBoxesError(Exception):
    """The walk was ended: more parts than are looked at."""


class BoxWalker:
    """Counts what it yields over a whole file.

    Args:
        source: The file.
    """

    def __init__(self, source: FileBytes) -> None:
        self.source = source
        self.seen = 0
        self.broken: list[str] = []
        """Paths at which a walk ended early because a size makes no sense."""

    def _is_too_deep(self, path: str) -> bool:
        """Boxes in boxes in boxes: beyond any real file, and Python's stack has an end."""
        if path.count("/") <= MAX_DEPTH:
            return False
        self.broken.append(path[:60] + "...")
        return True

    def _count(self) -> None:
        self.seen += 1
        if self.seen > MAX_BOXES:
            raise TooManyBoxesError

    def iso(self, start: int, end: int, path: str = "") -> Iterator[Part]:
        """Boxes of ISO base media and QuickTime files (ISO/IEC 14496-12, section 4.2)."""
        place = end if self._is_too_deep(path) else start
        while place + 8 <= end:
            head = self.source.read(place, min(32, end - place))
            if len(head) < 8:
                return
            size, kind = int.from_bytes(head[:4], "big"), head[4:8].decode("latin-1")
            header = 8
            if size == 1 and len(head) >= 16:
                size, header = int.from_bytes(head[8:16], "big"), 16
            elif size == 0:
                size = end - place
            uuid = b""
            if kind == "uuid" and len(head) >= header + 16:
                uuid, header = head[header : header + 16], header + 16
            self._count()
            if size < header:
                if any(head):  # zeros at the end of udta are QuickTime's way to end a list
                    self.broken.append(f"{path}{kind}")
                return
            stop = min(place + size, end)
            claimed = size if place + size > end else None
            yield Part(kind, path + kind, place, place + header, stop, claimed, uuid)
            place = stop

    def riff(self, start: int, end: int, path: str = "") -> Iterator[Part]:
        """Chunks of RIFF files; of a LIST the kind is that of its contents."""
        place = end if self._is_too_deep(path) else start
        while place + 8 <= end:
            head = self.source.read(place, min(12, end - place))
            if len(head) < 8:
                return
            kind = head[:4].decode("latin-1")
            size, header = int.from_bytes(head[4:8], "little"), 8
            if kind in ("RIFF", "LIST") and len(head) == 12:
                kind, header = f"{kind}:{head[8:12].decode('latin-1')}", 12
            self._count()
            whole = 8 + size
            stop = max(place + header, min(place + whole, end))
            claimed = whole if place + whole > end else None
            yield Part(kind, path + kind, place, place + header, stop, claimed)
            place = stop + (size & 1)

    def ebml(self, start: int, end: int, path: str = "") -> Iterator[Part]:
        """Elements of Matroska and WebM (RFC 8794); kind = ID in hexadecimal."""
        place = start
        while place + 2 <= end:
            head = self.source.read(place, min(12, end - place))
            ident = _length_of(head[0]) if head else 0
            if not 1 <= ident <= 4 or len(head) <= ident:
                self.broken.append(f"{path}?")
                return
            width = _length_of(head[ident])
            if not 1 <= width <= 8 or len(head) < ident + width:
                self.broken.append(f"{path}{head[:ident].hex()}")
                return
            size = int.from_bytes(head[ident : ident + width], "big") & ((1 << 7 * width) - 1)
            body = place + ident + width
            unknown = size == (1 << 7 * width) - 1
            stop = end if unknown else min(body + size, end)
            claimed = body + size - place if not unknown and body + size > end else None
            self._count()
            kind = head[:ident].hex()
            yield Part(kind, path + kind, place, body, stop, claimed)
            place = stop


def _length_of(first: int) -> int:
    """Bytes of an EBML number by its first byte: leading zeros plus one."""
    return 9 - first.bit_length()
