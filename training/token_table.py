"""Mean tokens of the clips of a manifest.

A clip is the mean of its windows, a window the mean of its frames, so that a linear judgement of
the means is the mean of the judgements: what is fitted on them is what a scan computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.training.clip_encoder import WIDTH
from unreel.training.token_recipe import TokenRecipe
from unreel.training.tokens import ClipTokens, TokenCache

Array = NDArray[np.float64]


class TokenTable:
    """Mean tokens of all clips of a manifest, by condition.

    Args:
        clips: All clips.
        cache: Holds their tokens.
        recipe: Says which layers count.
    """

    def __init__(self, clips: Sequence[Clip], cache: TokenCache, recipe: TokenRecipe) -> None:
        self.clips, self.recipe = clips, recipe
        self._cache = cache
        self._known: dict[str, tuple[Array, Array]] = {}

    @cached_property
    def labels(self) -> Array:
        """(n,) 1 = generated."""
        return np.array([float(c.is_positive) for c in self.clips])

    def of(self, condition: str) -> tuple[Array, Array]:
        """(n, D) class tokens and (n, 768) place tokens; NaN where a clip could not be read."""
        if condition not in self._known:
            width = WIDTH * len(self.recipe.layers)
            frame = np.full((len(self.clips), width), np.nan)
            places = np.full((len(self.clips), WIDTH), np.nan)
            for row, clip in enumerate(self.clips):
                entry = self._cache.load(clip, condition)
                if entry.lengths:
                    chosen = entry.tokens[:, list(self.recipe.layers)]
                    frame[row] = _mean(chosen.reshape(len(chosen), -1), entry)
                    places[row] = _mean(entry.places, entry)
            self._known[condition] = frame, places
        return self._known[condition]

    def layers_of(self, condition: str, layers: Sequence[int]) -> Array:
        """(n, D) class tokens of some of the table's layers.

        Raises:
            ValueError: A layer is not in the table.
        """
        columns = [self.recipe.layers.index(layer) for layer in layers]
        tokens = self.of(condition)[0].reshape(len(self.clips), -1, WIDTH)
        return tokens[:, columns].reshape(len(self.clips), -1)


def _mean(frames: NDArray[np.float16], entry: ClipTokens) -> Array:
    """Mean over windows of the mean over the frames of each."""
    ends = np.cumsum(entry.lengths)[:-1]
    each = np.split(frames.astype(np.float64), ends)
    return np.mean([window.mean(axis=0) for window in each], axis=0)
