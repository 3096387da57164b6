"""Two clips side by side, as rows of words and bars of scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unreel.detector.jsonin import from_json
from unreel.detector.report import charts, verbal, view
from unreel.detector.serve.answers import Clip
from unreel.detector.serve.words import Words
from unreel.detector.text import two_digits

_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Bar:
    """Score of one stretch; in thousandths of the width and hundredths of the height."""

    x: float
    y: float
    width: float
    height: float
    reaches: bool


@dataclass(frozen=True, slots=True)
class Side:
    """What one column shows besides the rows."""

    id: str
    name: str
    picture: bool
    bars: tuple[Bar, ...]
    bars_label: str


def side_of(clip: Clip, report: dict[str, Any] | None, picture: bool, say: Words) -> Side:
    """One clip with its scores over time; `picture` = there is a thumbnail."""
    found = from_json(report) if report is not None else None
    if found is None or found.media is None:
        return Side(clip.id, clip.name, False, (), "")
    windows = [w for w in view.windows_of(found) if w.score is not None]
    bars = tuple(
        _bar(w.t_start, w.t_end, found.media.duration_seconds, w.score or 0.0, clip.threshold)
        for w in windows
    )
    most = verbal.score(max((w.score or 0.0 for w in windows), default=None), say)
    label = say("stretch-list", count=len(bars), most=most)
    return Side(clip.id, clip.name, picture, bars, label)


def _bar(start: float, end: float, duration: float, score: float, threshold: float | None) -> Bar:
    shape = charts.bar(start, end, duration, score)
    reaches = threshold is not None and score >= threshold
    return Bar(shape.x, shape.y, shape.width, shape.height, reaches)


def rows_of(a: Clip, b: Clip, say: Words) -> list[tuple[str, str, str]]:
    """Key of the row, then what it says of either clip."""
    makers: dict[str, Callable[[Clip], str]] = {
        "verdict": lambda c: _verdict(c, say),
        "score": lambda c: verbal.score(c.score, say),
        "ratio": lambda c: _NOTHING if c.llr is None else say.mark(two_digits(10**c.llr)),
        "percentile": lambda c: (
            _NOTHING if c.percentile is None else f"{say.number(100 * c.percentile, 0)} %"
        ),
        "threshold": lambda c: verbal.score(c.threshold, say),
        "quality": lambda c: (
            _NOTHING if c.bucket is None else say.messages.get(f"bucket-{c.bucket}", c.bucket)
        ),
        "size": lambda c: (
            _NOTHING if c.width is None else f"{c.width} \N{MULTIPLICATION SIGN} {c.height}"
        ),
        "duration": lambda c: (
            _NOTHING if c.duration_seconds is None else say.seconds(c.duration_seconds)
        ),
        "bytes": lambda c: say.size(c.bytes),
        "model": lambda c: c.model or _NOTHING,
        "review": lambda c: say(f"review-{c.reviewed_as}") if c.reviewed_as else _NOTHING,
        "hash": lambda c: c.sha256 or _NOTHING,
    }
    return [(key, make(a), make(b)) for key, make in makers.items()]


def _verdict(clip: Clip, say: Words) -> str:
    if clip.state == "done":
        return say(f"label-{clip.label}")
    if clip.state == "error":
        return f"{say('label-error')}: {clip.error_code}"
    return say(f"state-{clip.state}")
