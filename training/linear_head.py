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
        labels: (n,) 1 = generated; between 0 and 1 a row counts for both classes, by so much.
        weights: (n,) of the rows; the classes weigh the same whatever they say.
        components: At most this many principal components.
        strength: Inverse of the penalty (C).
    """
    kept = min(components, len(embeddings) - 1, embeddings.shape[1])
    scale = StandardScaler().fit(embeddings)
    reduce = PCA(kept, whiten=True, random_state=0).fit(scale.transform(embeddings))
    rows = reduce.transform(scale.transform(embeddings))
    shares = np.concatenate([weights * labels, weights * (1 - labels)])
    classes = np.repeat([1.0, 0.0], len(labels))
    for one in (0.0, 1.0):
        shares[classes == one] *= weights.sum() / (2 * shares[classes == one].sum())
    counts = shares > 0
    line = LogisticRegression(C=strength, max_iter=3000)
    line.fit(np.concatenate([rows, rows])[counts], classes[counts], sample_weight=shares[counts])
    whitened = reduce.components_ / np.sqrt(reduce.explained_variance_)[:, None]  # (kept, D)
    weight = (line.coef_[0] @ whitened) / scale.scale_
    nought = reduce.transform(scale.transform(np.zeros((1, embeddings.shape[1]))))
    return LinearHead(weight, float(line.decision_function(nought)[0]))
