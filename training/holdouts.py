"""Harder questions than five folds: a generator never seen, other folds, more sources held out.

    unreel evaluate runs/base --manifest corpus/manifest.csv --leave-one-out --seeds 3

Fitting a head takes a second, so that all of it is fitted anew each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.splits import group_folds
from unreel.training.metrics import auc, tpr_at
from unreel.training.token_run import TrainingTable

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked beside the folds."""

    leave_one_out: bool = False
    seeds: int = 0
    """Times that the groups are dealt to folds anew."""
    plots: bool = False


LEAST_CLIPS = 4
"""A generator with fewer has no AUC worth printing."""
Tell = Callable[[str], None]


def leave_one_generator_out(
    table: TrainingTable,
    folds: Sequence[int],
    conditions: Sequence[str],
    tell: Tell = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """AUC of each generator by heads that saw neither it nor any group that its clips come from.

    The camera clips that it is held against are those of one fold after the other, whose groups
    are not fitted on either.

    Args:
        table: Tokens of all clips.
        folds: (n,) of the clips.
        conditions: Under which held-out clips are judged.
        tell: Receives progress lines.

    Returns:
        Generator -> clips, and AUC (mean over the folds of camera clips) by condition; None where
        nothing of a class is left to fit on.
    """
    clips, where = table.clips, np.asarray(folds)
    judged = np.array([not c.is_face_only for c in clips])
    found: dict[str, dict[str, Any]] = {}
    for name, own in _generators(clips, judged).items():
        groups = {c.group for c, mine in zip(clips, own, strict=True) if mine}
        outside = own | np.array([c.group in groups for c in clips])
        areas: dict[str, list[float]] = {condition: [] for condition in conditions}
        for fold in np.unique(where):
            real = judged & (where == fold) & (table.labels == 0)
            rest = ~outside & (where != fold) & judged
            if len(np.unique(table.labels[rest])) < 2:
                continue  # its groups are all that there is of one class
            heads = table.fit(rest)
            for condition in conditions:
                logits = table.logits(heads, condition)
                inside = (real | own) & np.isfinite(logits)
                if len(np.unique(table.labels[inside])) == 2:
                    areas[condition].append(auc(table.labels[inside], logits[inside]))
        found[name] = {"clips": int(own.sum())} | {
            condition: round(float(np.mean(values)), 4) if values else None
            for condition, values in areas.items()
        }
        tell(f"left out {name}: {found[name]}")
    return found


def _generators(clips: Sequence[Clip], judged: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Generators with enough clips, and which clips are theirs."""
    names = np.array([c.generator if c.is_positive else "" for c in clips])
    counts = Counter(names[judged])
    return {
        str(name): judged & (names == name)
        for name in sorted(counts)
        if name and counts[name] >= LEAST_CLIPS
    }


def repeated_folds(
    table: TrainingTable, conditions: Sequence[str], seeds: int, tell: Tell = lambda _: None
) -> dict[str, list[dict[str, float]]]:
    """Out-of-fold results with the groups dealt to the folds anew for each seed.

    Returns:
        Condition -> by seed: AUC, TPR at 5 %, and the share of camera clips flagged where the other
        folds' camera clips give 5 %.
    """
    clips = table.clips
    judged = np.array([not c.is_face_only for c in clips])
    found: dict[str, list[dict[str, float]]] = {condition: [] for condition in conditions}
    for seed in range(seeds):
        folds = np.array(group_folds(clips, table.recipe.folds, seed))
        heads = [table.fit(folds != fold) for fold in range(table.recipe.folds)]
        for condition in conditions:
            each = np.stack([table.logits(h, condition) for h in heads])
            logits = each[folds, np.arange(len(clips))]
            keep = judged & np.isfinite(logits)
            flagged = false_alarms(table.labels[keep], logits[keep], folds[keep])
            found[condition].append(
                {
                    "seed": seed,
                    "auc": round(auc(table.labels[keep], logits[keep]), 4),
                    "tpr_at_5": round(tpr_at(table.labels[keep], logits[keep], 0.05), 4),
                    "fpr_at_others_5": round(flagged, 4),
                }
            )
        tell(f"seed {seed}: { ({c: rows[-1] for c, rows in found.items()}) }")
    return found


def false_alarms(
    labels: Array, logits: Array, folds: NDArray[np.int64], share: float = 0.05
) -> float:
    """Share of camera clips flagged, each at the threshold that flags `share` of other folds'."""
    flagged = []
    for fold in np.unique(folds):
        others = logits[(folds != fold) & (labels == 0)]
        flagged.append(logits[(folds == fold) & (labels == 0)] > np.quantile(others, 1 - share))
    return float(np.concatenate(flagged).mean())
