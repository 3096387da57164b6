"""Fits the weights of lanes, and asks whether a lane earns one.

Weights are fitted on out-of-fold logits of all groups but those that the result is measured on. A
lane is kept where the fused score beats the learned lane alone on the groups left out; the numbers
of a fit on the same clips would always say yes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from unreel.detector.fusion import Fusion, LaneWeight

Array = NDArray[np.float64]


def fit_fusion(logits: Mapping[str, Array], labels: Array) -> Fusion:
    """Logistic regression with balanced classes on the lanes' logits.

    Args:
        logits: (n,) of each lane, out of fold; NaN where it had nothing to say.
        labels: (n,) 1 = generated.
    """
    lanes, columns = {}, []
    for name, values in logits.items():
        there = np.isfinite(values)
        means = [values[there & (labels == c)].mean() for c in (0, 1)]
        neutral = float(np.mean(means))
        low, high = float(values[there].min()), float(values[there].max())
        lanes[name] = (neutral, low, high, float(values[there].std()) + 1e-9)
        columns.append((np.where(there, values, neutral) - neutral) / lanes[name][3])
    model = LogisticRegression(C=1.0, class_weight="balanced")
    model.fit(np.stack(columns, axis=1), labels)
    weights = {
        name: LaneWeight(float(w) / spread, neutral, low, high)
        for w, (name, (neutral, low, high, spread)) in zip(
            model.coef_[0], lanes.items(), strict=True
        )
    }
    shift = sum(lane.weight * lane.neutral for lane in weights.values())
    return Fusion(weights, float(model.intercept_[0]) - shift)


def fused_out_of_fold(
    logits: Mapping[str, Array], labels: Array, folds: NDArray[np.int64]
) -> Array:
    """(n,) fused logits, each by weights that its own fold took no part in."""
    fused = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        fusion = fit_fusion({k: v[~test] for k, v in logits.items()}, labels[~test])
        for i in np.flatnonzero(test):
            said = {k: float(v[i]) if np.isfinite(v[i]) else None for k, v in logits.items()}
            fused[i] = fusion.logit(said)
    return fused
