"""What the whole encoder knows, for heads on a compressed one.

Two things go over. Its tokens of the same layers join the rows that a head is fitted on, so that
the head learns to pass over what the compression changes. And a share of each label is what heads
on all its layers say of clips that they were not fitted on (Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.data.splits import group_folds
from unreel.training.linear_head import fit_head
from unreel.training.token_recipe import TokenRecipe
from unreel.training.token_table import TokenTable

Array = NDArray[np.float64]

_PARTS = 4
"""Of the clips; each is judged by heads on the others."""


class Teacher:
    """The whole encoder beside a compressed one.

    Args:
        whole: Its tokens of the same clips.
        recipe: Of the head on the compressed encoder.
    """

    def __init__(self, whole: TokenTable, recipe: TokenRecipe) -> None:
        self._whole, self._recipe = whole, recipe

    def rows(self, condition: str) -> Array:
        """(n, D) its class tokens of the recipe's layers; NaN where a clip could not be read."""
        return self._whole.layers_of(condition, self._recipe.layers)

    def labels(self, usable: NDArray[np.bool_]) -> Array:
        """(n,) labels of the usable clips, moved by the recipe's share; the others' as they are.

        Judged under one condition: what a clip is does not depend on how it is encoded.
        """
        conditions = self._recipe.conditions
        name = "canonical" if "canonical" in conditions else next(iter(conditions))
        tokens = self._whole.of(name)[0]
        labels = self._whole.labels.copy()
        where = np.flatnonzero(usable & np.isfinite(tokens).all(axis=1))
        clips = [self._whole.clips[int(i)] for i in where]
        part = np.asarray(group_folds(clips, _PARTS), np.int64)
        for number in range(_PARTS):
            others, asked = where[part != number], where[part == number]
            head = fit_head(
                tokens[others], self._whole.labels[others], np.ones(len(others)),
                components=self._whole.recipe.components, strength=self._whole.recipe.strength,
            )  # fmt: skip
            said = 1 / (1 + np.exp(-head.logits(tokens[asked])))
            share = self._recipe.teacher_share
            labels[asked] = (1 - share) * labels[asked] + share * said
        return labels
