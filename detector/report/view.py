"""From a record and its pictures to what the page shows: every number and word decided here.

The template only places what stands in a View.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unreel.detector.gallery import Gallery
from unreel.detector.records import Finding, Measured, Report, ShotScore, Verdict, WindowScore
from unreel.detector.report import charts, pictures, verbal
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.report.sentences import Sentence, translated
from unreel.detector.text import printable

MAX_SHOTS = 500
"""In the timeline and its table; the page says when there are more."""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """One thing on the timeline that can be reached by keyboard."""

    kind: str
    """window, finding or shot"""
    number: int
    shape: charts.Mark
    label: str
    reaches: bool = False
    """At or above the threshold."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows over the same time axis."""

    windows: tuple[TimelineMark, ...]
    shots: tuple[TimelineMark, ...]
    findings: tuple[TimelineMark, ...]
    frames: charts.Series | None
    threshold_y: float | None
    ticks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StripFrame:
    """A key frame of the film strip."""

    image: str
    heat: str | None
    width: int
    height: int
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class ShotRow:
    """A line of the table of shots."""

    number: int
    span: str
    score: str
    remark: Sentence | None


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A line of the table of lanes."""

    name: str
    status: str
    score: str
    findings: int
    confounders: tuple[str, ...]
    reason: Sentence | None


def name_of(report: Report) -> str:
    """The file's own name, harmless to look at."""
    return printable(os.path.basename(report.path)) or printable(report.path)


def windows_of(report: Report) -> list[WindowScore]:
    """Scores of all stretches, by time."""
    found = [w for e in report.evidence if isinstance(e, Measured) for w in e.windows]
    return sorted(found, key=lambda w: w.t_start)


def headline(report: Report, say: Catalogue) -> str:
    """The verdict in one sentence."""
    verdict = report.verdict
    if verdict is None:
        return say("error-note")
    if verdict.llr is None:
        return translated("; ".join(verdict.reasons), say).text
    return verbal.likelihood(verdict, say)


def blind_spots(report: Report, say: Catalogue) -> list[str | Sentence]:
    """What could not be looked at, most important first."""
    media, lines = report.media, []
    if media is None:
        return []
    windows = windows_of(report)
    looked = say.seconds(_covered(windows))
    total = say.seconds(media.duration_seconds)
    found: list[str | Sentence] = [
        say("blind-seconds", looked=looked, total=total, count=len(windows))
    ]
    by_reason: dict[str, int] = {}
    for shot in report.shots:
        if shot.score is None and shot.reason:
            by_reason[shot.reason] = by_reason.get(shot.reason, 0) + 1
    for reason, count in by_reason.items():
        why = translated(printable(reason), say).text
        lines.append(say("blind-shots", count=count, total=len(report.shots), reason=why))
    for evidence in report.evidence:
        if not isinstance(evidence, Measured):
            why = translated(printable(evidence.reason), say).text
            lines.append(say("blind-lane", lane=printable(evidence.lane), reason=why))
    found += lines
    found += [translated(printable(warning), say) for warning in media.warnings]
    found.append(say("blind-sound" if media.has_audio else "blind-no-sound"))
    looked_at = any(isinstance(e, Measured) and e.lane == "faces" for e in report.evidence)
    found.append(say("blind-speech" if looked_at else "blind-faces"))
    return found


def _covered(windows: Sequence[WindowScore]) -> float:
    """Seconds inside at least one window."""
    covered, end = 0.0, 0.0
    for window in windows:
        covered += max(0.0, window.t_end - max(window.t_start, end))
        end = max(end, window.t_end)
    return covered


def timeline(report: Report, gallery: Gallery, say: Catalogue) -> Timeline | None:
    """Scores of windows and shots, findings and frame logits over time."""
    media, verdict = report.media, report.verdict
    if media is None or verdict is None:
        return None
    duration = media.duration_seconds
    threshold = verdict.operating_point.threshold if verdict.operating_point else None
    return Timeline(
        windows=tuple(
            _window_mark(n, w, duration, threshold, say)
            for n, w in enumerate(windows_of(report), 1)
        ),
        shots=tuple(
            TimelineMark(
                "shot",
                n,
                charts.mark(s.t_start, s.t_end, duration),
                say(
                    "timeline-shot",
                    number=n,
                    span=say.span(s.t_start, s.t_end),
                    score=verbal.score(s.score, say),
                ),
                _reaches(s.score, threshold),
            )
            for n, s in enumerate(report.shots[:MAX_SHOTS], 1)
        ),
        findings=_finding_marks(report.findings, duration, say),
        frames=charts.series(gallery.frame_logits, 0.0, duration),
        threshold_y=None if threshold is None else round(100 - 100 * threshold, 1),
        ticks=tuple(say.seconds(duration * part) for part in (0, 0.25, 0.5, 0.75, 1)),
    )


def _finding_marks(
    findings: Sequence[Finding], duration: float, say: Catalogue
) -> tuple[TimelineMark, ...]:
    """One mark each; those that overlap in time lie one below the other."""
    rows = charts.stacked([(f.t_start, f.t_end) for f in findings], gap=0.006 * duration)
    height = 100 / (max(rows, default=0) + 1)
    return tuple(
        TimelineMark(
            "finding",
            number,
            charts.mark(f.t_start, f.t_end, duration, y=row * height + 4, height=height - 8),
            say(
                "timeline-finding",
                number=number,
                span=say.span(f.t_start, f.t_end),
                code=printable(f.code),
            ),
        )
        for number, (f, row) in enumerate(zip(findings, rows, strict=True), 1)
    )


def _window_mark(
    number: int, window: WindowScore, duration: float, threshold: float | None, say: Catalogue
) -> TimelineMark:
    score = window.score or 0.0
    label = say(
        "timeline-window",
        number=number,
        span=say.span(window.t_start, window.t_end),
        shot=window.shot + 1,
        score=verbal.score(window.score, say),
    )
    shape = charts.bar(window.t_start, window.t_end, duration, score)
    return TimelineMark("window", number, shape, label, _reaches(window.score, threshold))


def _reaches(score: float | None, threshold: float | None) -> bool:
    return score is not None and threshold is not None and score >= threshold


def heat_scale(gallery: Gallery) -> float:
    """The logit that gets the strongest colour: what one place in fifty exceeds, at least 2."""
    grids = [k.patch_logits.ravel() for k in gallery.key_frames if k.patch_logits is not None]
    if not grids:
        return 2.0
    return max(2.0, float(np.quantile(np.abs(np.concatenate(grids)), 0.98)))


def strip(
    report: Report, gallery: Gallery, say: Catalogue, fineness: pictures.Fineness
) -> list[StripFrame]:
    """The key frames with their heat maps."""
    most, windows, found = heat_scale(gallery), windows_of(report), []
    for kept in gallery.key_frames:
        height, width = kept.frame.shape[:2]
        score = next((w.score for w in windows if w.t_start <= kept.t <= w.t_end), None)
        heat = None
        if kept.patch_logits is not None:
            heat = pictures.heat_map(kept.patch_logits, most, width, height)
        at = say.seconds(kept.t)
        found.append(
            StripFrame(
                pictures.jpeg(kept.frame, fineness),
                heat,
                width,
                height,
                say("frame-at", time=at, shot=kept.shot + 1),
                say("frame-caption", time=at, score=verbal.score(score, say)),
            )
        )
    return found


def faces(
    report: Report, gallery: Gallery, say: Catalogue, fineness: pictures.Fineness
) -> list[StripFrame]:
    """The faces that were judged, upright, with the places that speak for manipulation."""
    scores = {
        t.track: t.score for e in report.evidence if isinstance(e, Measured) for t in e.tracks
    }
    values = [kept.patch_logits.ravel() for kept in gallery.faces]
    most = max(2.0, float(np.quantile(np.abs(np.concatenate(values)), 0.98))) if values else 2.0
    found = []
    for kept in gallery.faces:
        height, width = kept.crop.shape[:2]
        time, score = say.seconds(kept.t), verbal.score(scores.get(kept.track), say)
        found.append(
            StripFrame(
                pictures.jpeg(kept.crop, fineness),
                pictures.heat_map(kept.patch_logits, most, width, height),
                width,
                height,
                say("face-alt", track=kept.track, time=time),
                say("face-caption", track=kept.track, time=time, score=score),
            )
        )
    return found


def face_sentences(report: Report, say: Catalogue) -> list[str]:
    """What the faces lane says beside the verdict: each face that reaches its threshold."""
    return [
        say(
            "face-manipulated",
            track=track.track,
            span=say.span(*track.strongest),
            score=verbal.score(track.score, say),
        )
        for track in report.manipulated_faces
    ]


def shot_rows(shots: Sequence[ShotScore], say: Catalogue) -> list[ShotRow]:
    """The first MAX_SHOTS shots."""
    return [
        ShotRow(
            number,
            say.span(shot.t_start, shot.t_end),
            verbal.score(shot.score, say),
            translated(printable(shot.reason), say) if shot.reason else None,
        )
        for number, shot in enumerate(shots[:MAX_SHOTS], 1)
    ]


def lane_rows(report: Report, say: Catalogue) -> list[LaneRow]:
    """What each lane did."""
    rows = []
    for evidence in report.evidence:
        name = say.messages.get(f"lane-{evidence.lane}", printable(evidence.lane))
        status = say(f"status-{evidence.status}")
        if isinstance(evidence, Measured):
            checked = {c for f in evidence.findings for c in f.confounders_checked}
            rows.append(
                LaneRow(
                    name,
                    status,
                    verbal.score(evidence.score, say),
                    len(evidence.findings),
                    tuple(sorted(printable(c) for c in checked)),
                    None,
                )
            )
        else:
            reason = translated(printable(evidence.reason), say)
            rows.append(LaneRow(name, status, verbal.score(None, say), 0, (), reason))
    return rows


def reasons(verdict: Verdict, say: Catalogue) -> list[Sentence]:
    """What decided the label."""
    return [translated(printable(reason), say) for reason in verdict.reasons]


def describe_chart(
    gallery: Gallery, verdict: Verdict, say: Catalogue
) -> tuple[charts.ScoreChart, str] | None:
    """The score picture and the same in words."""
    reference = gallery.reference
    if reference is None or verdict.score is None or not reference.camera_scores:
        return None
    threshold = verdict.operating_point.threshold if verdict.operating_point else None
    words = [
        say(
            "score-chart",
            score=verbal.score(verdict.score, say),
            camera=verbal.score(reference.camera_scores[50], say),
        )
    ]
    if reference.generated_scores:
        half = verbal.score(reference.generated_scores[50], say)
        words.append(say("score-chart-generated", generated=half))
    if threshold is not None:
        words.append(say("score-chart-threshold", threshold=verbal.score(threshold, say)))
    return charts.score_chart(reference, verdict.score, threshold), " ".join(words)
