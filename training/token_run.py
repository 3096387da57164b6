"""Heads on a frozen encoder: fit by folds, score what each fold never saw, all from kept tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.splits import check_no_leak
from unreel.training.distil import Teacher
from unreel.training.linear_head import LinearHead, TokenHeads, fit_head
from unreel.training.token_recipe import TokenRecipe
from unreel.training.token_table import TokenTable
from unreel.training.tokens import TokenCache

Array = NDArray[np.float64]


class TrainingTable(TokenTable):
    """Mean tokens that heads are fitted on.

    Args:
        clips: All clips.
        cache: Holds their tokens.
        recipe: Says which layers count.
        teacher: The whole encoder, for a recipe that learns from it.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        cache: TokenCache,
        recipe: TokenRecipe,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(clips, cache, recipe)
        self._teacher = teacher

    def fit(self, inside: NDArray[np.bool_]) -> TokenHeads:
        """Fit both heads on some of the clips, under the conditions of the recipe.

        Args:
            inside: (n,) the clips to fit on; those for faces only and unread ones are left out.
        """
        usable = inside & np.array([not c.is_face_only for c in self.clips])
        shares = self.recipe.conditions
        own = [(self.of(name)[0], share) for name, share in shares.items()]
        places = [(self.of(name)[1], share) for name, share in shares.items()]
        labels = self.labels
        if self._teacher is not None:
            own += [(self._teacher.rows(name), share) for name, share in shares.items()]
            labels = self._teacher.labels(usable)
        return TokenHeads(self._head(own, usable, labels), self._head(places, usable, self.labels))

    def logits(self, heads: TokenHeads, condition: str) -> Array:
        """(n,) logit of each clip; NaN where it could not be read."""
        return heads.frame.logits(self.of(condition)[0])

    def _head(
        self, sets: Sequence[tuple[Array, float]], usable: NDArray[np.bool_], labels: Array
    ) -> LinearHead:
        """One head on several views (n, D) of the same clips, each with its weight."""
        found = [np.flatnonzero(usable & np.isfinite(rows).all(axis=1)) for rows, _ in sets]
        total = sum(share for _, share in sets)
        return fit_head(
            np.concatenate([rows[here] for (rows, _), here in zip(sets, found, strict=True)]),
            labels[np.concatenate(found)],
            np.concatenate(
                [np.full(len(here), share / total)
                 for (_, share), here in zip(sets, found, strict=True)]
            ),
            components=self.recipe.components, strength=self.recipe.strength,
        )  # fmt: skip


def fold_heads(
    table: TrainingTable, fold_of: dict[str, int], fold: int, folder: Path
) -> TokenHeads:
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
    table: TrainingTable, fold_of: dict[str, int], folds: int, condition: str, run: Path
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
