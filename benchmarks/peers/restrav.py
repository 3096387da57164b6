"""ReStraV (Interno et al. 2025, "AI-generated video detection via perceptual straightening").

Step lengths and turning angles of the embedding's path: the first few of each as they are, and
their means, minima, maxima and variances. With eight frames or more that is the paper's vector of
21; shorter paths have as many leading values as there are. A small MLP learns from it, as in the
paper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from unreel.detector.lanes.dynamics import turns_degrees

LEADING_STEPS, LEADING_TURNS = 7, 6


def restrav_features(embedding: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """The vector of one path.

    Args:
        embedding: (T, D).
        frames: What T is for all clips; longer paths are cut, NaN for shorter ones.

    Returns:
        (8 + leading steps + leading turns,); 21 from eight frames on.
    """
    steps, turns = min(LEADING_STEPS, frames - 1), min(LEADING_TURNS, frames - 2)
    if len(embedding) < frames:
        return np.full(8 + steps + turns, np.nan)
    step = np.diff(embedding[: max(frames, LEADING_STEPS + 1)], axis=0)
    length, turn = np.linalg.norm(step, axis=1), turns_degrees(step)
    summary = [f(v) for v in (length, turn) for f in (np.mean, np.min, np.max, np.var)]
    return np.concatenate([length[:steps], turn[:turns], summary])


def classifier(seed: int) -> Pipeline:
    """Two hidden layers of 64 and 32, as published."""
    mlp = MLPClassifier((64, 32), alpha=1e-2, max_iter=400, early_stopping=True, random_state=seed)
    return make_pipeline(StandardScaler(), mlp)
