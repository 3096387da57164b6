"""Strings in MP4 and QuickTime files: user data, iTunes lists, Apple's keyed metadata, 3GPP."""

from __future__ import annotations

from unreel.detector.provenance.bounded import MAX_TEXT, text_of, unpack
from unreel.detector.provenance.boxes import BoxWalker, Part
from unreel.detector.provenance.findings import Findings

_MAX_VALUE_BYTES = 1 << 16
_MAX_KEYS = 200

_NAMES = {
    "\xa9too": "encoder",
    "\xa9swr": "software",
    "\xa9mak": "make",
    "\xa9mod": "model",
    "\xa9day": "date",
    "\xa9nam": "title",
    "\xa9cmt": "comment",
    "\xa9des": "description",
    "desc": "description",
    "\xa9inf": "information",
    "\xa9cpy": "copyright",
    "cprt": "copyright",
    "\xa9ART": "artist",
    "\xa9alb": "album",
    "\xa9gen": "genre",
    "\xa9key": "keywords",
    "\xa9enc": "encoded by",
    "\xa9fmt": "format",
    "\xa9req": "requirements",
    "\xa9xyz": "place",
    "loci": "place",
    "titl": "title",
    "auth": "author",
    "dscp": "description",
    "tool": "tool",
    "name": "name",
}
_3GPP = frozenset(("titl", "auth", "dscp", "cprt", "perf", "gnre", "albm"))
_QUIET = frozenset(("free", "skip", "meta", "hnti", "hinf", "uuid", "chpl"))


def read_user_data(walker: BoxWalker, udta: Part, found: Findings) -> None:
    """Strings and vendor boxes of a udta box."""
    for part in walker.iso(udta.body, udta.end, udta.path + "/"):
        standard = part.kind in _NAMES or part.kind in _QUIET or part.kind.startswith("\xa9")
        found.at(part, known=standard or part.kind == "XMP_")
        body = walker.source.read(part.body, min(part.end - part.body, _MAX_VALUE_BYTES))
        with found.tolerant(part):
            if part.kind == "meta":
                read_meta(walker, part, found)
            elif part.kind == "XMP_":
                found.xmp(part.path, walker.source.read(part.body, part.end - part.body))
            elif part.kind.startswith("\xa9"):
                _international(part, body, found)
            elif part.kind in _3GPP and body[:4] == b"\0\0\0\0":
                found.tag(part.path, _NAMES.get(part.kind, part.kind), _unicode(body[6:]))
            elif part.kind not in _QUIET:
                _vendor(part, body, found)


def _international(part: Part, body: bytes, found: Findings) -> None:
    """QuickTime text: length, language, bytes, as often as there are languages."""
    place = 0
    while place + 4 <= len(body):
        length, language = unpack("HH", body, place)
        raw = body[place + 4 : place + 4 + length]
        encoding = "utf-8" if language >= 0x400 or language == 0 else "latin-1"
        if _is_utf8(raw):
            encoding = "utf-8"
        found.tag(part.path, _NAMES.get(part.kind, part.kind), raw, encoding)
        place += 4 + length
        if length == 0:
            return


def _vendor(part: Part, body: bytes, found: Findings) -> None:
    """A box no standard knows: its text if it is text, else how long it is."""
    raw = body.strip(b"\0 \r\n\t")
    for skip in (0, 4, 6):
        text = raw[skip : skip + MAX_TEXT]
        if len(text) >= 3 and all(32 <= byte < 127 for byte in text):
            found.tag(part.path, part.kind, text)
            return
    found.tag(part.path, part.kind, f"{part.end - part.body} bytes")


def read_meta(walker: BoxWalker, meta: Part, found: Findings) -> None:
    """A meta box: iTunes list, Apple's keys, XML of cameras."""
    # ISO gives it version and flags, QuickTime does not: the first box inside tells.
    head = walker.source.read(meta.body, 8)
    start = meta.body if head[4:8] in (b"hdlr", b"keys", b"ilst") else meta.body + 4
    keys: list[str] = []
    for part in walker.iso(start, meta.end, meta.path + "/"):
        found.at(part)
        with found.tolerant(part):
            if part.kind == "keys":
                keys = _keys(walker, part)
            elif part.kind == "ilst":
                for item in walker.iso(part.body, part.end, part.path + "/"):
                    _item(walker, item, keys, found)
            elif part.kind == "xml ":
                raw = walker.source.read(part.body + 4, min(part.end - part.body, 4 * MAX_TEXT))
                found.tag(part.path, "xml", raw)


def _keys(walker: BoxWalker, part: Part) -> list[str]:
    """Names of Apple's keyed metadata, in order."""
    body = walker.source.read(part.body, min(part.end - part.body, _MAX_VALUE_BYTES))
    (count,) = unpack("I", body, 4)
    names, place = [], 8
    for _ in range(min(count, _MAX_KEYS)):
        (size,) = unpack("I", body, place)
        if size < 8:
            break
        names.append(text_of(body[place + 8 : place + size], 100))
        place += size
    return names


def _item(walker: BoxWalker, item: Part, keys: list[str], found: Findings) -> None:
    """One entry of an ilst box, with its values."""
    index = int.from_bytes(item.kind.encode("latin-1"), "big")
    name = keys[index - 1] if 1 <= index <= len(keys) else _NAMES.get(item.kind, item.kind)
    where = item.path.rpartition("/")[0]
    for part in walker.iso(item.body, item.end, item.path + "/"):
        body = walker.source.read(part.body, min(part.end - part.body, _MAX_VALUE_BYTES))
        if part.kind == "name":  # of a free-form entry, "----"
            name = text_of(body[4:], 100)
        elif part.kind == "data" and len(body) >= 8:
            found.tag(where, name, _value(int.from_bytes(body[1:4], "big"), body[8:]))


def _value(kind: int, raw: bytes) -> str:
    """A value by Apple's well-known types: text, integer or how many bytes."""
    if kind in (1, 4):
        return text_of(raw)
    if kind in (2, 5):
        return text_of(raw, encoding="utf-16-be")
    if kind in (0, 21, 22, 65, 66, 67) and 1 <= len(raw) <= 8:
        return str(int.from_bytes(raw, "big", signed=kind in (21, 65, 66, 67)))
    if kind in (23, 24) and len(raw) in (4, 8):
        import struct

        (number,) = struct.unpack(">f" if len(raw) == 4 else ">d", raw)
        return f"{number:.6g}"
    return text_of(raw) if _is_utf8(raw) and raw.isascii() else f"{len(raw)} bytes"


def _unicode(raw: bytes) -> str:
    """3GPP text: UTF-16 with a byte order mark, else UTF-8."""
    if raw[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return text_of(raw, encoding="utf-16").partition("\0")[0]
    return text_of(raw)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
