"""Published statistics beside linear probes, on the same embeddings, clips and folds.

    python benchmarks/peers/compare.py FEATURES --manifest corpus/manifest.csv
    python benchmarks/peers/compare.py TOKENS --array tokens --manifest corpus/manifest.csv

FEATURES is a folder of .npz files as features.py tells. D3 needs no training; ReStraV's classifier
and the probes are fitted on four folds by group and judge the fifth, three seeds each.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from d3 import d3_score
from features import Windows, add_arguments, labels_of, read
from numpy.typing import NDArray
from restrav import classifier, restrav_features
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from unreel.training.metrics import measure

Array = NDArray[np.float64]
SEEDS = (0, 1, 2)


def linear(rows: int, seed: int) -> Pipeline:
    """A linear probe on whitened components."""
    reduce = PCA(min(120, rows // 2), whiten=True, random_state=seed)
    last = LogisticRegression(C=0.005, class_weight="balanced", max_iter=3000)
    return make_pipeline(StandardScaler(), reduce, last)


def of_folds(features: Array, labels: Array, folds: NDArray[np.int64], kind: str) -> Array:
    """Out-of-fold log odds, mean of the seeds; NaN for clips without features."""
    there = np.isfinite(features).all(axis=1)
    scores = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        train, test = there & (folds != fold), there & (folds == fold)
        rounds = []
        for seed in SEEDS if kind == "mlp" else SEEDS[:1]:
            model = classifier(seed) if kind == "mlp" else linear(int(train.sum()), seed)
            model.fit(features[train], labels[train])
            odds = np.clip(model.predict_proba(features[test])[:, 1], 1e-6, 1 - 1e-6)
            rounds.append(np.log(odds / (1 - odds)))
        scores[test] = np.mean(rounds, axis=0)
    return scores


def mean_of_windows(windows: list[Windows], statistic: Callable[[Array], object]) -> Array:
    """A statistic's mean over the windows of each clip that are long enough."""
    rows = []
    for clip in windows:
        found = np.array([statistic(z) for z in clip.embeddings], np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no window is long enough: NaN
            rows.append(np.nanmean(found, axis=0))
    return np.array(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_arguments(parser)
    windows = read(parser.parse_args())
    labels, groups, folds = labels_of(windows)
    frames = int(np.median([len(z) for w in windows for z in w.embeddings]))
    spread = np.array([np.concatenate(w.embeddings).std(axis=0) for w in windows])
    restrav = mean_of_windows(windows, lambda z: restrav_features(z, frames))
    rows = {
        "D3": mean_of_windows(windows, d3_score),
        f"ReStraV ({restrav.shape[1]} values, {frames} frames)": of_folds(
            restrav, labels, folds, "mlp"
        ),
        "linear probe, mean over time": of_folds(
            np.array([np.concatenate(w.embeddings).mean(axis=0) for w in windows]),
            labels, folds, "linear",
        ),
        "linear probe, spread over time": of_folds(spread, labels, folds, "linear"),
    }  # fmt: skip
    print("| score | clips (real) | AUC [95 %] | TPR@5% | both, mean of folds |")
    print("|---|---|---|---|---|")
    for name, scores in rows.items():
        there = np.isfinite(scores)
        m = measure(
            labels[there], scores[there], groups[there], calibrated=False, folds=folds[there]
        )
        print(
            f"| {name} | {m.clips} ({m.real}) | {m.auc:.3f} [{m.auc_low:.3f}, {m.auc_high:.3f}] "
            f"| {m.tpr_at_5:.3f} | {m.auc_of_folds:.3f} / {m.tpr_at_5_of_folds:.3f} |"
        )


if __name__ == "__main__":
    main()
