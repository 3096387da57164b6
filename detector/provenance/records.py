"""Records of what a file says of itself; frozen, units in the names.

Every string in them comes from the file and is bounded, not escaped: what shows it escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

C2paState = Literal[
    "trusted", "untrusted", "invalid", "none", "unsupported-format", "not-checked", "failed"
]
"""trusted and untrusted both verify; not-checked = a manifest is there and c2pa-python is not."""

TrackKind = Literal["video", "sound", "other"]


@dataclass(frozen=True, slots=True)
class Tag:
    """One thing that the file says in words."""

    where: str
    """Place in the file, e.g. moov/udta/meta/ilst or APP1/XMP."""
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Box:
    """One part of the container, in the order of the file: box, chunk, element or segment."""

    path: str
    offset: int
    """Bytes from the start of the file."""
    size: int
    """Bytes as far as the file goes, header included."""
    claimed: int | None = None
    """Bytes that it says it has, where the file has no room for them."""


@dataclass(frozen=True, slots=True)
class FrameGroups:
    """How the frames of the video are grouped, from the index alone: nothing is decoded."""

    frames: int
    key_frames: int
    shortest: int
    """Frames from one key frame to the next, the last group left out when there are others."""
    longest: int
    reordered: bool | None
    """Frames are stored in another order than shown (B-frames); None = the index does not say."""
    complete: bool = True
    """False: the index is longer than what is read of it, and the numbers hold for its start."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list: which stretch of a track is played."""

    duration_seconds: float
    media_start_seconds: float | None
    """None = nothing is shown for this long."""


@dataclass(frozen=True, slots=True)
class Track:
    """One stream as the container announces it."""

    kind: TrackKind
    codec: str
    """Four-character code or codec ID as written."""
    handler: str = ""
    """Name that the muxer gave the stream."""
    profile: str = ""
    """Of H.264 and HEVC in MP4: profile and level, e.g. Baseline@3.0."""
    compressor: str = ""
    """Name of the encoder as QuickTime has a field for it."""
    width: int = 0
    height: int = 0
    rotation_degrees: int = 0
    """0, 90, 180 or 270, clockwise, to be applied for display; of MP4 and QuickTime."""
    fps: float | None = None
    """Mean frame rate from the index; None = not said."""
    constant_rate: bool | None = None
    """All frames last equally long; None = not said."""
    duration_seconds: float | None = None
    created: str | None = None
    """ISO 8601, UTC; None = not set."""
    edits: tuple[Edit, ...] = ()
    groups: FrameGroups | None = None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the container says, read without decoding a frame."""

    format: str
    """mp4, quicktime, matroska, webm, avi, gif, jpeg, png, webp, flv, ogg, asf, mpegts, mpeg."""
    brands: tuple[str, ...] = ()
    """Of MP4: major brand, then the compatible ones."""
    order: tuple[str, ...] = ()
    """Outermost parts in the order of the file, runs of one kind once."""
    created: str | None = None
    modified: str | None = None
    tracks: tuple[Track, ...] = ()
    tags: tuple[Tag, ...] = ()
    boxes: tuple[Box, ...] = ()
    vendor_boxes: tuple[str, ...] = ()
    """Paths of parts that the format's standard does not know."""
    c2pa_offset: int | None = None
    """Where a C2PA manifest store lies in the file."""
    remote_manifest: str | None = None
    """Address of a manifest kept elsewhere, as XMP names it; never fetched."""
    notes: tuple[str, ...] = ()
    """Sentences on what does not fit together or was not looked at."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a C2PA manifest says was done."""

    name: str
    """As in the claim, e.g. c2pa.created."""
    source_type: str | None = None
    """Last part of digitalSourceType, e.g. trainedAlgorithmicMedia."""
    software: str | None = None
    when: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One C2PA manifest, with what it was made from."""

    label: str
    title: str | None
    generator: str | None
    """Claim generator: name and version of the software that signed."""
    signer: str | None
    issuer: str | None
    signed_at: str | None
    actions: tuple[Action, ...] = ()
    source_types: tuple[str, ...] = ()
    """All digitalSourceType values of this manifest, each once."""
    relationship: str | None = None
    """To the manifest above it: parentOf, componentOf, inputTo."""
    failures: tuple[str, ...] = ()
    """Codes of the checks that failed, for an ingredient as recorded when it was added."""
    ingredients: tuple[Manifest, ...] = ()
    """What it was made from; an ingredient without manifest has an empty label."""


@dataclass(frozen=True, slots=True)
class C2pa:
    """What the C2PA manifest store of a file says, and whether that verifies."""

    state: C2paState
    words: str
    """The state in one sentence."""
    manifest: Manifest | None = None
    failures: tuple[str, ...] = ()
    """Validation codes that failed, with the library's explanation."""
    trust_list: bool = False
    """A trust list was given, so that "untrusted" means "not on it"."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One trait of the file, and what it is common to; never evidence by itself."""

    code: str
    """Stable word, e.g. size-832x480."""
    says: str
    common_to: str
    source: str
    """Where "common to" is from."""
    kind: Literal["generator", "camera", "editing", "platform", "oddity"]
    camera_clips: int | None = None
    """Reference camera clips that show it too; None = not counted."""
    camera_clips_of: int | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """What one watermark decoder said of the frames that were looked at."""

    decoder: str
    status: Literal["found", "not-found", "skipped", "failed"]
    says: str
    value: float | None = None
    """The decoder's own statistic, e.g. the share of bits that agree."""
    false_alarm_rate: float | None = None
    """Share of reference camera clips on which it says "found"."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """All that a file says of itself. Beside the verdict, never in it."""

    c2pa: C2pa
    container: ContainerFacts | None = None
    observations: tuple[Observation, ...] = ()
    watermarks: tuple[Watermark, ...] = ()
    notes: tuple[str, ...] = field(default=())
