"""What learning a generator gained and what it cost: the table, and the gate that reads it.

Each clip is judged by a head that never saw its group, before as after, so that both columns are
honest; the interval of a change resamples the same groups for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unreel.detector.calibration import Bucket
from unreel.training.bank import Bank
from unreel.training.metrics import auc, resampled

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
FPR = (0.01, 0.05)
"""Shares of camera clips at which the thresholds are set; the first is that of a scan."""
LEAST_CLIPS = 5
"""Families with fewer clips are printed and do not decide."""
_RESAMPLES = 500
Kind = Literal["new", "family", "pairs", "fpr"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    kind: Kind
    name: str
    condition: str
    clips: int
    before: float
    """AUC against camera clips, of `pairs` rows against their camera halves; of `fpr` rows the
    share of camera clips above the threshold."""
    before_low: float
    before_high: float
    after: float
    after_low: float
    after_high: float
    change: float
    change_low: float
    """Ends of the bootstrap 95 % intervals, resampling groups."""
    change_high: float

    def as_dict(self) -> dict[str, Any]:
        """Rounded, for metrics.json."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Gate:
    """What a retrained model may lose."""

    margin: float = 0.02
    """AUC of an old family."""
    fpr_margin: float = 0.01
    """Share of camera clips above the threshold of 1 %."""

    def refusals(self, rows: Sequence[Row]) -> list[str]:
        """Sentences on what lost more than that; empty = the model may be written."""
        said = []
        for row in rows:
            if row.kind == "family" and row.clips >= LEAST_CLIPS and -row.change > self.margin:
                said.append(
                    f"{row.name} under {row.condition}: AUC {row.before:.3f} before, "
                    f"{row.after:.3f} after, may lose {self.margin:g}"
                )
            first = row.name == fpr_name(FPR[0])
            if row.kind == "fpr" and first and row.change > self.fpr_margin + 1e-9:
                said.append(
                    f"{row.name} under {row.condition}: {row.before:.1%} before, {row.after:.1%} "
                    f"after, may grow by {self.fpr_margin:.1%}"
                )
        return said


def fpr_name(fpr: float) -> str:
    """Name of a row of false alarms."""
    return f"camera clips above the {fpr:.0%} threshold"


def compare(
    bank: Bank,
    tested: Mask,
    folds: NDArray[np.int64],
    before: dict[str, Array],
    after: dict[str, Array],
    generator: str,
    old: Mask,
) -> list[Row]:
    """All rows: the new generator, each old family and false alarms, under each condition.

    Halves of pairs have a row of their own and stand in no other.

    Args:
        bank: Old and new clips.
        tested: (n,) the held-out part of the new generator.
        folds: (n,) of each clip.
        before: Condition -> (n,) out-of-fold logits of heads that know the old clips alone.
        after: The same of heads that know the new ones too.
        generator: Name of the new one.
        old: (n,) clips of the bank.
    """
    clips = bank.clips
    positive = np.array([c.is_positive for c in clips])
    families = np.array([c.family or c.generator for c in clips])
    groups = np.array([c.group for c in clips])
    rows: list[Row] = []
    for name in before:
        judged = np.isfinite(before[name]) & np.isfinite(after[name]) & ~bank.left_out
        there, real = judged & ~bank.paired, judged & ~bank.paired & ~positive
        parts: list[tuple[Kind, str, Mask]] = [("new", generator, there & (tested | ~positive))]
        of_old = there & old & positive
        parts += [
            ("family", str(f), (of_old & (families == f)) | real)
            for f in sorted(set(families[of_old]))
        ]
        parts.append(("pairs", "reconstructions", judged & bank.paired))
        for kind, label, inside in parts:
            if (inside & positive).any() and (inside & ~positive).any():
                rows.append(
                    _auc_row(kind, label, name, positive[inside], before[name][inside],
                             after[name][inside], groups[inside])
                )  # fmt: skip
        rows += [
            _fpr_row(fpr, name, before[name][real], after[name][real], folds[real], groups[real])
            for fpr in FPR
        ]
    return rows


def _auc_row(
    kind: Kind, label: str, condition: str, positive: Mask, before: Array, after: Array,
    groups: NDArray[np.str_],
) -> Row:  # fmt: skip
    truth = positive.astype(float)
    draws = [
        resampled(truth, x, groups, fpr=0.05, resamples=_RESAMPLES)[0] for x in (before, after)
    ]
    return _row(
        kind, label, condition, int(positive.sum()), auc(truth, before), auc(truth, after),
        draws[0], draws[1],
    )  # fmt: skip


def above_threshold(logits: Array, folds: NDArray[np.int64], fpr: float) -> Mask:
    """(n,) which camera clips lie above the threshold that those of the other folds set."""
    above = np.zeros(len(logits), bool)
    for fold in np.unique(folds):
        others = np.sort(logits[folds != fold])
        if len(others) * fpr >= 1:
            above[folds == fold] = logits[folds == fold] >= Bucket(
                others, np.zeros(0), len(others)
            ).threshold_logit(fpr)
    return above


def _fpr_row(
    fpr: float, condition: str, before: Array, after: Array, folds: NDArray[np.int64],
    groups: NDArray[np.str_],
) -> Row:  # fmt: skip
    alarms = [above_threshold(x, folds, fpr).astype(float) for x in (before, after)]
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    rng = np.random.default_rng(0)
    drawn = np.stack(
        [np.bincount(r, minlength=count) for r in rng.integers(count, size=(_RESAMPLES, count))]
    )
    sizes = drawn @ np.bincount(group, minlength=count)
    draws = [drawn @ np.bincount(group, a, count) / sizes for a in alarms]
    shares = float(alarms[0].mean()), float(alarms[1].mean())
    return _row("fpr", fpr_name(fpr), condition, len(before), *shares, draws[0], draws[1])


def _row(
    kind: Kind, label: str, condition: str, clips: int, before: float, after: float,
    before_draws: Array, after_draws: Array,
) -> Row:  # fmt: skip
    (b_low, b_high), (a_low, a_high), (c_low, c_high) = (
        map(float, np.percentile(draws, [2.5, 97.5]))
        for draws in (before_draws, after_draws, after_draws - before_draws)
    )
    return Row(
        kind, label, condition, clips, before, b_low, b_high, after, a_low, a_high,
        after - before, c_low, c_high,
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Markdown, for a terminal, the card and the log."""
    lines = [
        "| what | condition | clips | before [95 %] | after [95 %] | change [95 %] |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        named = {"new": f"**new: {r.name}**", "family": f"family {r.name}", "fpr": r.name,
                 "pairs": f"{r.name}, beside their camera halves"}[r.kind]  # fmt: skip
        lines.append(
            f"| {named} | {r.condition} | {r.clips}"
            f" | {_three(r.before, r.before_low, r.before_high)}"
            f" | {_three(r.after, r.after_low, r.after_high)}"
            f" | {_three(r.change, r.change_low, r.change_high, '+')} |"
        )
    return "\n".join(lines)


def _three(value: float, low: float, high: float, sign: str = "") -> str:
    middle, lower, upper = (f"{x:{sign}.3f}".replace("0.", ".", 1) for x in (value, low, high))
    return f"{middle} [{lower}, {upper}]"
