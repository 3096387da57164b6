"""Does a lane earn a place in the score? Each beside the learned one, on groups left out.

    python benchmarks/lanes.py FEATURES --array tokens --manifest ../shared/corpus/manifest.csv

FEATURES is a folder of embeddings as benchmarks/peers/features.py tells, best (T, layers, D). The
learned lane is the regression on joined layers' means that the large model's head is; dynamics is a
regression on the geometry of one layer's path. Fusion weights are fitted on out-of-fold logits of
the other folds, whose regressions have seen clips of the fold: with two weights that is little.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parent / "peers"))  # a script's neighbours, not a package
from features import add_arguments, labels_of, read

from unreel.detector.lanes.dynamics import GEOMETRY_NAMES, path_geometry
from unreel.training.fusing import fused_out_of_fold
from unreel.training.metrics import auc, tpr_at

Array = NDArray[np.float64]
JOINED = (3, 5, 7, 9, 11)


def out_of_fold(features: Array, labels: Array, folds: NDArray[np.int64]) -> Array:
    """Log odds by regressions that have not seen the fold; NaN for clips without features."""
    there = np.isfinite(features).all(axis=1)
    scores = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        train, test = there & (folds != fold), there & (folds == fold)
        wide = features.shape[1] > 60
        reduce = [PCA(min(250, int(train.sum()) - 1), whiten=True, random_state=0)] if wide else []
        last = LogisticRegression(C=0.002 if wide else 0.3, class_weight="balanced", max_iter=3000)
        model = make_pipeline(StandardScaler(), *reduce, last)
        model.fit(features[train], labels[train])
        scores[test] = model.decision_function(features[test])
    return scores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Ablate lanes beside the learned one.")
    add_arguments(parser)
    windows = read(parser.parse_args())
    labels, _, folds = labels_of(windows)
    layers = [k for k in JOINED if k < len(windows[0].layers)] or [0]
    learned = np.array([w.layers[layers].ravel() for w in windows])
    geometry = []
    for clip in windows:
        found = [
            g.as_array()
            for z, t in zip(clip.embeddings, clip.times, strict=True)
            if (g := path_geometry(z, t)) is not None
        ]
        geometry.append(np.mean(found, axis=0) if found else np.full(len(GEOMETRY_NAMES), np.nan))
    lanes = {
        "learned": out_of_fold(learned, labels, folds),
        "dynamics": out_of_fold(np.array(geometry), labels, folds),
    }
    rows = dict(lanes)
    rows["learned + dynamics"] = fused_out_of_fold(lanes, labels, folds)
    both = np.concatenate([learned, np.nan_to_num(np.array(geometry))], axis=1)
    rows["one regression on both"] = out_of_fold(both, labels, folds)
    print("| score | clips (real) | AUC / TPR@5% | mean of folds | folds |")
    print("|---|---|---|---|---|")
    for name, scores in rows.items():
        ok = np.isfinite(scores)
        parts = [ok & (folds == f) for f in np.unique(folds)]
        aucs = [auc(labels[p], scores[p]) for p in parts]
        tprs = [tpr_at(labels[p], scores[p], 0.05) for p in parts]
        print(
            f"| {name} | {ok.sum()} ({int((labels[ok] == 0).sum())}) | "
            f"{auc(labels[ok], scores[ok]):.3f} / {tpr_at(labels[ok], scores[ok], 0.05):.3f} | "
            f"{np.mean(aucs):.3f} / {np.mean(tprs):.3f} | "
            f"{' '.join(f'{a:.3f}' for a in aucs)} |"
        )
    for name, column in zip(GEOMETRY_NAMES, np.array(geometry).T, strict=True):
        ok = np.isfinite(column)
        print(f"  {name}: AUC alone {auc(labels[ok], column[ok]):.3f}")


if __name__ == "__main__":
    main()
