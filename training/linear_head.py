"""A linear judgement of wide embeddings from few clips.

Standardise, keep the strongest principal components at equal variance, fit a penalised logistic
regression: with thousands of values and hundreds of clips this holds better on unseen sources than
a regression on the values themselves. All three steps are affine, so that one vector remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """logit = embedding @ weight + offset"""

    weight: Array
    """(D,)"""
    offset: float

    def logits(self, embeddings: Array) -> Array:
        """(n, D) to (n,)."""
        return embeddings @ self.weight + self.offset


@dataclass(frozen=True, slots=True)
class TokenHeads:
    """What judges a frame, and what says where in it."""

    frame: LinearHead
    """Of the chosen class tokens, one behind the other."""
    places: LinearHead
    """Of the mean place token of one layer; applied to each place it makes the heat map."""


def fit_head(
    embeddings: Array, labels: Array, weights: Array, *, components: int, strength: float
) -> LinearHead:
    """Fit the head.

    Args:
        embeddings: (n, D).
        labels: (n,) 1 = generated.
        weights: (n,) of the rows; the classes weigh the same whatever they say.
        components: At most this many principal components.
        strength: Inverse of the penalty (C).
    """
    kept = min(components, len(embeddings) - 1, embeddings.shape[1])
    model = make_pipeline(
        StandardScaler(),
        PCA(kept, whiten=True, random_state=0),
        LogisticRegression(C=strength, class_weight="balanced", max_iter=3000),
    )
    model.fit(embeddings, labels, logisticregression__sample_weight=weights)
    scale, reduce, line = (step for _, step in model.steps)
    whitened = reduce.components_ / np.sqrt(reduce.explained_variance_)[:, None]  # (kept, D)
    weight = (line.coef_[0] @ whitened) / scale.scale_
    offset = float(model.decision_function(np.zeros((1, embeddings.shape[1])))[0])
    return LinearHead(weight, offset)
