"""Heads on a frozen encoder: fit by folds, score what each fold never saw, all from kept tokens.

A clip is the mean of its windows, a window the mean of its frames, so that a linear judgement of
the means is the mean of the judgements: what is fitted here is what a scan computes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.splits import check_no_leak
from unreel.training.clip_encoder import WIDTH
from unreel.training.linear_head import LinearHead, TokenHeads, fit_head
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

    def fit(self, inside: NDArray[np.bool_]) -> TokenHeads:
        """Fit both heads on some of the clips, under the conditions of the recipe.

        Args:
            inside: (n,) the clips to fit on; those for faces only and unread ones are left out.
        """
        usable = inside & np.array([not c.is_face_only for c in self.clips])
        rows, places, labels, weights = [], [], [], []
        for condition, share in self.recipe.conditions.items():
            frame, place = self.of(condition)
            here = np.flatnonzero(usable & np.isfinite(frame).all(axis=1))
            rows.append(frame[here])
            places.append(place[here])
            labels.append(self.labels[here])
            weights.append(np.full(len(here), share / sum(self.recipe.conditions.values())))
        y, w = np.concatenate(labels), np.concatenate(weights)
        frame_head, place_head = (
            fit_head(
                np.concatenate(values), y, w,
                components=self.recipe.components, strength=self.recipe.strength,
            )
            for values in (rows, places)
        )  # fmt: skip
        return TokenHeads(frame_head, place_head)

    def logits(self, heads: TokenHeads, condition: str) -> Array:
        """(n,) logit of each clip; NaN where it could not be read."""
        return heads.frame.logits(self.of(condition)[0])


def _mean(frames: NDArray[np.float16], entry: ClipTokens) -> Array:
    """Mean over windows of the mean over the frames of each."""
    ends = np.cumsum(entry.lengths)[:-1]
    each = np.split(frames.astype(np.float64), ends)
    return np.mean([window.mean(axis=0) for window in each], axis=0)


def fold_heads(table: TokenTable, fold_of: dict[str, int], fold: int, folder: Path) -> TokenHeads:
    """Heads fitted without one fold's groups; kept in `folder`, and taken from there if present.

    Args:
        table: Tokens of all clips of the run.
        fold_of: Fold of each clip by its sha256.
        fold: Which one is left out.
        folder: `foldN` of the run.
    """
    kept = folder / "heads.npz"
    if not kept.exists():
        inside = np.array([fold_of[c.sha256] != fold for c in table.clips])
        parts = [[c for c, i in zip(table.clips, inside, strict=True) if i == side]
                 for side in (True, False)]  # fmt: skip
        check_no_leak(*parts)
        save_heads(kept, table.fit(inside))
    return load_heads(kept)


def out_of_fold(
    table: TokenTable, fold_of: dict[str, int], folds: int, condition: str, run: Path
) -> Array:
    """(n,) logit of each clip by the heads that never saw its group; NaN = not judged."""
    logits = np.full(len(table.clips), np.nan)
    for fold in range(folds):
        folder = run / f"fold{fold}"
        where = np.array([fold_of[c.sha256] == fold for c in table.clips])
        heads = fold_heads(table, fold_of, fold, folder)
        logits[where] = table.logits(heads, condition)[where]
        scored = {c.sha256: None if np.isnan(x) else round(float(x), 6)
                  for c, x, w in zip(table.clips, logits, where, strict=True) if w}  # fmt: skip
        (folder / f"scores-{condition}.json").write_text(json.dumps(scored), encoding="utf-8")
    return logits


def save_heads(path: Path, heads: TokenHeads) -> None:
    """Write heads whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        frame=heads.frame.weight, frame_offset=heads.frame.offset,
        places=heads.places.weight, places_offset=heads.places.offset,
    )  # fmt: skip
    os.replace(partial, path)


def load_heads(path: Path) -> TokenHeads:
    """Read what `save_heads` wrote."""
    with np.load(path) as found:
        return TokenHeads(
            LinearHead(found["frame"], float(found["frame_offset"])),
            LinearHead(found["places"], float(found["places_offset"])),
        )
