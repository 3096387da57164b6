"""Reports made by hand for the tests of what renders them: a real clip, invented findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unreel.detector.gallery import Gallery
from unreel.detector.media import open_media
from unreel.detector.records import (
    Failed,
    Finding,
    Measured,
    ModelInfo,
    OperatingPoint,
    Reference,
    Report,
    ShotScore,
    Skipped,
    Verdict,
    WindowPictures,
    WindowScore,
)

HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}</script>\x1b[2J\u202e"
"""Markup, template syntax, terminal and direction controls."""

REFERENCE = Reference(
    "pooled",
    tuple(np.linspace(0.02, 0.8, 101).tolist()),
    tuple(np.linspace(0.3, 0.98, 101).tolist()),
    289,
    200,
)


def finding(text: str = "3 -> 4 -> 3", code: str = "object-count-flicker") -> Finding:
    """Boxes that wander to the right from 0.5 to 1.2 s, and the counts behind it."""
    return Finding(
        code=code,
        lane="objects",
        t_start=0.5,
        t_end=1.2,
        boxes=tuple((0.5 + 0.1 * i, 30.0 + 10 * i, 60.0, 60.0, 50.0) for i in range(8)),
        statistic="count",
        value=1.0,
        percentile_among_real=0.993,
        confounders_checked=("cut", "edge"),
        explanation=text,
        series=tuple((0.25 * i, 3.0 + (2 <= i < 5)) for i in range(9)),
    )


def case(clip: Path, text: str = "3 -> 4 -> 3") -> tuple[Report, Gallery]:
    """A report on a clip of two seconds with every kind of content, and its pictures."""
    gallery = Gallery()
    with open_media(str(clip)) as reader:
        media = reader.media
        windows = (WindowScore(0, 0.0, 0.9, 2.0, 0.9), WindowScore(1, 1.0, 1.9, -1.0, 0.3))
        learned = Measured("learned", 0.5, windows, (), 0.7)
        objects = Measured("objects", 0.0, (), (finding(text), finding(text, "teleport")), 0.6)
        report = Report(
            path=str(clip),
            model=ModelInfo("small", "0.1.0", "cd" * 32),
            media=media,
            sha256=media.sha256,
            bytes=media.bytes,
            verdict=Verdict(
                "inconclusive",
                0.7,
                0.37,
                0.95,
                OperatingPoint(0.01, 0.86, "pooled"),
                (
                    "1 of 2 judged shots alone reach the threshold; about 2 % of camera videos "
                    "with so many shots would show one by chance",
                ),
                2.4,
                289,
            ),
            shots=(
                ShotScore(0.0, 1.0, 0.9),
                ShotScore(1.0, 1.9, 0.3),
                ShotScore(1.9, 2.0, None, "too short, or beyond the budget of windows"),
            ),
            evidence=(learned, objects, Skipped("faces", text), Failed("physics", text)),
            recheck_score=0.66,
            run={"started": "2026-01-02T03:04:05+00:00", "host": "never-shown"},
        )
        rng = np.random.default_rng(0)
        pictures = [
            WindowPictures(
                w.shot,
                np.linspace(w.t_start, w.t_end, 4),
                rng.integers(0, 255, (4, 96, 128, 3), np.uint8),
                rng.normal(size=4).astype(np.float32),
                rng.normal(size=(4, 3, 4)).astype(np.float32),
            )
            for w in windows
        ]
        gallery.take(report, reader, pictures, REFERENCE)
    return report, gallery
