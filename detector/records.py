"""The records that pass between the stages of a scan; frozen, units in the names.

    Media -> Shot, Window -> Sample -> Evidence -> Verdict -> Report

Times are presentation times in seconds from the first frame of the video stream, never frame
numbers: files with variable frame rate would lie otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unreel.detector.provenance.records import Provenance

Label = Literal["generated", "inconclusive", "no-evidence"]
"""Never "real": absence of evidence is all that pixels can give."""


@dataclass(frozen=True, slots=True)
class Media:
    """What a file is, before a frame of it is judged."""

    path: str
    """As the user named it."""
    sha256: str
    """Of the whole file, lower-case hexadecimal."""
    bytes: int
    container: str
    """By content, not by name: mp4, matroska, avi, mpegts, mpeg, gif, flv, asf, ogg."""
    codec: str
    """FFmpeg's name, e.g. h264."""
    pixel_format: str
    bit_depth: int
    """Bits of one luma sample as coded; frames are handed on with 8."""
    hdr: bool
    """Transfer function PQ or HLG; converted to 8 bits without tone mapping."""
    width: int
    """Pixels as displayed, that is after rotation."""
    height: int
    rotation_degrees: int
    """0, 90, 180 or 270, clockwise, already applied to the frames handed on."""
    fps: float
    """Mean frame rate from the time stamps."""
    variable_frame_rate: bool
    frames: int
    """Presentable frames by time stamp."""
    duration_seconds: float
    start_seconds: float
    """Presentation time of the first frame in the file's own clock."""
    has_audio: bool
    decoder: str
    """What delivered the frames, e.g. "decord 3.4.0" or "pyav 18.1.0"."""
    warnings: tuple[str, ...] = ()
    """Sentences on what could not be read as it stands (damaged parts, a second video stream)."""

    @property
    def short_side(self) -> int:
        """Pixels of the shorter side."""
        return min(self.width, self.height)

    @property
    def bits_per_pixel(self) -> float:
        """File bits per displayed pixel and frame: a rough measure of compression."""
        pixels = self.width * self.height * max(self.frames, 1)
        return self.bytes * 8 / pixels


@dataclass(frozen=True, slots=True)
class Shot:
    """An uncut stretch of the video."""

    index: int
    t_start: float
    t_end: float
    """Presentation time at which the next shot (or nothing) begins."""


@dataclass(frozen=True, slots=True)
class Window:
    """A burst of frames inside one shot that is read and judged together."""

    shot: int
    frame_indices: tuple[int, ...]
    """Positions in presentation order, strictly increasing."""
    t_start: float
    t_end: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The decoded frames of one window; shared read-only by all lanes."""

    window: Window
    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB at native resolution."""
    pts_seconds: NDArray[np.float64]
    """(T,) presentation times of the frames."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3:
            raise ValueError(f"frames must be (T, H, W, 3), got {self.frames.shape}")
        if len(self.pts_seconds) != len(self.frames):
            raise ValueError(f"got {len(self.frames)} frames but {len(self.pts_seconds)} times")


@dataclass(frozen=True, slots=True)
class WindowPictures:
    """What the learned lane saw in one window, and where in it; for reports, never for a score."""

    shot: int
    pts_seconds: NDArray[np.float64]
    """(T,)"""
    frames: NDArray[np.uint8]
    """(T, h, w, 3) RGB at the model's size, which may be squeezed."""
    frame_logits: NDArray[np.float32]
    """(T,)"""
    patch_logits: NDArray[np.float32]
    """(T, gh, gw): a grid over the whole frame."""


@dataclass(frozen=True, slots=True)
class FacePicture:
    """A face as it was judged, and where in it the traces are; for reports, never for a score."""

    track: int
    """As in FaceTrackScore."""
    t: float
    """Seconds."""
    crop: NDArray[np.uint8]
    """(s, s, 3) RGB, upright."""
    patch_logits: NDArray[np.float32]
    """(gh, gw), of the whole track: a grid over the crop."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person can go and look at."""

    code: str
    """Stable word, e.g. object-count-flicker."""
    lane: str
    t_start: float
    t_end: float
    boxes: tuple[tuple[float, float, float, float, float], ...]
    """(t, x, y, w, h): seconds, then pixels of the displayed frame."""
    statistic: str
    value: float
    percentile_among_real: float | None
    """Share of camera reference clips with a smaller value, 0..1."""
    confounders_checked: tuple[str, ...]
    explanation: str
    series: tuple[tuple[float, float], ...] = ()
    """(t, value): what was counted or measured over time, for a plot; seconds, ascending."""


@dataclass(frozen=True, slots=True)
class WindowScore:
    """The learned lane's answer for one window."""

    shot: int
    t_start: float
    t_end: float
    logit: float
    """Natural-log odds before calibration; higher = generated."""
    score: float | None = None
    """Calibrated as if the clip were only this window, 0..1; set by the verdict stage."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where `generated` begins; of the faces lane, `manipulated`."""

    fpr: float
    """Share of held-out camera clips at or above the threshold, by design."""
    threshold: float
    """On the calibrated score, 0..1."""
    bucket: str
    """The quality bucket of camera footage that it was taken from; "pooled" = all of it."""


@dataclass(frozen=True, slots=True)
class FaceTrackScore:
    """The faces lane's answer for one person in one shot."""

    track: int
    """From 1, the largest and longest first."""
    shot: int
    t_start: float
    t_end: float
    frames: int
    """That were looked at."""
    size: float
    """Pixels of the larger side of the face, the median over time."""
    logit: float
    """Natural-log odds before calibration; higher = manipulated."""
    score: float
    """Calibrated, 0..1."""
    manipulated: bool
    """The score reaches the lane's own threshold."""
    strongest: tuple[float, float]
    """From when to when, seconds, it looks most manipulated."""
    boxes: tuple[tuple[float, float, float, float, float], ...] = ()
    """(t, x, y, w, h) of each frame: seconds, and pixels of the displayed frame."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A lane looked and has something to say."""

    lane: str
    logit: float | None
    """Of the clip, before calibration; higher = generated. None: the lane shows findings and never
    joins the score."""
    windows: tuple[WindowScore, ...] = ()
    findings: tuple[Finding, ...] = ()
    score: float | None = None
    """What this lane alone says, calibrated, 0..1; set by the verdict stage."""
    tracks: tuple[FaceTrackScore, ...] = ()
    """Of the faces lane: who was judged, the largest first."""
    point: OperatingPoint | None = None
    """Of the faces lane: where its `manipulated` begins."""
    status: Literal["measured"] = "measured"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A lane had nothing to look at; the reason reaches the report."""

    lane: str
    reason: str
    status: Literal["skipped"] = "skipped"


@dataclass(frozen=True, slots=True)
class Failed:
    """A lane should have looked and could not."""

    lane: str
    reason: str
    status: Literal["failed"] = "failed"


Evidence = Measured | Skipped | Failed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says of the clip as a whole."""

    label: Label
    score: float | None
    """LR / (1 + LR) at equal priors, 0..1, higher = generated; None when no lane could look."""
    llr: float | None
    """log10 likelihood ratio generated : camera, capped at what the calibration set supports."""
    percentile_among_real: float | None
    """Share of held-out camera clips that score lower, 0..1."""
    operating_point: OperatingPoint | None
    reasons: tuple[str, ...]
    """Sentences on what decided the label and what weakens it."""
    llr_cap: float | None = None
    """Largest llr that the calibration set supports, either way."""
    camera_clips: int | None = None
    """Distinct held-out camera clips that the model was calibrated on, of all qualities."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Held-out clips that a score is seen against."""

    bucket: str
    """Quality bucket that they are of; "pooled" = all qualities."""
    camera_scores: tuple[float, ...]
    """Quantiles of the calibrated scores of camera clips at 0, 1, ... 100 %, ascending."""
    generated_scores: tuple[float, ...]
    """The same of generated clips; empty when the calibration holds none."""
    camera_clips: int
    """Distinct clips behind `camera_scores`."""
    generated_clips: int
    """Distinct clips behind `generated_scores`; 0 = not said."""


@dataclass(frozen=True, slots=True)
class ShotScore:
    """The score of one shot; None when none of its frames were judged."""

    t_start: float
    t_end: float
    score: float | None
    reason: str | None = None
    """Why there is no score, e.g. too short."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model judged."""

    name: str
    version: str
    sha256: str
    """Of the model.onnx that ran, followed by its head.onnx."""


@dataclass(frozen=True, slots=True)
class ScanError:
    """Why a file has no verdict."""

    code: str
    """One of errors.MEDIA_ERROR_CODES, or "internal"."""
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a scan of one file found out. Either `error` or `verdict` is set."""

    path: str
    model: ModelInfo
    media: Media | None = None
    sha256: str | None = None
    bytes: int | None = None
    verdict: Verdict | None = None
    shots: tuple[ShotScore, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    recheck_score: float | None = None
    """Score of the same windows after one H.264 re-encode; None when the check was left out."""
    error: ScanError | None = None
    sampled_pts_seconds: tuple[tuple[float, ...], ...] = ()
    """Times of the frames that were looked at, window by window; for custody records."""
    provenance: Provenance | None = None
    """What the file says of itself; beside the verdict, never in it. Also of unreadable files."""
    run: dict[str, Any] = field(default_factory=dict)
    """Facts of this run (seconds per stage, host); never part of the reproducible result."""

    @property
    def manipulated_faces(self) -> tuple[FaceTrackScore, ...]:
        """Faces that reach the faces lane's threshold, the strongest first; beside the verdict."""
        found = [t for e in self.evidence if isinstance(e, Measured) for t in e.tracks]
        return tuple(sorted((t for t in found if t.manipulated), key=lambda t: -t.logit))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings of all lanes, by time."""
        found = [f for e in self.evidence if isinstance(e, Measured) for f in e.findings]
        return tuple(sorted(found, key=lambda f: (f.t_start, f.code)))
