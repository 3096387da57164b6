"""A report as a scan would give it, for tests of what is written about one."""

from __future__ import annotations

from unreel.detector.records import (
    Measured,
    Media,
    ModelInfo,
    OperatingPoint,
    Report,
    ShotScore,
    Verdict,
    WindowScore,
)

MEDIA = Media(
    path="pups.mp4",
    sha256="ab" * 32,
    bytes=1_000_000,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    bit_depth=8,
    hdr=False,
    width=1280,
    height=720,
    rotation_degrees=0,
    fps=24.0,
    variable_frame_rate=False,
    frames=128,
    duration_seconds=5.333,
    start_seconds=0.0,
    has_audio=False,
    decoder="decord 3.4.0",
)
VERDICT = Verdict(
    label="generated",
    score=0.97,
    llr=1.6,
    percentile_among_real=1 - 1 / 140,
    operating_point=OperatingPoint(0.01, 0.91, "720"),
    reasons=("the score reaches the threshold",),
    llr_cap=2.0,
    camera_clips=289,
)
REPORT = Report(
    path="pups.mp4",
    model=ModelInfo("small", "0.1.0", "cd" * 32),
    media=MEDIA,
    sha256="ab" * 32,
    bytes=1_000_000,
    verdict=VERDICT,
    shots=(ShotScore(0.0, 5.333, 0.97),),
    evidence=(
        Measured(
            "learned",
            3.0,
            (WindowScore(0, 0.8, 2.1, 4.0, 0.98), WindowScore(0, 3.0, 4.8, 2.5, 0.92)),
        ),
    ),
)
