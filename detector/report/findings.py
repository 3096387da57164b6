"""What the page shows of each finding: three moments with boxes, a loop, the series behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.gallery import Gallery, Scene
from unreel.detector.records import Finding, Media, Report
from unreel.detector.report import charts, pictures
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.text import printable

POSTER = pictures.Fineness(50, 0, 0.5)
"""Of the picture that stands where a loop does not play yet."""
BOX_REACH_SECONDS = 0.25
"""A box is drawn on frames up to this far from its own time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame before, during or after a finding."""

    image: str
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the page shows it."""

    number: int
    code: str
    lane: str
    span: str
    explanation: str
    measure: str
    percentile: str
    confounders: tuple[str, ...]
    moments: tuple[Moment, ...]
    loop: str | None
    poster: str
    loop_label: str
    series: charts.Series | None
    series_label: str


def shown(
    report: Report, gallery: Gallery, say: Catalogue, fineness: pictures.Fineness
) -> list[Shown]:
    """All findings by time."""
    if report.media is None:
        return []
    scenes: Sequence[Scene | None] = gallery.scenes
    return [
        _shown(n, finding, scenes[n - 1] if n <= len(scenes) else None, report.media, say, fineness)
        for n, finding in enumerate(report.findings, 1)
    ]


def _shown(
    n: int,
    finding: Finding,
    scene: Scene | None,
    media: Media,
    say: Catalogue,
    fineness: pictures.Fineness,
) -> Shown:
    span = say.span(finding.t_start, finding.t_end)
    line, line_label = _series(finding, say)
    drawn = [] if scene is None else _with_boxes(scene, finding, media)
    percentile = say("finding-percentile-unknown")
    if finding.percentile_among_real is not None:
        percent = say.mark(f"{100 * finding.percentile_among_real:.3g}")
        percentile = say("finding-percentile", percent=percent)
    return Shown(
        number=n,
        code=printable(finding.code),
        lane=printable(finding.lane),
        span=span,
        explanation=printable(finding.explanation),
        measure=say(
            "finding-measure",
            statistic=printable(finding.statistic),
            value=say.mark(f"{finding.value:.4g}"),
        ),
        percentile=percentile,
        confounders=tuple(printable(c) for c in finding.confounders_checked),
        moments=() if scene is None else _moments(n, drawn, scene, finding, say, fineness),
        loop=pictures.loop(drawn, scene.pts_seconds, fineness) if scene is not None else None,
        poster=pictures.jpeg(drawn[len(drawn) // 2], POSTER) if drawn else "",
        loop_label=say("finding-loop-label", number=n, span=span),
        series=line,
        series_label=line_label,
    )


def boxes_at(finding: Finding, t: float, media: Media) -> list[pictures.Box]:
    """The boxes of a finding that belong on a frame, as shares of it.

    Those of the nearest moment that has any: a finding may box several things at once.
    """
    return boxes_near(finding.boxes, t, media)


def boxes_near(
    boxes: Sequence[tuple[float, float, float, float, float]], t: float, media: Media
) -> list[pictures.Box]:
    """Those boxes (t, x, y, w, h) in pixels that belong on the frame at `t`, as shares of it."""
    if not boxes:
        return []
    nearest = min((box[0] for box in boxes), key=lambda time: abs(time - t))
    if abs(nearest - t) > BOX_REACH_SECONDS:
        return []
    width, height = max(media.width, 1), max(media.height, 1)
    return [
        (x / width, y / height, w / width, h / height)
        for time, x, y, w, h in boxes
        if time == nearest
    ]


def _with_boxes(scene: Scene, finding: Finding, media: Media) -> list[NDArray[np.uint8]]:
    return [
        pictures.with_boxes(frame, boxes_at(finding, float(t), media))
        for t, frame in zip(scene.pts_seconds, scene.frames, strict=True)
    ]


def _moments(
    n: int,
    drawn: Sequence[NDArray[np.uint8]],
    scene: Scene,
    finding: Finding,
    say: Catalogue,
    fineness: pictures.Fineness,
) -> tuple[Moment, ...]:
    """Up to three frames: the last before, the middle one, the first after the finding."""
    times = scene.pts_seconds
    before = np.flatnonzero(times < finding.t_start)
    inside = np.flatnonzero((times >= finding.t_start) & (times <= finding.t_end))
    after = np.flatnonzero(times > finding.t_end)
    chosen = [
        ("finding-before", before[-1:]),
        ("finding-during", inside[len(inside) // 2 :][:1]),
        ("finding-after", after[:1]),
    ]
    found = []
    for key, rows in chosen:
        for row in rows:
            at, moment = say.seconds(float(times[row])), say(key)
            alt = say("box-alt", number=n, moment=moment.lower(), time=at)
            height, width = drawn[row].shape[:2]
            caption = f"{moment} \N{MIDDLE DOT} {at}"
            found.append(Moment(pictures.jpeg(drawn[row], fineness), alt, caption, width, height))
    return tuple(found)


def _series(finding: Finding, say: Catalogue) -> tuple[charts.Series | None, str]:
    """The line of what was counted or measured, and its label."""
    points = finding.series
    counts = all(float(v).is_integer() for _, v in points)
    line = charts.series(points, points[0][0], points[-1][0], steps=counts) if points else None
    if line is None:
        return None, ""
    label = say(
        "finding-series",
        statistic=printable(finding.statistic),
        low=say.mark(f"{line.low:.4g}"),
        high=say.mark(f"{line.high:.4g}"),
    )
    return line, label
