"""What was found on faces, in sentences; beside the verdict, which they never change."""

from __future__ import annotations

from unreel.detector.records import FaceTrackScore, Report

LABELS = {
    "generated": "evidence of generation",
    "inconclusive": "inconclusive as to generation",
    "no-evidence": "no evidence of generation",
}
"""The words of a verdict where something else is said beside it."""


def in_short(report: Report) -> str:
    """The verdict and the faces in one sentence; empty without a verdict.

    "no evidence of generation; face manipulation in track 2 between 1.0 and 3.4 s"
    """
    if report.verdict is None:
        return ""
    faces = [manipulation(track) for track in report.manipulated_faces]
    return "; ".join([LABELS[report.verdict.label], *faces])


def manipulation(track: FaceTrackScore) -> str:
    """One face that reaches the threshold."""
    t_start, t_end = track.strongest
    return f"face manipulation in track {track.track} between {t_start:.1f} and {t_end:.1f} s"
