"""Measure a run (out of fold) or a model folder (on clips it was not trained on).

    unreel evaluate runs/small --manifest corpus/manifest.csv --condition all

Everything that belongs together is computed together: the score's AUC with its interval, recall at
fixed false alarms, calibration error, the probes that see no picture, frozen features on the same
folds, how well the score tells one camera source from another, single generators, face clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.detector.calibration import Calibration, bucket_name, parse_calibration
from unreel.detector.errors import UsageError
from unreel.training.baselines import baseline_scores, clip_features, features_file
from unreel.training.cache import FrameCache
from unreel.training.calibrate import HeldOut, calibration_of
from unreel.training.metrics import auc, measure, real_vs_real_floor
from unreel.training.probes import cadence_features, metadata_features, probe_scores

Array = NDArray[np.float64]
BAND = (0.01, 0.05)
"""Shares of false alarms at which `generated` and `inconclusive` begin."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Clips under one condition with their logits; all arrays have one row per clip."""

    condition: str
    clips: Sequence[Clip]
    logits: Array
    folds: NDArray[np.int64]
    """Of the run; all 0 for a model folder."""
    short_side: Array
    bits_per_pixel: Array

    def held_out(self) -> list[HeldOut]:
        """Rows for calibration: judged clips of the learned lane's classes."""
        rows = zip(self.clips, self.logits, self.short_side, self.bits_per_pixel, strict=True)
        return [
            HeldOut(c.sha256, c.is_positive, float(x), float(side), float(bits))
            for c, x, side, bits in rows
            if np.isfinite(x) and not c.is_face_only
        ]


def judged(
    condition: str,
    clips: Sequence[Clip],
    logits: Array,
    folds: NDArray[np.int64],
    cache: FrameCache,
) -> Judged:
    """Put logits and facts of the clips side by side."""
    facts = [cache.load(c, condition).facts for c in clips]
    side = [min(f.get("width", np.nan), f.get("height", np.nan)) for f in facts]
    bits = [f.get("bits_per_pixel", np.nan) for f in facts]
    return Judged(condition, clips, logits, folds, np.array(side), np.array(bits))


def nested_calibrations(conditions: Sequence[Judged], folds: int) -> list[Calibration]:
    """For each fold a calibration fitted on the held-out logits of all other folds."""
    found = []
    for fold in range(folds):
        rows = []
        for part in conditions:
            keep = part.folds != fold
            rows += Judged(
                part.condition,
                [c for c, k in zip(part.clips, keep, strict=True) if k],
                part.logits[keep], part.folds[keep],
                part.short_side[keep], part.bits_per_pixel[keep],
            ).held_out()  # fmt: skip
        found.append(parse_calibration(calibration_of(rows)))
    return found


def evaluate_condition(
    part: Judged, calibrations: Sequence[Calibration], cache: FrameCache, features: Path | None
) -> dict[str, Any]:
    """All numbers of one condition.

    Args:
        part: The judged clips.
        calibrations: By fold; each fitted without that fold.
        cache: For the probes' facts.
        features: Run folder that keeps frozen features; None = leave the baselines out.
    """
    there = np.isfinite(part.logits)
    face = np.array([c.is_face_only for c in part.clips])
    main = there & ~face
    labels = np.array([float(c.is_positive) for c in part.clips])
    groups = np.array([c.group for c in part.clips])
    scores, points = _calibrated(part, calibrations)
    folds = part.folds[main] if len(calibrations) > 1 else None
    rows = {
        "unreel": measure(labels[main], scores[main], groups[main], calibrated=True, folds=folds)
    }
    rows |= _peers(part, main, labels, groups, cache, features)
    floor, sources = real_vs_real_floor(
        part.logits[main], labels[main], np.array([c.source for c in part.clips])[main]
    )
    return {
        "condition": part.condition,
        "curve": {"labels": labels[main].tolist(), "scores": scores[main].round(5).tolist()},
        "not_judged": int((~there & ~face).sum()),
        "rows": {name: m.as_dict() for name, m in rows.items()},
        "real_vs_real_floor": round(floor, 4),
        "real_sources": sources,
        "labels": _label_shares(scores, points, labels, main),
        "generators": _generators(part, scores, labels, main),
        "faces": _families(part, scores, labels, there, face),
        "buckets": _buckets(part, scores, labels, main),
    }


def _calibrated(part: Judged, calibrations: Sequence[Calibration]) -> tuple[Array, Array]:
    """(n,) scores and (n, 2) thresholds at BAND of each clip's own fold and bucket."""
    scores = np.full(len(part.clips), np.nan)
    points = np.full((len(part.clips), len(BAND)), np.nan)
    for i, logit in enumerate(part.logits):
        if np.isfinite(logit):
            calibration = calibrations[part.folds[i]]
            bucket = bucket_name(part.short_side[i], part.bits_per_pixel[i])
            scores[i] = calibration.score(float(logit))
            points[i] = [_threshold(calibration, fpr, bucket) for fpr in BAND]
    return scores, points


def _threshold(calibration: Calibration, fpr: float, bucket: str) -> float:
    """Infinite where the camera clips are too few for that share: then nothing is flagged."""
    try:
        return calibration.operating_point(fpr, bucket).threshold
    except UsageError:
        return float("inf")


def _peers(
    part: Judged,
    main: NDArray[np.bool_],
    labels: Array,
    groups: NDArray[np.str_],
    cache: FrameCache,
    features: Path | None,
) -> dict[str, Any]:
    """The probes and, with folds, the frozen-feature baselines, on the same clips and folds."""
    if len(np.unique(part.folds)) < 2:
        return {}
    entries = [cache.load(c, part.condition) for c in part.clips]
    tables = {
        "probe: metadata": np.stack([metadata_features(e) for e in entries]),
        "probe: cadence and upscale": np.stack([cadence_features(e) for e in entries]),
    }
    folds = part.folds[main]
    found = {n: probe_scores(t[main], labels[main], folds) for n, t in tables.items()}
    if features is not None:
        kept = features_file(features, part.condition)
        frozen = clip_features(part.clips, part.condition, cache, kept)
        frozen = {kind: values[main] for kind, values in frozen.items()}
        scored = baseline_scores(frozen, labels[main], folds)
        found |= {f"frozen: {kind}": values for kind, values in scored.items()}
    return {
        name: measure(labels[main], values, groups[main], calibrated=False, folds=folds)
        for name, values in found.items()
    }


def _label_shares(
    scores: Array, points: Array, labels: Array, main: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Share of each class per label, thresholds taken from other folds (no re-encode check)."""
    shares = {}
    for name, cls in (("real", 0.0), ("generated", 1.0)):
        inside = main & (labels == cls)
        flagged = scores[inside] >= points[inside, 0]
        near = ~flagged & (scores[inside] >= points[inside, 1])
        shares[name] = {
            "generated": round(float(flagged.mean()), 4),
            "inconclusive": round(float(near.mean()), 4),
            "no-evidence": round(float((~flagged & ~near).mean()), 4),
        }
    return shares


def _generators(
    part: Judged, scores: Array, labels: Array, main: NDArray[np.bool_], least: int = 4
) -> dict[str, dict[str, float]]:
    """AUC of each generator with enough clips against all camera clips."""
    names = np.array([c.generator for c in part.clips])
    real = main & (labels == 0)
    found = {}
    for name, count in sorted(Counter(names[main & (labels == 1)]).items()):
        if count >= least:
            inside = real | (main & (labels == 1) & (names == name))
            value = auc(labels[inside], scores[inside])
            found[str(name)] = {"clips": count, "auc": round(value, 4)}
    return found


def _families(
    part: Judged, scores: Array, labels: Array, there: NDArray[np.bool_], face: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Extra rows: face manipulations, which this lane is not made for."""
    names = np.array([c.family for c in part.clips])
    found = {}
    for name in sorted(set(names[face])):
        inside = there & ((labels == 0) | (face & (names == name)))
        count = int((there & face & (names == name)).sum())
        found[str(name)] = {"clips": count, "auc": round(auc(labels[inside], scores[inside]), 4)}
    return found


def _buckets(
    part: Judged, scores: Array, labels: Array, main: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    names = np.array(
        [bucket_name(s, b) for s, b in zip(part.short_side, part.bits_per_pixel, strict=True)]
    )
    found = {}
    for name in sorted(set(names[main])):
        inside = main & (names == name)
        found[str(name)] = {
            "real": int((inside & (labels == 0)).sum()),
            "generated": int((inside & (labels == 1)).sum()),
            "auc": round(auc(labels[inside], scores[inside]), 4),
        }
    return found
