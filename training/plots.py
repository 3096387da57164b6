"""Pictures of an evaluation: ROC, reliability, generators, conditions; a PNG for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from unreel.detector.errors import MissingExtraError

Array = NDArray[np.float64]
INK, LINE, WEAK = "#1b1b1b", "#2b6cb0", "#c05621"
BINS = 10


def write_plots(results: Sequence[dict[str, Any]], curves: dict[str, Any], folder: Path) -> None:
    """Write roc.png, reliability.png, generators.png and conditions.png.

    Args:
        results: What `evaluate_condition` returned, by condition.
        curves: Condition -> (labels, scores) of the judged clips; scores are calibrated 0..1.
        folder: Made when missing.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("pictures of an evaluation", "train", "matplotlib") from error
    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _roc(curves, folder / "roc.png")
    _reliability(curves, folder / "reliability.png")
    _generators(results, folder / "generators.png")
    _conditions(results, folder / "conditions.png")


def _axes(width: float = 5.0, height: float = 4.2) -> tuple[Any, Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _roc(curves: dict[str, Any], path: Path) -> None:
    figure, axes = _axes()
    for name, (labels, scores) in curves.items():
        false, true, _ = roc_curve(labels, scores)
        axes.plot(false, true, label=name, linewidth=1.5)
    axes.axvline(0.05, color=INK, linewidth=0.8, linestyle=":")
    axes.set(xlabel="camera clips flagged", ylabel="generated clips flagged",
             xlim=(0, 1), ylim=(0, 1.01))  # fmt: skip
    axes.legend(frameon=False, loc="lower right")
    _save(figure, path)


def _reliability(curves: dict[str, Any], path: Path) -> None:
    """Score against the share that is generated, with both classes weighing the same."""
    figure, axes = _axes()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    for name, (labels, scores) in curves.items():
        weight = np.where(labels == 1, 0.5 / (labels == 1).sum(), 0.5 / (labels == 0).sum())
        which = np.minimum((scores * BINS).astype(int), BINS - 1)
        mass = np.bincount(which, weight, minlength=BINS)
        seen = mass > 0
        mean = np.bincount(which, weight * scores, minlength=BINS)[seen] / mass[seen]
        share = np.bincount(which, weight * labels, minlength=BINS)[seen] / mass[seen]
        axes.plot(mean, share, marker="o", markersize=4, linewidth=1.2, label=name)
    axes.set(xlabel="score", ylabel="share generated", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(frameon=False, loc="upper left")
    _save(figure, path)


def _generators(results: Sequence[dict[str, Any]], path: Path) -> None:
    """AUC of each generator under the first condition, the weakest on top."""
    first = results[0]
    rows = sorted(first["generators"].items(), key=lambda row: row[1]["auc"], reverse=True)
    figure, axes = _axes(6.5, 1.2 + 0.21 * max(1, len(rows)))
    places = np.arange(len(rows))
    areas = [row["auc"] for _, row in rows]
    axes.barh(places, areas, color=[WEAK if a < 0.75 else LINE for a in areas], height=0.7)
    axes.set_yticks(places, [f"{name} ({row['clips']})" for name, row in rows], fontsize=8)
    axes.set(xlabel=f"AUC against all camera clips, {first['condition']}", xlim=(0, 1))
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
    _save(figure, path)


def _conditions(results: Sequence[dict[str, Any]], path: Path) -> None:
    """AUC with its interval by condition, the metadata probe beside it."""
    figure, axes = _axes(6.0, 3.8)
    for shift, name, colour in ((-0.12, "unreel", LINE), (0.12, "probe: metadata", WEAK)):
        found = [(i, r["rows"][name]) for i, r in enumerate(results) if name in r["rows"]]
        if not found:
            continue
        middle = np.array([m["auc"] for _, m in found])
        ends = np.array([[m["auc_low"], m["auc_high"]] for _, m in found]).T
        axes.errorbar(
            np.array([i for i, _ in found]) + shift, middle, yerr=np.abs(ends - middle),
            fmt="o", color=colour, capsize=3, label=name,
        )  # fmt: skip
    axes.set_xticks(range(len(results)), [r["condition"] for r in results])
    axes.set(ylabel="AUC", ylim=(0.4, 1.0))
    axes.axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
    axes.legend(frameon=False, loc="lower left")
    _save(figure, path)
