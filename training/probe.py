"""Fit the frozen probe that stands beside the tuned backbone (detector.network.FrozenProbe).

The features are those of the baseline "stages": the probe is that baseline, put into the graph.
Standardisation, principal components and logistic regression are all linear and become one vector.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unreel.detector.network import FrozenProbe, SpatioTemporalClassifier
from unreel.training.backbones import build
from unreel.training.baselines import PROBED_STAGES, Array, stage_regression
from unreel.training.recipe import Recipe


def attach_probe(
    network: SpatioTemporalClassifier,
    recipe: Recipe,
    features: Array,
    labels: Array,
    inside: NDArray[np.bool_],
) -> None:
    """Fit the probe on training clips and hang it into the network.

    Args:
        network: Tuned; its first `frozen_stages` stages are still the original ones.
        recipe: It was tuned with.
        features: (n, D) stage means of all clips, NaN where there are none.
        labels: (n,) 0 or 1.
        inside: (n,) the clips that `network` was trained on.
    """
    usable = inside & np.isfinite(features).all(axis=1)
    model = stage_regression(int(usable.sum()), recipe.seed)
    model.fit(features[usable], labels[usable])
    scale, reduce, line = (step for _, step in model.steps)
    # decision = line(whiten(reduce(scale(x)))), all of it affine in x
    whitened = reduce.components_ / np.sqrt(reduce.explained_variance_)[:, None]  # (60, D)
    weight = (line.coef_[0] @ whitened) / scale.scale_
    offset = float(model.decision_function(np.zeros((1, features.shape[1])))[0])
    original = build(recipe.backbone, head_width=8, dropout=0.0).backbone.eval()
    stages = nn.ModuleList(original.blocks[i] for i in PROBED_STAGES)
    network.probe = FrozenProbe(stages, torch.from_numpy(weight).float(), offset)
    network.probe.requires_grad_(False).eval()
    network.shared_stages = PROBED_STAGES[0]
