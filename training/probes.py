"""Probes: what can be told from a clip without looking at what it shows.

A detector's AUC means little until it stands beside the AUC of these. If frame rate, length and
size alone tell the classes apart, so can a network that has merely learnt to read them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from unreel.training.cache import CachedClip

METADATA = ("fps", "frames", "height", "width")


def metadata_features(entry: CachedClip) -> NDArray[np.float64]:
    """(4,) frame rate, frames, height and width of the clip as encoded under the condition."""
    return np.array([entry.facts.get(name, np.nan) for name in METADATA])


def cadence_features(entry: CachedClip) -> NDArray[np.float64]:
    """(2,) share of repeated frames and effective resolution.

    A slow clip that was padded to a higher frame rate repeats frames; a small one that was
    enlarged has no detail near the limit of its pixel grid.
    """
    repeated, fine = [], []
    for window in entry.windows:
        colours = np.moveaxis(np.asarray(window).astype(np.int16), -1, 0)
        total = colours[0] + colours[1] + colours[2]  # (T, h, w), three times the grey level
        steps = np.abs(np.diff(total, axis=0)).mean(axis=(1, 2)) / 3
        repeated.append((steps < 0.3).mean())
        grey = total[0] / 3
        spectrum = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
        rows = np.abs(np.fft.fftfreq(grey.shape[0]))[:, None]
        columns = np.fft.rfftfreq(grey.shape[1])[None]
        high = np.maximum(rows, columns) > 0.25
        fine.append(np.log10((spectrum[high].sum() + 1) / (spectrum.sum() + 1)))
    if not repeated:
        return np.array([np.nan, np.nan])
    return np.array([np.mean(repeated), np.mean(fine)])


def probe_scores(
    features: NDArray[np.float64],
    labels: NDArray[np.float64],
    folds: NDArray[np.int64],
    seed: int = 0,
    least: int = 10,
) -> NDArray[np.float64]:
    """Out-of-fold probabilities of gradient boosting on a few features.

    Args:
        features: (n, d); NaN = unknown.
        labels: (n,) 0 or 1.
        folds: (n,) the folds that the model beside it was trained on.
        seed: Of the boosting.
        least: Clips in a leaf; ten are too many for sets of some tens of clips.
    """
    scores = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        model = HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.06, min_samples_leaf=least, class_weight="balanced",
            random_state=seed,
        )  # fmt: skip
        model.fit(features[~test], labels[~test])
        scores[test] = model.predict_proba(features[test])[:, 1]
    return scores
