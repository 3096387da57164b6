"""Tracks of MP4 and QuickTime files: header, handler, sample tables, fragments.

Frame rate and groups of frames come from the sample tables alone; no frame is touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from unreel.detector.provenance.bounded import FileBytes, text_of, unpack
from unreel.detector.provenance.boxes import BoxWalker, Part
from unreel.detector.provenance.records import Edit, FrameGroups, Track, TrackKind

_MAC_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_MAX_TABLE_BYTES = 1 << 19
_MAX_EDITS = 50
_ROTATIONS = {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}
"""First row of the display matrix, by sign -> degrees clockwise."""
_AVC = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2",
        244: "High 4:4:4"}  # fmt: skip
_HEVC = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}
_NOT_SYNC = 0x10000
"""sample_is_non_sync_sample of sample flags (ISO/IEC 14496-12, 8.8.3)."""


def mac_time(seconds: int) -> str | None:
    """Seconds since 1904 as ISO 8601; None when not set."""
    if seconds == 0:
        return None
    try:
        return (_MAC_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"no date ({seconds} s after 1904)"


class TrackReader:
    """Fills one track from its boxes.

    Args:
        source: The file.
    """

    def __init__(self, source: FileBytes) -> None:
        self._source = source
        self.number = 0
        self.kind: TrackKind = "other"
        self.codec = ""
        self.handler = ""
        self.width = self.height = 0
        self.description = b""
        """The sample descriptions, which hold the codec's own header."""
        self.first_chunk: int | None = None
        self._scale = 0
        self._duration = 0
        self._created: str | None = None
        self._rotation = 0
        self._edits: list[tuple[int, int]] = []
        self._times: list[tuple[int, int]] = []
        self._keys: list[int] | None = None
        self._reordered: bool | None = None
        self._complete = True

    def take(self, part: Part) -> None:
        """Read one leaf box; others are passed over."""
        readers = {
            "tkhd": self._header,
            "mdhd": self._media_header,
            "hdlr": self._handler,
            "elst": self._edit_list,
            "stsd": self._descriptions,
            "stts": self._durations,
            "stss": self._key_frames,
            "ctts": self._offsets,
            "stco": self._chunks,
            "co64": self._chunks,
        }
        if part.kind in readers:
            readers[part.kind](part, self._source.read(part.body, min(part.end - part.body, 8192)))

    def _header(self, _: Part, body: bytes) -> None:
        long = body[:1] == b"\1"
        created, _modified, self.number = unpack("QQI" if long else "III", body, 4)
        width, height = unpack("II", body, 88 if long else 76)
        self.width, self.height = width >> 16, height >> 16
        matrix = unpack("iiiii", body, 52 if long else 40)
        self._rotation = _ROTATIONS.get((_sign(matrix[0]), _sign(matrix[1])), 0)
        self._created = mac_time(created)

    def _media_header(self, _: Part, body: bytes) -> None:
        form = "QQIQ" if body[:1] == b"\1" else "IIII"
        created, _modified, self._scale, self._duration = unpack(form, body, 4)
        self._created = mac_time(created) or self._created

    def _handler(self, _: Part, body: bytes) -> None:
        kinds: dict[bytes, TrackKind] = {b"vide": "video", b"soun": "sound"}
        self.kind = kinds.get(body[8:12], "other")
        name = body[24:]
        if name and name[0] == len(name) - 1:  # a Pascal string, as QuickTime writes it
            name = name[1:]
        self.handler = text_of(name, 100)
        if self.kind == "other" and not self.codec:
            self.codec = text_of(body[8:12], 4, "latin-1")

    def _edit_list(self, _: Part, body: bytes) -> None:
        long = body[:1] == b"\1"
        (count,) = unpack("I", body, 4)
        for index in range(min(count, _MAX_EDITS)):
            place = 8 + index * (20 if long else 12)
            duration, start = unpack("Qq" if long else "Ii", body, place)
            self._edits.append((duration, start))

    def _descriptions(self, _: Part, body: bytes) -> None:
        self.description = body
        (count,) = unpack("I", body, 4)
        if count == 0:
            return
        self.codec = text_of(body[12:16], 4, "latin-1")
        if self.kind == "video" and not self.width:
            self.width, self.height = unpack("HH", body, 8 + 32)

    @property
    def compressor(self) -> str:
        """Name of the encoder in the first description: a Pascal string of at most 31 bytes."""
        name = self.description[8 + 50 : 8 + 82]
        return text_of(name[1 : 1 + min(name[0], 31)], 31) if name and self.kind == "video" else ""

    def _table(self, part: Part, width: int) -> tuple[bytes, int]:
        """Entries of a sample table and how many there are, cut where they get many."""
        (count,) = unpack("I", self._source.whole(part.body + 4, 4))
        room = min((part.end - part.body - 8) // width, _MAX_TABLE_BYTES // width)
        if count > room:
            self._complete = False
        count = max(0, min(count, room))
        return self._source.read(part.body + 8, count * width), count

    def _durations(self, part: Part, _: bytes) -> None:
        data, count = self._table(part, 8)
        values = unpack(f"{2 * count}I", data)
        self._times = list(zip(values[::2], values[1::2], strict=True))

    def _key_frames(self, part: Part, _: bytes) -> None:
        data, count = self._table(part, 4)
        self._keys = list(unpack(f"{count}I", data))

    def _offsets(self, part: Part, _: bytes) -> None:
        complete = self._complete
        data, count = self._table(part, 8)
        values = unpack(f"{2 * count}I", data)
        self._complete = complete  # whether frames are reordered is known after a few
        self._reordered = len(set(values[1::2])) > 1

    def _chunks(self, part: Part, body: bytes) -> None:
        if unpack("I", body, 4) != (0,):
            (self.first_chunk,) = unpack("I" if part.kind == "stco" else "Q", body, 8)

    def record(self, movie_scale: int, fragments: Fragments) -> Track:
        """The track, with what fragments add to it."""
        frames = sum(count for count, _ in self._times)
        ticks = sum(count * delta for count, delta in self._times)
        fps = frames * self._scale / ticks if ticks and self._scale and frames > 1 else None
        groups: FrameGroups | None = None
        if self.kind == "video":
            groups = self._groups(frames) if frames else fragments.groups(self.number)
        return Track(
            kind=self.kind,
            codec=self.codec,
            handler=self.handler,
            profile=profile_of(self.description) if self.kind == "video" else "",
            compressor=self.compressor,
            width=self.width,
            height=self.height,
            rotation_degrees=self._rotation if self.kind == "video" else 0,
            fps=fps if self.kind == "video" else None,
            constant_rate=self._is_constant() if self.kind == "video" and self._times else None,
            duration_seconds=self._duration / self._scale if self._scale else None,
            created=self._created,
            edits=self._edits_in_seconds(movie_scale),
            groups=groups,
        )

    def _is_constant(self) -> bool:
        """All deltas alike but that of the last frame, which muxers guess."""
        deltas = {delta for _, delta in self._times[:-1]}
        count, last = self._times[-1]
        return len(deltas | ({last} if count > 1 else set())) <= 1

    def _groups(self, frames: int) -> FrameGroups:
        return group_frames(
            frames, self._keys, reordered=bool(self._reordered), complete=self._complete
        )

    def _edits_in_seconds(self, movie_scale: int) -> tuple[Edit, ...]:
        if not movie_scale or not self._scale:
            return ()
        return tuple(
            Edit(duration / movie_scale, None if start < 0 else start / self._scale)
            for duration, start in self._edits
        )


def group_frames(
    frames: int, keys: list[int] | None, *, reordered: bool | None, complete: bool = True
) -> FrameGroups:
    """Lengths of the groups that begin with these frames, counted from 1; None = every frame."""
    if keys is None:
        return FrameGroups(frames, frames, 1, 1, reordered, complete)
    starts = sorted({key for key in keys if 1 <= key <= frames})
    lengths = [after - before for before, after in pairwise(starts)]
    if not lengths:
        lengths = [frames - starts[0] + 1] if starts else [frames]
    return FrameGroups(frames, len(starts), min(lengths), max(lengths), reordered, complete)


def profile_of(description: bytes) -> str:
    """Profile and level by the codec's own header (ISO/IEC 14496-15); empty where there is none."""
    for mark, names in ((b"avcC", _AVC), (b"hvcC", _HEVC)):
        place = description.find(mark) + 4
        if place < 4 or len(description) < place + 13:
            continue
        if mark == b"avcC":
            profile, level = description[place + 1], description[place + 3] / 10
        else:
            profile, level = description[place + 1] & 31, description[place + 12] / 30
        return f"{names.get(profile, f'profile {profile}')}@{level:.1f}"
    return ""


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


@dataclass(slots=True)
class Fragments:
    """Frames of fragmented files (moof), by track."""

    _runs: dict[int, list[tuple[int, bool | None]]] = field(default_factory=dict)
    """Track -> (frames, first one can be decoded alone) of each run."""

    def read(self, walker: BoxWalker, moof: Part) -> None:
        """Count the frames of one fragment."""
        for traf in walker.iso(moof.body, moof.end, "moof/"):
            if traf.kind != "traf":
                continue
            number, default = 0, None
            for part in walker.iso(traf.body, traf.end, "moof/traf/"):
                body = walker.source.read(part.body, min(part.end - part.body, 64))
                try:
                    if part.kind == "tfhd":
                        number, default = _fragment_header(body)
                    elif part.kind == "trun":
                        self._runs.setdefault(number, []).append(_run(body, default))
                except ValueError:
                    continue

    def groups(self, number: int) -> FrameGroups | None:
        """Groups of frames of a track; None without fragments of it."""
        runs = self._runs.get(number)
        if not runs:
            return None
        keys, frames = [], 0
        for count, is_key in runs:
            if is_key:
                keys.append(frames + 1)
            frames += count
        return group_frames(frames, keys, reordered=None)


def _fragment_header(body: bytes) -> tuple[int, int | None]:
    """Track and default sample flags of a tfhd box."""
    flags, number = unpack("II", body)
    flags &= 0xFFFFFF
    place = 8 + 8 * bool(flags & 1) + 4 * sum(bool(flags & bit) for bit in (2, 8, 0x10))
    return number, unpack("I", body, place)[0] if flags & 0x20 else None


def _run(body: bytes, default: int | None) -> tuple[int, bool | None]:
    """Frames of a trun box, and whether its first one is a key frame."""
    flags, count = unpack("II", body)
    flags &= 0xFFFFFF
    place = 8 + 4 * bool(flags & 1)
    if flags & 4:
        default = unpack("I", body, place)[0]
    elif flags & 0x400 and count:
        place += 4 * bool(flags & 0x100) + 4 * bool(flags & 0x200)
        default = unpack("I", body, place)[0]
    # A lie of a billion frames is cut at what one fragment could hold.
    return min(count, 1 << 20), None if default is None else not default & _NOT_SYNC
