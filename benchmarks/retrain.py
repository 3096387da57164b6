"""How many clips of a family does a model need before it knows it, and what does that cost?

    python benchmarks/retrain.py model/bank.npz              (a minute and a half)
    python benchmarks/retrain.py model/bank.npz --curve      (with few-shot curves: seven minutes)

Holds each of six families out of the bank in turn, gives half of its clips (by group) to retraining
and judges the other half. The table is that of docs/log-2026-11-23.md. No video is read: with a
frozen encoder a bank holds all that a head is fitted on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from unreel.training.bank import load_bank
from unreel.training.before_after import FPR, LEAST_CLIPS, fpr_name
from unreel.training.few_shot import curve_table
from unreel.training.retrain import Retrained, learn

FAMILIES = ("v2v", "t2v", "i2v", "lip-sync", "talking-head", "interpolation")
SIZES = (5, 10, 20, 40)


def held_out(path: Path, family: str, sizes: tuple[int, ...]) -> Retrained:
    """Retrain on half of one family, from a bank without it."""
    bank = load_bank(path)
    inside = np.array([c.family == family and c.is_positive for c in bank.clips])
    new = bank.subset(inside)
    # A family for faces is left out of the model's own training, and learnt when it is asked for.
    new = replace(new, left_out=np.zeros(len(new.clips), bool))
    return learn(bank.subset(~inside), new, family, sizes=sizes)


def main() -> None:
    path = Path(sys.argv[1])
    sizes = SIZES if "--curve" in sys.argv else ()
    print(
        "| family held out | learnt, tested | condition | AUC before | after | share of the gap | "
        "worst old family | false alarms at 1 %, before, after |"
    )
    print("|---|---|---|---|---|---|---|---|")
    curves = {}
    alarms: dict[str, list[tuple[int, float, float]]] = {}
    for family in FAMILIES:
        found = held_out(path, family, sizes)
        curves[family] = curve_table(found.points)
        learnt = int((found.new & ~found.tested).sum())
        for row in (r for r in found.rows if r.kind == "new"):
            name = row.condition
            rest = [r for r in found.rows if r.kind == "family" and r.condition == name]
            worst = min((r for r in rest if r.clips >= LEAST_CLIPS), key=lambda r: r.change)
            at = fpr_name(FPR[0])
            false = next(r for r in found.rows if r.condition == name and r.name == at)
            alarms.setdefault(name, []).append((false.clips, false.before, false.after))
            print(
                f"| {family} | {learnt}, {row.clips} | {name} | {row.before:.3f} "
                f"[{row.before_low:.3f}, {row.before_high:.3f}] | {row.after:.3f} "
                f"[{row.after_low:.3f}, {row.after_high:.3f}] | "
                f"{row.change / max(1 - row.before, 1e-9):.2f} | "
                f"{worst.name} {worst.change:+.3f} | "
                f"{false.before:.3f}, {false.after:.3f} [{false.change_low:+.3f}, "
                f"{false.change_high:+.3f}] |",
                flush=True,
            )
    for name, rows in alarms.items():
        clips = sum(n for n, _, _ in rows)
        before, after = (sum(n * r[k] for n, *r in rows) / clips for k in (0, 1))
        print(
            f"\nfalse alarms pooled over families, {name}: {before:.4f} before, {after:.4f} after"
        )
    for family, text in curves.items() if sizes else ():
        print(f"\n{family}\n\n{text}")


if __name__ == "__main__":
    main()
