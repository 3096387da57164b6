"""The line that judges faces: fitted on some groups of clips, scored on those that it never saw.

What it is fitted on is a choice:

    full      blends and the manipulated clips of the other groups
    blends    blends of the other groups' camera faces alone: no manipulated clip was seen
    others    the other groups' manipulated clips alone, no blends
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from unreel.data.manifest import FACE_FAMILIES, Clip
from unreel.data.splits import group_folds
from unreel.detector.faces.judging import FaceHead
from unreel.detector.faces.statistics import KINDS, NAMES, of_track
from unreel.training.face_cache import ClipFaces, FaceCache

Array = NDArray[np.float64]
QUESTIONS = ("full", "blends", "others")


@dataclass(frozen=True, slots=True)
class FaceRecipe:
    """How the line is fitted."""

    kinds: tuple[str, ...] = KINDS
    """Which numbers count."""
    strength: float = 0.03
    """Inverse of the regression's penalty (C)."""
    blend_weight: float = 0.4
    """Of all blends together, against all manipulated clips."""

    @property
    def columns(self) -> NDArray[np.bool_]:
        """(56,) of the numbers that count."""
        return np.array([name.split()[0] in self.kinds for name in NAMES])


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One clip with its faces."""

    clip: Clip
    faces: ClipFaces

    @property
    def found(self) -> bool:
        """A clip of the corpus, not a half of a blend."""
        return not self.clip.recipe

    @property
    def positive(self) -> bool:
        """A face in it is manipulated."""
        return self.clip.is_face_only


class FaceTable:
    """All clips with a face that a scan would judge.

    Args:
        clips: Camera clips, manipulated ones, and both halves of blends; others are left out.
        cache: Holds their faces.
        condition: Of clips of the corpus; blends are read as they were encoded.
    """

    def __init__(self, clips: Sequence[Clip], cache: FaceCache, condition: str) -> None:
        self.rows: list[FaceRow] = []
        known: set[str] = set()
        for clip in clips:
            wanted = clip.label == "real" or clip.family in FACE_FAMILIES
            if not wanted or clip.sha256 in known:
                continue
            known.add(clip.sha256)
            faces = cache.load(clip, "raw" if clip.recipe else condition)
            if faces.faces:
                self.rows.append(FaceRow(clip, faces))
        self.found = np.array([row.found for row in self.rows])
        """(n,)"""
        self.labels = np.array([float(row.positive) for row in self.rows])
        self.groups = np.array([row.clip.group for row in self.rows])

    def folds(self, count: int = 5, seed: int = 0) -> NDArray[np.int64]:
        """(n,) fold of each row: whole groups, blends with the clip that they are of."""
        found = [row.clip for row in self.rows if row.found]
        of_group = {
            clip.group: fold
            for clip, fold in zip(found, group_folds(found, count, seed), strict=True)
        }
        return np.array([of_group.get(group, count) for group in self.groups])

    def fit(
        self, inside: NDArray[np.bool_], recipe: FaceRecipe, question: str = "full"
    ) -> FaceHead:
        """Fit the line on some rows."""
        chosen = inside.copy()
        if question == "blends":
            chosen &= ~self.found | (self.labels == 0)
        elif question == "others":
            chosen &= self.found
        rows = np.flatnonzero(chosen)
        values, labels, weights = [], [], []
        for row, weight in zip(rows, self._weights(rows, recipe), strict=True):
            # The largest face: in a manipulated clip nobody says which one it is.
            values.append(of_track(self.rows[row].faces.faces[0].statistics))
            labels.append(self.labels[row])
            weights.append(weight)
        return fit_line(
            np.stack(values), np.array(labels), np.array(weights) / np.mean(weights), recipe
        )

    def logits(self, head: FaceHead) -> Array:
        """(n,) of each row's strongest face."""
        return np.array(
            [
                max(float(head.logits(face.statistics).mean()) for face in row.faces.faces)
                for row in self.rows
            ]
        )

    def _weights(self, rows: NDArray[np.int64], recipe: FaceRecipe) -> Array:
        """Each group weighs as the root of its clips; blends together `blend_weight`."""
        groups, labels, found = self.groups[rows], self.labels[rows], self.found[rows]
        weights = np.ones(len(rows))
        for row in range(len(rows)):
            same = (groups == groups[row]) & (labels == labels[row]) & (found == found[row])
            weights[row] = float(same.sum()) ** -0.5
        for label in (0.0, 1.0):
            made, real = (labels == label) & ~found, (labels == label) & found
            if made.any() and real.any():
                weights[made] *= recipe.blend_weight * weights[real].sum() / weights[made].sum()
        return weights


def fit_line(values: Array, labels: Array, weights: Array, recipe: FaceRecipe) -> FaceHead:
    """Standardise and fit a penalised logistic regression; classes weigh the same.

    Args:
        values: (n, 56); NaN counts as the mean.
        labels: (n,) 1 = manipulated.
        weights: (n,)
        recipe: Says which numbers count.
    """
    mean = np.nan_to_num(np.nanmean(values, axis=0))
    spread = np.nanstd(values, axis=0) + 1e-6
    standard = np.nan_to_num((values - mean) / spread)
    line = LogisticRegression(C=recipe.strength, class_weight="balanced", max_iter=3000)
    line.fit(standard * recipe.columns, labels, sample_weight=weights)
    return FaceHead(mean, spread, line.coef_[0] * recipe.columns, float(line.intercept_[0]))


def out_of_fold(
    table: FaceTable, recipe: FaceRecipe, question: str = "full", folds: int = 5, seed: int = 0
) -> Array:
    """(n,) logits by heads that saw nothing of a row's group, blends included."""
    fold_of = table.folds(folds, seed)
    logits = np.full(len(table.rows), np.nan)
    for fold in range(folds):
        held = fold_of == fold
        head = table.fit(~held, recipe, question)
        logits[held] = table.logits(head)[held]
    return logits
