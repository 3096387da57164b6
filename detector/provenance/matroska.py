"""Matroska and WebM: applications, tracks, tags, groups of frames (RFC 9559)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from unreel.detector.provenance.bounded import BudgetSpentError, FileBytes, text_of
from unreel.detector.provenance.boxes import BoxWalker, Part, TooManyBoxesError
from unreel.detector.provenance.findings import Findings
from unreel.detector.provenance.mp4_tracks import group_frames
from unreel.detector.provenance.records import ContainerFacts, Track, TrackKind
from unreel.detector.provenance.x264 import encoder_settings

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_NAMES = {
    "1a45dfa3": "EBML", "18538067": "Segment", "114d9b74": "SeekHead", "1549a966": "Info",
    "1654ae6b": "Tracks", "ae": "TrackEntry", "1f43b675": "Cluster", "1c53bb6b": "Cues",
    "1254c367": "Tags", "1941a469": "Attachments", "1043a770": "Chapters", "ec": "Void",
    "4d80": "muxing app", "5741": "writing app", "7ba9": "title", "466e": "attachment",
    "4660": "attachment type",
}  # fmt: skip
_KINDS: dict[int, TrackKind] = {1: "video", 2: "sound"}


@dataclass(slots=True)
class _Entry:
    """A track while it is read."""

    number: int = 0
    kind: TrackKind = "other"
    codec: str = ""
    name: str = ""
    width: int = 0
    height: int = 0
    frame_ns: int = 0
    private: bytes = b""


class MatroskaReader:
    """Reads one file.

    Args:
        source: The file.
    """

    def __init__(self, source: FileBytes) -> None:
        self._source = source
        self._walker = BoxWalker(source)
        self._found = Findings(self._walker)
        self._doc_type = "matroska"
        self._scale_ns = 1_000_000
        self._duration = 0.0
        self._entries: list[_Entry] = []
        self._frames: dict[int, tuple[int, list[int], bool]] = {}
        """Track -> frames, key frames counted from 1, frames stored out of order."""
        self._last_time: dict[int, int] = {}
        self._first_block = b""

    def facts(self) -> ContainerFacts:
        """Everything, as far as the budget goes."""
        complete = True
        try:
            for top in self._walker.ebml(0, self._source.size):
                self._take_down(top, outermost=True)
                if top.kind == "1a45dfa3":
                    self._head(top)
                elif top.kind == "18538067":
                    self._segment(top)
        except (TooManyBoxesError, BudgetSpentError):
            complete = False  # long files have more frames than are counted: no oddity
        for entry in self._entries:
            stream = entry.private + (self._first_block if entry.kind == "video" else b"")
            for tag in encoder_settings(stream):
                where = "stream" if entry.kind == "video" else "sound stream"
                self._found.tag(where, tag.name, tag.value)
        tracks = tuple(self._track(entry, complete) for entry in self._entries[:64])
        return self._found.facts(self._doc_type, tracks)

    def _take_down(self, part: Part, *, outermost: bool = False) -> None:
        name = _NAMES.get(part.kind, part.kind)
        named = Part(name, name, part.start, part.body, part.end, part.claimed)
        if outermost or name not in ("Cluster", "Void"):
            self._found.at(named)
        if not self._found.order or self._found.order[-1] != name:
            self._found.order.append(name)

    def _head(self, head: Part) -> None:
        for part in self._walker.ebml(head.body, head.end):
            if part.kind == "4282":
                kind = self._text(part)
                self._doc_type = kind if kind in ("matroska", "webm") else "matroska"

    def _segment(self, segment: Part) -> None:
        late: list[Part] = []
        for part in self._walker.ebml(segment.body, segment.end):
            self._take_down(part)
            with self._tolerant(part):
                if part.kind == "1549a966":
                    self._info(part)
                elif part.kind == "1654ae6b":
                    self._tracks(part)
                elif part.kind == "1254c367":
                    self._tags(part)
                elif part.kind == "1941a469":
                    self._attachments(part)
                elif part.kind == "1f43b675":
                    late.append(part)
        # Frames are counted last, so that their number cannot hide what the file says.
        for cluster in late:
            following: Part | None = cluster
            while following is not None:
                following = self._cluster(following)

    @contextmanager
    def _tolerant(self, part: Part) -> Iterator[None]:
        named = Part(_NAMES.get(part.kind, part.kind), _NAMES.get(part.kind, part.kind),
                     part.start, part.body, part.end, part.claimed)  # fmt: skip
        with self._found.tolerant(named):
            yield

    def _info(self, info: Part) -> None:
        for part in self._walker.ebml(info.body, info.end):
            if part.kind in ("4d80", "5741", "7ba9"):
                self._found.tag("Info", _NAMES[part.kind], self._bytes(part))
            elif part.kind == "2ad7b1":
                self._scale_ns = self._number(part) or 1_000_000
            elif part.kind == "4489":
                self._duration = self._float(part)
            elif part.kind == "4461":
                ns = int.from_bytes(self._bytes(part)[:8], "big", signed=True)
                made = _EPOCH + timedelta(microseconds=ns // 1000)
                self._found.created = made.isoformat().replace("+00:00", "Z")

    def _tracks(self, tracks: Part) -> None:
        for track in self._walker.ebml(tracks.body, tracks.end):
            if track.kind != "ae":
                continue
            entry = _Entry()
            self._entries.append(entry)
            for part in self._walker.ebml(track.body, track.end):
                match part.kind:
                    case "d7":
                        entry.number = self._number(part)
                    case "83":
                        entry.kind = _KINDS.get(self._number(part), "other")
                    case "86":
                        entry.codec = self._text(part)
                    case "536e":
                        entry.name = self._text(part)
                    case "23e383":
                        entry.frame_ns = self._number(part)
                    case "63a2":
                        entry.private = self._bytes(part, 8192)
                    case "e0":
                        self._video(part, entry)

    def _video(self, video: Part, entry: _Entry) -> None:
        for part in self._walker.ebml(video.body, video.end):
            if part.kind == "b0":
                entry.width = self._number(part)
            elif part.kind == "ba":
                entry.height = self._number(part)

    def _tags(self, tags: Part) -> None:
        for tag in self._walker.ebml(tags.body, tags.end):
            if tag.kind != "7373":
                continue
            for simple in self._walker.ebml(tag.body, tag.end):
                if simple.kind != "67c8":
                    continue
                name, value = "", b""
                for part in self._walker.ebml(simple.body, simple.end):
                    if part.kind == "45a3":
                        name = self._text(part)
                    elif part.kind == "4487":
                        value = self._bytes(part, 1 << 16)
                if name.upper() not in ("DURATION", "BPS", "NUMBER_OF_BYTES", "NUMBER_OF_FRAMES"):
                    self._found.tag("Tags", name.lower(), value)

    def _attachments(self, attachments: Part) -> None:
        for attached in self._walker.ebml(attachments.body, attachments.end):
            if attached.kind == "61a7":
                for part in self._walker.ebml(attached.body, attached.end):
                    if part.kind in ("466e", "4660"):
                        self._found.tag("Attachments", _NAMES[part.kind], self._bytes(part))

    def _cluster(self, cluster: Part) -> Part | None:
        """Count the frames of a cluster.

        Returns:
            The next one: a cluster of unknown length, as live streams have, ends where it begins.
        """
        base = 0
        for part in self._walker.ebml(cluster.body, cluster.end):
            if part.kind == "e7":
                base = self._number(part)
            elif part.kind == "a3":
                self._block(part, base, None)
            elif part.kind == "a0":
                inner = list(self._walker.ebml(part.body, part.end))
                is_key = all(child.kind != "fb" for child in inner)  # no reference: a key frame
                for child in inner:
                    if child.kind == "a1":
                        self._block(child, base, is_key)
            elif part.kind == "1f43b675":
                return part
        return None

    def _block(self, part: Part, base: int, is_key: bool | None) -> None:
        head = self._source.read(part.body, min(16, part.end - part.body))
        width = 9 - head[0].bit_length() if head and head[0] else 0
        if not width or len(head) < width + 3:
            return
        number = int.from_bytes(head[:width], "big") & ((1 << 7 * width) - 1)
        time = base + int.from_bytes(head[width : width + 2], "big", signed=True)
        frames, keys, reordered = self._frames.get(number, (0, [], False))
        if not self._first_block and any(
            entry.number == number and entry.kind == "video" for entry in self._entries
        ):
            self._first_block = self._source.read(part.body, min(1 << 15, part.end - part.body))
        if bool(head[width + 2] & 0x80) if is_key is None else is_key:
            keys.append(frames + 1)
        reordered = reordered or time < self._last_time.get(number, time)
        self._last_time[number] = time
        self._frames[number] = (frames + 1, keys, reordered)

    def _track(self, entry: _Entry, complete: bool) -> Track:
        frames, keys, reordered = self._frames.get(entry.number, (0, [], False))
        duration = self._duration * self._scale_ns / 1e9 or None
        video = entry.kind == "video"
        fps = 1e9 / entry.frame_ns if entry.frame_ns else None
        if fps is None and complete and duration and frames > 1:
            fps = frames / duration
        return Track(
            kind=entry.kind,
            codec=entry.codec,
            handler=entry.name,
            width=entry.width,
            height=entry.height,
            fps=fps if video else None,
            duration_seconds=duration,
            groups=group_frames(frames, keys, reordered=reordered, complete=complete)
            if frames and video
            else None,
        )

    def _bytes(self, part: Part, limit: int = 1024) -> bytes:
        return self._source.read(part.body, min(part.end - part.body, limit))

    def _text(self, part: Part) -> str:
        return text_of(self._bytes(part), 100)

    def _number(self, part: Part) -> int:
        return int.from_bytes(self._bytes(part, 8), "big")

    def _float(self, part: Part) -> float:
        raw = self._bytes(part, 8)
        if len(raw) not in (4, 8):
            return 0.0
        (value,) = struct.unpack(">f" if len(raw) == 4 else ">d", raw)
        return float(value) if 0 <= value < 1e15 else 0.0
