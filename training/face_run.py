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
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from unreel.data.manifest import FACE_FAMILIES, Clip
from unreel.data.splits import group_folds
from unreel.detector.faces.judging import NUMBERS, FaceHead
from unreel.detector.faces.statistics import KINDS as PLAIN_KINDS
from unreel.detector.faces.statistics import of_track
from unreel.training.face_cache import ClipFaces, FaceCache

Array = NDArray[np.float64]
QUESTIONS = ("full", "blends", "others")
EMBEDDED_KINDS = ("stage", "token")
"""Kinds of numbers that a network gives: too many to be weighed one by one."""
KINDS = (*PLAIN_KINDS, *EMBEDDED_KINDS)
_KIND_OF = np.array([name.split()[0] for name in NUMBERS])


@dataclass(frozen=True, slots=True)
class FaceRecipe:
    """How the line is fitted."""

    kinds: tuple[str, ...] = KINDS
    """Which numbers count."""
    strength: float = 0.03
    """Inverse of the regression's penalty (C)."""
    blend_weight: float = 0.4
    """Of all blends together, against all manipulated clips."""
    components: int = 40
    """Principal components that stand for each kind of a network's numbers."""


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
            values.append(of_track(self.rows[row].faces.faces[0].numbers))
            labels.append(self.labels[row])
            weights.append(weight)
        return fit_line(
            np.stack(values), np.array(labels), np.array(weights) / np.mean(weights), recipe
        )

    def logits(self, head: FaceHead) -> Array:
        """(n,) of each row's strongest face."""
        return np.array(
            [
                max(float(head.logits(face.numbers).mean()) for face in row.faces.faces)
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

    What networks say enters as principal components of equal variance; the line is handed on as
    weights of the numbers themselves.

    Args:
        values: (n, 904); NaN counts as the mean.
        labels: (n,) 1 = manipulated.
        weights: (n,)
        recipe: Says which numbers count.
    """
    mean = np.nan_to_num(np.nanmean(values, axis=0))
    spread = np.nanstd(values, axis=0) + 1e-6
    standard = np.nan_to_num((values - mean) / spread)
    basis = _basis(standard, recipe)
    line = LogisticRegression(C=recipe.strength, class_weight="balanced", max_iter=3000)
    line.fit(standard @ basis, labels, sample_weight=weights)
    return FaceHead(mean, spread, basis @ line.coef_[0], float(line.intercept_[0]))


def _basis(standard: Array, recipe: FaceRecipe) -> Array:
    """(904, d) from standardised numbers (n, 904) to what the regression weighs."""
    parts = []
    for kind in recipe.kinds:
        columns = np.flatnonzero(kind == _KIND_OF)
        part = np.zeros((len(_KIND_OF), len(columns)))
        part[columns, np.arange(len(columns))] = 1
        if kind in EMBEDDED_KINDS:
            few = min(recipe.components, len(standard) - 1, len(columns))
            found = PCA(few, svd_solver="randomized", random_state=0).fit(standard[:, columns])
            # Standardised numbers have mean 0, so that the components need no offset.
            part = part @ (found.components_ / np.sqrt(found.explained_variance_ + 1e-9)[:, None]).T
        parts.append(part)
    return np.hstack(parts)


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
