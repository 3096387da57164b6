"""How many clips of a generator are needed before it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.training.bank import Bank
from unreel.training.metrics import auc
from unreel.training.refit import out_of_fold

DRAWS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve."""

    clips: int
    """Of the new generator, that were learnt; with 0, new camera clips and pairs still are."""
    condition: str
    auc: float
    """Of the held-out part of the new generator against camera clips; mean over draws."""
    low: float
    """Lowest draw."""
    high: float


def curve(
    bank: Bank,
    new: NDArray[np.bool_],
    tested: NDArray[np.bool_],
    folds: NDArray[np.int64],
    sizes: Sequence[int],
    seed: int = 0,
) -> list[Point]:
    """AUC of the new generator after so many of its clips; sizes beyond those at hand are left out.

    Args:
        bank: Old and new clips.
        new: (n,) the new ones.
        tested: (n,) those that are never learnt.
        folds: (n,)
        sizes: Clips to learn, whole groups as far as they fit.
        seed: Of the draws.
    """
    positive = np.array([c.is_positive for c in bank.clips])
    groups = np.array([c.group for c in bank.clips])
    conditions = [name for name, _ in bank.settings.conditions]
    at_hand = np.flatnonzero(new & positive & ~tested & ~bank.paired)
    found = []
    for size in (0, *(s for s in sorted(set(sizes)) if 0 < s <= len(at_hand))):
        scores: dict[str, list[float]] = {name: [] for name in conditions}
        for draw in range(DRAWS if size else 1):
            learnt = ~new | ~positive | bank.paired
            learnt[_drawn(at_hand, groups, size, np.random.default_rng([seed, size, draw]))] = True
            logits = out_of_fold(bank, learnt, folds, bank.settings, conditions)
            for name in conditions:
                inside = np.isfinite(logits[name]) & (tested | ~positive) & ~bank.paired
                scores[name].append(auc(positive[inside].astype(float), logits[name][inside]))
        found += [
            Point(size, name, float(np.mean(s)), min(s), max(s)) for name, s in scores.items()
        ]
    return found


def _drawn(
    at_hand: NDArray[np.int64], groups: NDArray[np.str_], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of `size` clips, group after group in random order."""
    names = rng.permutation(np.unique(groups[at_hand]))
    ordered = [i for name in names for i in at_hand[groups[at_hand] == name]]
    return np.array(ordered[:size], np.int64)


def curve_table(points: Sequence[Point]) -> str:
    """Markdown."""
    lines = ["| new clips learnt | condition | AUC of the held-out ones | lowest, highest draw |",
             "|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {p.clips} | {p.condition} | {p.auc:.3f} | {p.low:.3f}, {p.high:.3f} |" for p in points
    ]
    return "\n".join(lines)
