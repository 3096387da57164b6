"""Markdown of an evaluation, for a terminal, the model card and the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def scores_table(results: Sequence[dict[str, Any]]) -> str:
    """One line per condition and scorer."""
    head = ["condition", "score", "clips (real)", "AUC [95 %]", "TPR@5%", "both, mean of folds",
            "TPR@1% [95 %]", "Brier", "ECE"]  # fmt: skip
    rows = []
    for result in results:
        for name, m in result["rows"].items():
            rows.append(
                [
                    result["condition"], name, f"{int(m['clips'])} ({int(m['real'])})",
                    f"{_number(m['auc'])} [{_number(m['auc_low'])}, {_number(m['auc_high'])}]",
                    _number(m["tpr_at_5"]),
                    f"{_number(m['auc_of_folds'])} / {_number(m['tpr_at_5_of_folds'])}",
                    f"{_number(m['tpr_at_1'])} "
                    f"[{_number(m['tpr_at_1_low'])}, {_number(m['tpr_at_1_high'])}]",
                    _number(m["brier"]), _number(m["ece"]),
                ]
            )  # fmt: skip
    return _table(head, rows)


def labels_table(results: Sequence[dict[str, Any]]) -> str:
    """What the shipped rule would say, and what must not count as skill."""
    head = ["condition", "real: generated / inconclusive", "generated: generated / inconclusive",
            "real-vs-real floor (sources)", "not judged"]  # fmt: skip
    rows = [
        [
            r["condition"],
            *(_flagged(r["labels"][cls]) for cls in ("real", "generated")),
            f"{_number(r['real_vs_real_floor'])} ({r['real_sources']})",
            str(r["not_judged"]),
        ]
        for r in results
    ]
    return _table(head, rows)


def _flagged(shares: dict[str, float]) -> str:
    return f"{_number(shares['generated'])} / {_number(shares['inconclusive'])}"


def parts_table(results: Sequence[dict[str, Any]], part: str, name: str) -> str:
    """AUC by generator, face family or bucket; a column per condition."""
    keys = sorted({k for r in results for k in r[part]})
    rows = []
    for key in keys:
        found = [r[part].get(key) for r in results]
        first = next(f for f in found if f)
        count = first.get("clips", f"{first.get('real')} + {first.get('generated')}")
        rows.append([key, str(count), *(_number(f["auc"] if f else None) for f in found)])
    return _table([name, "clips", *(r["condition"] for r in results)], rows)


def holdouts_table(found: dict[str, Any]) -> str:
    """Results with each generator left out of training, and with the groups dealt anew."""
    parts = []
    if left := found.get("leave_one_out"):
        names = [key for key in next(iter(left.values())) if key != "clips"]
        weakest = sorted(left.items(), key=lambda item: item[1][names[0]] or 0)
        rows = [[g, str(row["clips"]), *(_number(row[n]) for n in names)] for g, row in weakest]
        parts.append(_table(["generator, left out of training", "clips", *names], rows))
    if seeds := found.get("seeds"):
        rows = [
            [name, str(row["seed"]), _number(row["auc"]), _number(row["tpr_at_5"]),
             _number(row["fpr_at_others_5"])]
            for name, each in seeds.items() for row in each
        ]  # fmt: skip
        head = ["condition", "seed of the folds", "AUC", "TPR@5%", "FPR on unseen sources at 5 %"]
        parts.append(_table(head, rows))
    return "\n\n".join(parts)


def report(results: Sequence[dict[str, Any]]) -> str:
    """All tables."""
    parts = [
        scores_table(results),
        labels_table(results),
        parts_table(results, "generators", "generator"),
        parts_table(results, "faces", "face manipulation (not this lane's task)"),
        parts_table(results, "buckets", "bucket"),
    ]
    return "\n\n".join(parts) + "\n"
