"""Fit the head again on the bank and new clips, and score every clip by a head that never saw it.

Old clips are replayed from the bank, all of them: with a frozen encoder and a linear head that
costs seconds, and what is fitted on again is not forgotten (rehearsal, Robins 1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.splits import group_folds
from unreel.training.bank import Bank, HeadSettings
from unreel.training.linear_head import LinearHead, fit_head

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def fit_on(bank: Bank, inside: Mask, settings: HeadSettings) -> LinearHead:
    """A head on some rows of a bank, without those that the bank leaves out or that were not read.

    Args:
        bank: All clips.
        inside: (n,) which of them to fit on.
        settings: How.
    """
    usable = inside & ~bank.left_out
    labels = np.array([float(c.is_positive) for c in bank.clips])
    rows, truth, weights = [], [], []
    total = sum(share for _, share in settings.conditions)
    for name, share in settings.conditions:
        values = bank.embeddings[name]
        here = np.flatnonzero(usable & np.isfinite(values).all(axis=1))
        rows.append(values[here].astype(np.float64))
        truth.append(labels[here])
        weights.append(np.full(len(here), share / total))
    return fit_head(
        np.concatenate(rows), np.concatenate(truth), np.concatenate(weights),
        components=settings.components, strength=settings.strength,
    )  # fmt: skip


def folds_of(clips: Sequence[Clip], settings: HeadSettings) -> NDArray[np.int64]:
    """(n,) fold of each clip, whole groups at a time."""
    count = min(settings.folds, len({c.group for c in clips}))
    return np.array(group_folds(clips, count, settings.seed), np.int64)


def out_of_fold(
    bank: Bank, learnt: Mask, folds: NDArray[np.int64], settings: HeadSettings,
    conditions: Sequence[str],
) -> dict[str, Array]:  # fmt: skip
    """Logits of all clips, each by a head that was fitted without the clip's fold.

    Args:
        bank: All clips, those that are only to be judged too.
        learnt: (n,) the clips that heads may be fitted on.
        folds: (n,) of each clip.
        settings: How heads are fitted.
        conditions: To judge under.

    Returns:
        Condition -> (n,) logits; NaN where a clip could not be read.
    """
    logits = {name: np.full(len(bank.clips), np.nan) for name in conditions}
    for fold in np.unique(folds):
        head = fit_on(bank, learnt & (folds != fold), settings)
        where = folds == fold
        for name in conditions:
            logits[name][where] = head.logits(bank.embeddings[name][where].astype(np.float64))
    return logits
