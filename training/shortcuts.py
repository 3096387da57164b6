"""Which facts about clips, alone or together, tell the classes of a set apart.

For each shortcut a small boosted model is trained on its columns alone, on whole groups, and judged
on the groups that it never saw: what it reaches there, a detector can reach without looking at a
picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.data.clip_facts import CONTENT, SHORTCUTS, ClipFacts
from unreel.data.manifest import Clip
from unreel.data.splits import group_folds
from unreel.detector.errors import UsageError
from unreel.training.metrics import auc, resampled
from unreel.training.probes import probe_scores

FILE_ONLY = "file alone, together"
EVERYTHING = "all together"
FOLDS = 5
_LEAST_OF_A_WORD = 3
"""Clips that share a codec, tag or brand before it can be learnt."""
_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one shortcut tells the classes apart; .5 = not at all."""

    shortcut: str
    auc: float
    low: float
    """Lower end of the bootstrap 95 % interval, resampling groups."""
    high: float

    def exceeds(self, threshold: float) -> bool:
        """Above the threshold, and more than chance would explain."""
        return self.auc > threshold and self.low > 0.5


def separations(
    clips: Sequence[Clip],
    facts: Sequence[ClipFacts],
    seed: int = 0,
    shortcuts: Sequence[str] = tuple(SHORTCUTS),
) -> list[Separation]:
    """Each shortcut alone, those of the file together, and all together.

    Args:
        clips: Of both classes.
        facts: Of each clip, in order.
        seed: Of folds, boosting and bootstrap.
        shortcuts: Which.

    Raises:
        UsageError: A class is missing, or there are fewer than two groups.
    """
    labels = np.array([float(c.is_positive) for c in clips])
    if len(np.unique(labels)) < 2:
        raise UsageError(f"shortcuts need clips of both classes, got {Counter(labels)}")
    groups = np.array([c.group for c in clips])
    count = min(FOLDS, len(np.unique(groups)))
    if count < 2:
        raise UsageError("shortcuts need at least two groups, got one: nothing could be held out")
    folds = np.array(group_folds(clips, count, seed), np.int64)
    wanted = {
        **{s: SHORTCUTS[s] for s in shortcuts},
        FILE_ONLY: tuple(c for s in shortcuts if s not in CONTENT for c in SHORTCUTS[s]),
        EVERYTHING: tuple(c for s in shortcuts for c in SHORTCUTS[s]),
    }
    found = []
    for name, columns in wanted.items():
        features = np.concatenate([_column(facts, c) for c in columns], axis=1)
        least = max(3, min(10, len(clips) // 20))
        # Rounded: where nothing can be learnt, the folds' priors differ in the sixteenth digit.
        scores = probe_scores(features, labels, folds, seed, least).round(9)
        aucs, _ = resampled(labels, scores, groups, fpr=0.05, resamples=_RESAMPLES, seed=seed)
        low, high = np.percentile(aucs, [2.5, 97.5])
        found.append(Separation(name, auc(labels, scores), float(low), float(high)))
    return found


def _column(facts: Sequence[ClipFacts], name: str) -> NDArray[np.float64]:
    """(n, d) of one column: the number, or one column for each word that several clips share."""
    numbers = np.array([f.numbers.get(name, np.nan) for f in facts])
    if not np.isnan(numbers).all():
        return numbers[:, None]
    words = [f.words.get(name, "") for f in facts]
    common = [w for w, n in sorted(Counter(words).items()) if n >= _LEAST_OF_A_WORD]
    return np.array([[float(w == c) for c in common] or [0.0] for w in words])
