"""Fit calibration.json on out-of-fold logits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from unreel.detector.calibration import MIN_REAL_CLIPS, POOLED, bucket_name


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One clip under one condition, judged by a model that never saw its group."""

    clip: str
    """sha256 of the original."""
    positive: bool
    logit: float
    short_side: float
    bits_per_pixel: float


def fit_line(labels: NDArray[np.float64], logits: NDArray[np.float64]) -> tuple[float, float]:
    """(slope, intercept) of ln LR over the logit; classes weigh the same, so no prior is in it."""
    line = LogisticRegression(class_weight="balanced", C=1e6)
    line.fit(logits[:, None], labels)
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def calibration_of(rows: Sequence[HeldOut]) -> dict[str, Any]:
    """The content of calibration.json: the pooled bucket and those with enough camera clips."""
    names = [bucket_name(r.short_side, r.bits_per_pixel) for r in rows]
    buckets = {POOLED: _bucket(rows)}
    for name in sorted(set(names)):
        members = [r for r, n in zip(rows, names, strict=True) if n == name]
        real = len({r.clip for r in members if not r.positive})
        if real >= MIN_REAL_CLIPS and any(r.positive for r in members):
            buckets[name] = _bucket(members)
    labels = np.array([float(r.positive) for r in rows])
    slope, intercept = fit_line(labels, np.array([r.logit for r in rows]))
    return {
        "slope": slope,
        "intercept": intercept,
        "buckets": buckets,
        "real_clips": len({r.clip for r in rows if not r.positive}),
        "generated_clips": len({r.clip for r in rows if r.positive}),
    }


def _bucket(rows: Sequence[HeldOut]) -> dict[str, Any]:
    labels = np.array([float(r.positive) for r in rows])
    logits = np.array([r.logit for r in rows])
    return {
        "real_logits": [round(float(x), 4) for x in np.sort(logits[labels == 0])],
        "generated_logits": [round(float(x), 4) for x in np.sort(logits[labels == 1])],
        "real_clips": len({r.clip for r in rows if not r.positive}),
        "generated_clips": len({r.clip for r in rows if r.positive}),
    }


def write_calibration(path: Path, rows: Sequence[HeldOut]) -> dict[str, Any]:
    """Write calibration.json; returns its content."""
    content = calibration_of(rows)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return content
