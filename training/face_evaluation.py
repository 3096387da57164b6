"""What the faces lane is worth: out-of-fold results by what it was fitted on, and by family."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unreel.detector.faces.judging import FPR
from unreel.training.face_run import EMBEDDED_KINDS, QUESTIONS, FaceRecipe, FaceTable, out_of_fold
from unreel.training.metrics import auc, measure, tpr_at

Array = NDArray[np.float64]
FACTS = ("fps", "frames", "width", "height")


def evaluation(
    table: FaceTable, recipe: FaceRecipe, *, folds: int = 5, seeds: int = 3
) -> tuple[Array, dict[str, Any]]:
    """Held-out logits of the recipe, and everything that is printed beside them.

    Args:
        table: All clips.
        recipe: Of the line.
        folds: By group.
        seeds: Deals of the groups to folds; the first one's logits are handed on.

    Returns:
        (n,) out-of-fold logits of the table's rows by lines fitted on all that is at hand, and
        results by name.
    """
    results: dict[str, Any] = {}
    asked = [(question, recipe) for question in QUESTIONS]
    asked += [(f"full, {kind} alone", replace(recipe, kinds=(kind,))) for kind in recipe.kinds]
    plain = tuple(kind for kind in recipe.kinds if kind not in EMBEDDED_KINDS)
    for question in QUESTIONS if plain not in ((), recipe.kinds) else ():
        asked.append((f"{question}, without networks", replace(recipe, kinds=plain)))
    first = np.empty(0)
    for name, one in asked:
        question = name.partition(",")[0]
        deals = [out_of_fold(table, one, question, folds, seed) for seed in range(seeds)]
        first = deals[0] if name == "full" else first
        results[name] = row_of(table, deals[0], folds) | _over_deals(table, deals)
        results[name]["false_alarms"] = round(false_alarms(table, deals[0], folds), 4)
    probed = probe(table, folds)
    results["probe: fps, frames, size"] = row_of(table, probed, folds) | _over_deals(
        table, [probed]
    )
    return first, results


def false_alarms(table: FaceTable, logits: Array, folds: int = 5, fpr: float = FPR) -> float:
    """Share of camera clips flagged where the camera clips of the other folds give `fpr`."""
    real, fold_of = table.found & (table.labels == 0), table.folds(folds)
    flagged = 0
    for fold in range(folds):
        others = np.sort(logits[real & (fold_of != fold)])[::-1]
        threshold = others[int(fpr * len(others))]
        flagged += int((logits[real & (fold_of == fold)] > threshold).sum())
    return flagged / int(real.sum())


def _over_deals(table: FaceTable, deals: list[Array]) -> dict[str, float]:
    """Means over several deals of the groups to folds."""
    labels = table.labels[table.found]
    return {
        "auc_of_deals": round(float(np.mean([auc(labels, d[table.found]) for d in deals])), 4),
        "tpr_at_5_of_deals": round(
            float(np.mean([tpr_at(labels, d[table.found], 0.05) for d in deals])), 4
        ),
    }


def row_of(table: FaceTable, logits: Array, folds: int = 5) -> dict[str, Any]:
    """AUC with its interval, TPR at 5 %, by family too; of clips of the corpus alone."""
    inside = table.found & np.isfinite(logits)
    labels, scores = table.labels[inside], logits[inside]
    found = measure(
        labels, scores, table.groups[inside], calibrated=False, folds=table.folds(folds)[inside]
    )
    families = np.array([row.clip.family for row in table.rows])[inside]
    by_family = {}
    for family in sorted(set(families[labels == 1])):
        chosen = (labels == 0) | (families == family)
        by_family[str(family)] = {
            "clips": int((labels[chosen] == 1).sum()),
            "auc": round(auc(labels[chosen], scores[chosen]), 3),
            "tpr_at_5": round(tpr_at(labels[chosen], scores[chosen], 0.05), 3),
        }
    return {**found.as_dict(), "families": by_family, "blends_auc": _on_blends(table, logits)}


def _on_blends(table: FaceTable, logits: Array) -> float | None:
    """AUC of blends against the camera halves of their pairs."""
    made = ~table.found & np.isfinite(logits)
    if len(set(table.labels[made])) < 2:
        return None
    return round(auc(table.labels[made], logits[made]), 3)


def probe(table: FaceTable, folds: int = 5) -> Array:
    """(n,) out-of-fold logits of what knows nothing but the form of the file."""
    values = np.array([[row.faces.facts[name] for name in FACTS] for row in table.rows])
    fold_of, logits = table.folds(folds), np.full(len(table.rows), np.nan)
    for fold in range(folds):
        inside, held = (fold_of != fold) & table.found, (fold_of == fold) & table.found
        line = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        line.fit(values[inside], table.labels[inside])
        logits[held] = line.decision_function(values[held])
    return logits


def as_table(results: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| fitted on | clips (real) | AUC [95 %], mean of deals | TPR@5 %, mean of deals | "
        "false alarms | by family: AUC | blends: AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        families = ", ".join(f"{f} {v['auc']:.2f}" for f, v in row["families"].items())
        blends = "-" if row["blends_auc"] is None else f"{row['blends_auc']:.2f}"
        alarms = f"{row['false_alarms']:.3f}" if "false_alarms" in row else "-"
        lines.append(
            f"| {name} | {row['clips']:.0f} ({row['real']:.0f}) | {row['auc']:.3f} "
            f"[{row['auc_low']:.3f}, {row['auc_high']:.3f}], {row['auc_of_deals']:.3f} | "
            f"{row['tpr_at_5']:.3f}, {row['tpr_at_5_of_deals']:.3f} | {alarms} | {families} | "
            f"{blends} |"
        )
    return "\n".join(lines) + "\n"
