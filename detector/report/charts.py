"""The geometry of the report's drawings, as numbers and SVG paths; the templates place them.

Every drawing is 1000 units wide and stretched to the width of the page, so it holds no text:
labels stand beside it as text of the page, readable at any width and by screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unreel.detector.records import Reference

WIDTH = 1000.0
MAX_ROWS = 4
"""Of findings that overlap in time; more would be too thin to be hit."""
BANDWIDTH = 0.035
"""Of the density of reference scores, in score units: about three times their spacing."""


@dataclass(frozen=True, slots=True)
class ScoreChart:
    """Densities of the reference scores, heights 0..100 from the bottom."""

    camera: str
    """SVG path, closed."""
    generated: str | None
    clip_x: float
    threshold_x: float | None


def score_chart(reference: Reference, score: float, threshold: float | None) -> ScoreChart:
    """Where a clip lies among the reference clips.

    Args:
        reference: Quantiles of their scores.
        score: Of the clip, 0..1.
        threshold: Where `generated` begins.
    """
    camera = _density(reference.camera_scores)
    generated = _density(reference.generated_scores) if reference.generated_scores else None
    top = max(d.max() for d in (camera, generated) if d is not None)
    return ScoreChart(
        _area(camera / top),
        None if generated is None else _area(generated / top),
        score * WIDTH,
        None if threshold is None else threshold * WIDTH,
    )


def _density(quantiles: Sequence[float]) -> NDArray[np.float64]:
    """Kernel density at 101 places of 0..1, mirrored at both ends: no score lies outside."""
    x = np.linspace(0, 1, 101)[:, None]
    q = np.asarray(quantiles)[None]
    total = np.zeros(len(x))
    for centre in (q, -q, 2 - q):
        total += np.exp(-0.5 * ((x - centre) / BANDWIDTH) ** 2).sum(axis=1)
    return total


def _area(heights: NDArray[np.float64]) -> str:
    xs = np.linspace(0, WIDTH, len(heights))
    points = " L".join(f"{x:.0f} {100 - 96 * h:.1f}" for x, h in zip(xs, heights, strict=True))
    return f"M0 100 L{points} L{WIDTH:.0f} 100 Z"


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle on the timeline."""

    x: float
    width: float
    y: float
    height: float


def mark(
    t_start: float, t_end: float, duration: float, *, y: float = 0.0, height: float = 100.0
) -> Mark:
    """A stretch of time as a rectangle that can be seen and hit, also where it is short."""
    scale = WIDTH / max(duration, 1e-6)
    width = min(max((t_end - t_start) * scale, 6.0), WIDTH)
    x = min(max(t_start * scale, 0.0), WIDTH - width)
    return Mark(round(x, 1), round(width, 1), round(y, 1), round(height, 1))


def stacked(spans: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """For each span of time the first of MAX_ROWS rows in which it overlaps nothing.

    Args:
        spans: (start, end) in seconds, by start.
        gap: Seconds that must lie between two spans of a row.
    """
    ends: list[float] = []
    rows = []
    for start, end in spans:
        free = [row for row, last in enumerate(ends) if last + gap <= start]
        row = free[0] if free else min(len(ends), MAX_ROWS - 1)
        if row == len(ends):
            ends.append(end)
        ends[row] = max(ends[row], end)
        rows.append(row)
    return rows


def bar(t_start: float, t_end: float, duration: float, score: float) -> Mark:
    """A bar that stands on the ground line, as high as the score; never too low to be seen."""
    height = max(2.0, 100 * score)
    return mark(t_start, t_end, duration, y=100 - height, height=height)


@dataclass(frozen=True, slots=True)
class Series:
    """A line over time, and the values at its top and bottom."""

    path: str
    low: float
    high: float
    zero_y: float | None = None
    """Where the value 0 lies, when it lies inside."""


def series(
    points: Sequence[tuple[float, float]], t_start: float, t_end: float, *, steps: bool = False
) -> Series | None:
    """A measured or counted series as a line.

    Args:
        points: (seconds, value), ascending in time.
        t_start: Left edge.
        t_end: Right edge.
        steps: A value holds until the next one, as counts do.

    Returns:
        None for fewer than two finite points.
    """
    inside = [(t, v) for t, v in points if np.isfinite(t) and np.isfinite(v)]
    if len(inside) < 2:
        return None
    values = [v for _, v in inside]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    scale = WIDTH / max(t_end - t_start, 1e-6)

    def place(t: float, v: float) -> str:
        x = min(max((t - t_start) * scale, 0.0), WIDTH)
        return f"{x:.1f} {_height(v, low, spread):.1f}"

    parts = [place(*inside[0])]
    for (_, before), (t, v) in pairwise(inside):
        if steps:
            parts.append(place(t, before))
        parts.append(place(t, v))
    zero = _height(0.0, low, spread) if low < 0 < high else None
    return Series("M" + " L".join(parts), low, high, zero)


def _height(value: float, low: float, spread: float) -> float:
    return 95 - 90 * (value - low) / spread
