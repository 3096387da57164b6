"""The settings of a scan: what is sampled, what is refused, when a verdict is given.

One frozen record each; every default stands here and nowhere else, the command line included.
"""

from __future__ import annotations

from dataclasses import dataclass, field

EVIDENCE_LANES = ("objects", "physics", "residual")
"""Lanes that look at the whole scene; each shows findings and none joins the score."""
CHOSEN_LANES = (*EVIDENCE_LANES, "faces")
"""What --lanes may name. The faces lane has a score of its own, which joins no other."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before, or stopped while, a file is decoded."""

    max_frame_pixels: int = 8192 * 4320
    """One frame, coded size; 8K is the largest that cameras write."""
    max_frames: int = 2_000_000
    """18 hours at 30 frames a second."""
    max_duration_seconds: float = 24 * 3600.0
    max_streams: int = 64
    max_total_gigapixels_per_megabyte: float = 40.0
    """Pixels of all frames over file size; camera footage stays under 2, bombs exceed 80."""
    density_floor_gigapixels: float = 20.0
    """Below this total the density is not held against a file: black frames cost no bytes."""
    wall_seconds_per_request: float = 25.0
    """One answer of the decoder process (a probe, a window, a shot pass over one minute)."""
    memory_bytes: int = 3 * 1024**3
    """Address space of the decoder process."""
    threads: int = 0
    """Decoder threads; 0 = as many as there are cores."""


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """Which frames are looked at. Times, never frame numbers."""

    frames_per_window: int = 8
    frame_step_seconds: float = 0.25
    """Distance of neighbouring frames in a window: 4 a second exist in all but slide shows."""
    min_frames: int = 4
    """A shot with fewer distinct frames gets no score."""
    seconds_per_window: float = 4.0
    """One more window is read for each such stretch of a shot..."""
    max_windows: int = 8
    """...up to this many in a clip."""
    min_shot_seconds: float = 0.3
    """Shorter shots are flashes: shown, not judged."""


@dataclass(frozen=True, slots=True)
class ScanConfig:
    """All settings of one scan."""

    limits: Limits = field(default_factory=Limits)
    max_windows: int | None = None
    """Budget of windows for one file; None = as many as the model was calibrated with. All else
    about sampling comes with the model."""
    fpr: float = 0.01
    """Share of camera clips that may be called `generated`."""
    recheck: bool = True
    """Score the windows once more after an H.264 re-encode; a verdict that flips is withdrawn."""
    recheck_crf: int = 23
    threads: int = 0
    """Model threads; 0 = as many as there are cores."""
    lanes: tuple[str, ...] = CHOSEN_LANES
    """Lanes of evidence beside the score, of CHOSEN_LANES; the learned lane always runs."""
    max_findings: int = 8
    """Of each lane; the rarest among camera clips are kept."""
    object_detector: str | None = None
    """ONNX file that names objects; None = whatever moves or changes is a thing."""
    face_detector: str | None = None
    """ONNX file that finds faces; None = that of `unreel models pull faces`, if it was fetched."""
    hand_detector: str | None = None
    """Folder with the networks that find hands (`unreel models pull hands`); None = no hand is
    looked for, for it costs about as much as all other evidence."""
    trust_lists: tuple[str, ...] = ()
    """PEM files with the certificates of C2PA signers to trust."""
