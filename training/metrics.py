"""Numbers that are printed together, never alone.

All take labels (1 = generated) and scores or logits (higher = generated).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metrics:
    """One row of a results table."""

    clips: int
    real: int
    auc: float
    auc_low: float
    """Lower end of the bootstrap 95 % interval, resampling groups."""
    auc_high: float
    auc_of_folds: float
    """Mean of the folds' own AUCs: fold models differ in where their logits lie, which costs the
    pooled AUC and no single model. NaN without folds."""
    tpr_at_5_of_folds: float
    tpr_at_5: float
    """True positive rate where 5 % of the real clips are flagged."""
    tpr_at_1: float
    tpr_at_1_low: float
    tpr_at_1_high: float
    brier: float
    """Class-balanced, of calibrated probabilities; NaN for uncalibrated scores."""
    ece: float
    """Class-balanced expected calibration error in ten bins; NaN likewise."""

    def as_dict(self) -> dict[str, float | None]:
        """For metrics.json, where what is not a number is null."""
        return {k: None if np.isnan(v) else round(float(v), 4) for k, v in asdict(self).items()}


def auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve; NaN when a class is absent."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(roc_auc_score(labels, scores))


def tpr_at(labels: Array, scores: Array, fpr: float) -> float:
    """Share of generated clips above the threshold that flags at most `fpr` of the real ones."""
    real = np.sort(scores[labels == 0])[::-1]
    allowed = int(np.floor(fpr * len(real) + 1e-9))
    threshold = real[allowed] if allowed < len(real) else -np.inf
    return float((scores[labels == 1] > threshold).mean())


def balanced_brier(labels: Array, probability: Array) -> float:
    """Mean squared error, both classes weighing the same."""
    error = (probability - labels) ** 2
    return float((error[labels == 1].mean() + error[labels == 0].mean()) / 2)


def balanced_ece(labels: Array, probability: Array, bins: int = 10) -> float:
    """Expected calibration error with class-balanced weights."""
    weight = np.where(labels == 1, 0.5 / (labels == 1).sum(), 0.5 / (labels == 0).sum())
    which = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            w = weight[inside]
            total += abs((w * (probability[inside] - labels[inside])).sum())
    return float(total)


def measure(
    labels: Array,
    scores: Array,
    groups: NDArray[np.str_],
    *,
    calibrated: bool,
    folds: NDArray[np.int64] | None = None,
    resamples: int = 500,
    seed: int = 0,
) -> Metrics:
    """A full row; intervals by resampling whole groups, since clips of one source are not
    independent.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,) probabilities when `calibrated`, else any monotone score.
        groups: (n,) group of each clip.
        calibrated: Whether Brier and ECE mean anything.
        folds: (n,) fold of each clip, for the means of folds.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap.
    """
    aucs, tprs = resampled(labels, scores, groups, fpr=0.01, resamples=resamples, seed=seed)
    low, high = np.percentile(aucs, [2.5, 97.5])
    tpr_low, tpr_high = np.percentile(tprs, [2.5, 97.5])
    nan = float("nan")
    parts = [] if folds is None else [folds == f for f in np.unique(folds)]
    return Metrics(
        clips=len(labels),
        real=int((labels == 0).sum()),
        auc=auc(labels, scores),
        auc_low=float(low),
        auc_high=float(high),
        auc_of_folds=float(np.mean([auc(labels[p], scores[p]) for p in parts])) if parts else nan,
        tpr_at_5_of_folds=(
            float(np.mean([tpr_at(labels[p], scores[p], 0.05) for p in parts])) if parts else nan
        ),
        tpr_at_5=tpr_at(labels, scores, 0.05),
        tpr_at_1=tpr_at(labels, scores, 0.01),
        tpr_at_1_low=float(tpr_low),
        tpr_at_1_high=float(tpr_high),
        brier=balanced_brier(labels, scores) if calibrated else nan,
        ece=balanced_ece(labels, scores) if calibrated else nan,
    )


def resampled(
    labels: Array,
    scores: Array,
    groups: NDArray[np.str_],
    *,
    fpr: float,
    resamples: int,
    seed: int = 0,
) -> tuple[Array, Array]:
    """AUC and true positive rate of bootstrap samples of whole groups, all at once.

    A sample is how often each clip is in it. Sorted by score once, both numbers are running sums of
    these weights; they are those that `auc` and `tpr_at` give of the clips written out.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,) higher = generated.
        groups: (n,) what is drawn, with replacement.
        fpr: Share of real clips that may be flagged.
        resamples: Number of samples.
        seed: Of the draws.

    Returns:
        Two arrays with a value for each sample that has clips of both classes.
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    draws = rng.integers(count, size=(resamples, count))
    drawn = np.stack([np.bincount(row, minlength=count) for row in draws])  # (R, G)
    values, place = np.unique(scores, return_inverse=True)
    weights = []
    for label in (0.0, 1.0):
        of_class = np.zeros((count, len(values)))
        inside = labels == label
        np.add.at(of_class, (group[inside], place[inside]), 1.0)
        weights.append(drawn @ of_class)  # (R, V): clips of this class at each score
    real, generated = (w[(weights[0].sum(1) > 0) & (weights[1].sum(1) > 0)] for w in weights)
    all_real, all_generated = real.sum(1), generated.sum(1)
    below = np.cumsum(real, axis=1) - real
    aucs = (generated * (below + real / 2)).sum(1) / (all_real * all_generated)
    # The threshold is the highest score at which more real clips than allowed lie at or above it.
    allowed = np.floor(fpr * all_real + 1e-9)
    too_many = all_real[:, None] - below > allowed[:, None]
    return aucs, (generated * ~too_many).sum(1) / all_generated


def real_vs_real_floor(
    scores: Array, labels: Array, sources: NDArray[np.str_], least: int = 5
) -> tuple[float, int]:
    """How well the score tells one camera source from another: what must not count as skill.

    Returns:
        Mean AUC, folded to at least .5, over pairs of sources with `least` real clips or more, and
        the number of such sources.
    """
    real = labels == 0
    names = [s for s in np.unique(sources[real]) if (sources[real] == s).sum() >= least]
    found = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            inside = real & ((sources == a) | (sources == b))
            value = auc((sources[inside] == a).astype(float), scores[inside])
            found.append(max(value, 1 - value))
    return (float(np.mean(found)) if found else float("nan")), len(names)
