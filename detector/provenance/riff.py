"""AVI and WebP: chunks, INFO strings, streams, the index of key frames (RIFF, OpenDML)."""

from __future__ import annotations

import struct

from unreel.detector.provenance.bounded import MAX_TEXT, BudgetSpentError, FileBytes, text_of
from unreel.detector.provenance.boxes import BoxWalker, Part, TooManyBoxesError
from unreel.detector.provenance.exif import read_exif
from unreel.detector.provenance.findings import Findings
from unreel.detector.provenance.mp4_tracks import group_frames
from unreel.detector.provenance.records import ContainerFacts, FrameGroups, Track, TrackKind
from unreel.detector.provenance.x264 import encoder_settings

_INFO = {
    "ISFT": "software", "INAM": "title", "ICMT": "comment", "IART": "artist", "ICRD": "date",
    "ICOP": "copyright", "IENG": "engineer", "ISRC": "source", "IPRD": "product", "IGNR": "genre",
    "IKEY": "keywords", "ISBJ": "subject", "ITCH": "technician", "IMED": "medium",
}  # fmt: skip
_MAX_INDEX = 1 << 19
_KEY_FRAME = 0x10
_KINDS: dict[bytes, TrackKind] = {b"vids": "video", b"auds": "sound"}
_CHUNKS = (
    "avih strh strf strd strn vprp indx idx1 JUNK dmlh IDIT C2PA _PMX VP8 VP8L VP8X ALPH ANIM "
    "ANMF ICCP EXIF XMP segm"
)
_KNOWN = frozenset(_CHUNKS.split())


class RiffReader:
    """Reads one file.

    Args:
        source: The file.
        format: avi or webp.
    """

    def __init__(self, source: FileBytes, format: str) -> None:
        self._source = source
        self._format = format
        self._walker = BoxWalker(source)
        self._found = Findings(self._walker)
        self._streams: list[dict[str, object]] = []
        self._index: bytes = b""
        self._index_complete = True
        self._media_start: int | None = None

    def facts(self) -> ContainerFacts:
        """Everything, as far as the budget goes."""
        try:
            for top in self._walker.riff(0, self._source.size):
                self._found.at_top(top)
                self._level(top, "")
            if self._media_start is not None:
                for tag in encoder_settings(self._source.read(self._media_start, 1 << 15)):
                    self._found.tags.append(tag)
        except TooManyBoxesError:
            self._found.notes.append("more chunks than are looked at: the rest is not in this")
        except BudgetSpentError:
            self._found.notes.append("a larger index than is looked at: some of it is not in this")
        tracks = tuple(self._track(n, stream) for n, stream in enumerate(self._streams))
        return self._found.facts(self._format, tracks)

    def _level(self, around: Part, path: str) -> None:
        here = f"{path}{around.kind.partition(':')[2] or around.kind}/"
        for part in self._walker.riff(around.body, around.end, here):
            if around.kind.startswith("RIFF"):
                self._found.order.append(part.kind)
            group = part.kind.partition(":")[2]
            self._found.at(part, known=bool(group) or part.kind.strip() in _KNOWN or "INFO" in here)
            if group in ("hdrl", "strl", "INFO", "odml", "exif"):
                self._level(part, here)
            elif group == "movi":
                self._media_start = part.body
            elif not group:
                with self._found.tolerant(part):
                    self._chunk(part, "INFO" in here)

    def _chunk(self, part: Part, is_info: bool) -> None:
        body = self._source.read(part.body, min(part.end - part.body, 4 * MAX_TEXT))
        match part.kind:
            case "strh":
                self._stream(body)
            case "strf" if self._streams:
                self._format_of_stream(body)
            case "strn" if self._streams:
                self._streams[-1]["name"] = text_of(body, 100, "latin-1")
            case "IDIT":
                self._found.tag(part.path, "date", body)
            case "idx1":
                size = part.end - part.body
                self._index_complete = size <= _MAX_INDEX
                self._index = self._source.read(part.body, min(size, _MAX_INDEX))
            case "C2PA":
                self._found.c2pa_offset = part.start
            case "_PMX" | "XMP ":
                self._found.xmp(part.path, self._source.read(part.body, part.end - part.body))
            case "EXIF":
                for name, value in read_exif(body):
                    self._found.tag(part.path, name, value)
            case "JUNK":
                # FFmpeg and cameras hide nothing there; some recorders write their name.
                text = body.strip(b"\0 ")
                if 4 <= len(text) <= 200 and all(32 <= byte < 127 for byte in text):
                    self._found.tag(part.path, "junk", text)
            case _ if is_info:
                self._found.tag(part.path, _INFO.get(part.kind, part.kind), body)

    def _stream(self, body: bytes) -> None:
        if len(body) < 36:
            raise ValueError("too short")
        scale, rate, _start, length = struct.unpack_from("<4I", body, 20)
        self._streams.append(
            {"kind": body[:4], "codec": body[4:8], "scale": scale, "rate": rate, "length": length}
        )

    def _format_of_stream(self, body: bytes) -> None:
        stream = self._streams[-1]
        if stream["kind"] == b"vids" and len(body) >= 20:
            width, height = struct.unpack_from("<ii", body, 4)
            stream["width"], stream["height"] = abs(width), abs(height)
            stream["codec"] = body[16:20]
        elif stream["kind"] == b"auds" and len(body) >= 2:
            stream["codec"] = f"0x{struct.unpack_from('<H', body)[0]:04x}".encode()

    def _track(self, number: int, stream: dict[str, object]) -> Track:
        kind = _KINDS.get(_bytes(stream["kind"]), "other")
        rate, scale, length = (_int(stream[name]) for name in ("rate", "scale", "length"))
        video = kind == "video"
        return Track(
            kind=kind,
            codec=text_of(_bytes(stream["codec"]), 10, "latin-1"),
            handler=str(stream.get("name", "")),
            width=_int(stream.get("width", 0)),
            height=_int(stream.get("height", 0)),
            fps=rate / scale if video and scale and rate else None,
            constant_rate=True if video else None,  # AVI knows no other
            duration_seconds=length * scale / rate if rate and video else None,
            groups=self._groups(number, length) if video else None,
        )

    def _groups(self, number: int, length: int) -> FrameGroups | None:
        """Groups of frames by the flags of the old index; None without one."""
        wanted = f"{number:02d}".encode()
        keys, frames = [], 0
        for place in range(0, len(self._index) - 15, 16):
            if self._index[place : place + 2] == wanted:
                frames += 1
                if self._index[place + 4] & _KEY_FRAME:
                    keys.append(frames)
        if not frames:
            return None
        return group_frames(frames, keys, reordered=None, complete=self._index_complete)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
