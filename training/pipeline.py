"""What the training commands do, as functions: train a run, export it, evaluate it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unreel.data.canonical import CONDITIONS, condition
from unreel.data.manifest import Clip, check_hashes
from unreel.detector.errors import UsageError
from unreel.detector.model import load_model
from unreel.training.cache import FrameCache
from unreel.training.calibrate import HeldOut, write_calibration
from unreel.training.card import write_card
from unreel.training.cv import (
    Run,
    open_run,
    out_of_fold,
    read_run,
    train_fold,
    trained_network,
)
from unreel.training.evaluate import Judged, evaluate_condition, judged, nested_calibrations
from unreel.training.export import export_model
from unreel.training.predict import clip_logits, judge_of_model
from unreel.training.recipe import Recipe
from unreel.training.tables import report
from unreel.training.train import train_split

Tell = Callable[[str], None]


def run_training(
    recipe: Recipe,
    clips: Sequence[Clip],
    out: Path,
    cache_folder: Path,
    *,
    parts: Sequence[str] = (),
    device: str = "cpu",
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> None:
    """Train what is missing of a run.

    Args:
        recipe: Hyper-parameters.
        clips: All rows of the manifest, with sha256.
        out: Run folder.
        cache_folder: Of decoded frames.
        parts: fold0.., final, model; empty = all of them.
        device: "cpu" or "cuda".
        workers: Decoding processes.
        tell: Receives progress lines.

    Raises:
        UsageError: Unknown part, clips without hash or with another one than is listed, or a run
            folder of something else.
    """
    known = [*(f"fold{i}" for i in range(recipe.folds)), "final", "model"]
    if unknown := sorted(set(parts) - set(known)):
        raise UsageError(f"unknown part {unknown[0]!r}, allowed are {', '.join(known)}")
    if missing := [c.path for c in clips if not c.sha256]:
        raise UsageError(f"{len(missing)} clips of the manifest have no sha256, e.g. {missing[0]}")
    if changed := check_hashes(clips):
        raise UsageError(
            f"{len(changed)} clips are not those of the manifest, e.g. {changed[0]}: put them "
            "back, or list what is there with its own sha256 and take another --out"
        )
    run = open_run(out, clips, recipe)
    cache = run.cache(cache_folder)
    needed = dict.fromkeys((*recipe.conditions, *recipe.calibration_conditions))
    for problem in cache.fill(clips, needed, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    for part in parts or known:
        if part == "final":
            inside = [c for c in clips if not c.is_face_only]
            train_split(inside, cache, recipe, out / part, device=device, tell=tell)
        elif part == "model":
            export_run(run, clips, cache, out / "model")
        else:
            train_fold(run, int(part.removeprefix("fold")), clips, cache, tell, device)


def export_run(run: Run, clips: Sequence[Clip], cache: FrameCache, folder: Path) -> None:
    """Write the model folder of a finished run.

    The shipped network is the final one; its calibration comes from the folds' scores of clips
    that they had not seen. How far the final network's own scores lie from those is in the card.
    """
    if not (run.folder / "final" / "DONE").exists():
        raise UsageError(
            f"{run.folder / 'final'} is not finished: run the same `unreel train` again"
        )
    network = trained_network(run, clips, cache, None)
    export_model(network, run.recipe, cache.sampling, folder)
    rows: list[HeldOut] = []
    for name in run.recipe.calibration_conditions:
        rows += _judge_run(run, clips, name, cache).held_out()
    write_calibration(folder / "calibration.json", rows)
    measured = run.folder / "evaluation"
    accuracy = ""
    if (measured / "metrics.json").exists():
        accuracy = (measured / "tables.md").read_text(encoding="utf-8")
        shutil.copyfile(measured / "metrics.json", folder / "metrics.json")
    write_card(folder, run.recipe, clips, rows, accuracy)
    (folder / "DONE").touch()


def _judge_run(run: Run, clips: Sequence[Clip], name: str, cache: FrameCache) -> Judged:
    folds = np.array([run.fold_of[c.sha256] for c in clips])
    return judged(name, clips, out_of_fold(run, clips, name, cache), folds, cache)


def run_evaluation(
    target: Path,
    clips: Sequence[Clip],
    conditions: Sequence[str],
    cache_folder: Path,
    *,
    out: Path | None = None,
    baselines: Sequence[str] = (),
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> str:
    """Evaluate a run folder out of fold, or a model folder on new clips.

    Returns:
        The tables as Markdown. They and metrics.json are written to `out`, or for a run folder to
        its folder `evaluation`, from where its export takes them.
    """
    names = list(CONDITIONS) if "all" in conditions else [condition(n).name for n in conditions]
    if (target / "run.json").exists():
        results = _evaluate_run(target, clips, names, cache_folder, baselines, workers, tell)
    else:
        results = _evaluate_model(target, clips, names, cache_folder, workers, tell)
    text = report(results)
    if out is None and (target / "run.json").exists():
        out = target / "evaluation"  # where the model card finds it
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (out / "tables.md").write_text(text, encoding="utf-8")
    return text


def _evaluate_run(
    target: Path,
    clips: Sequence[Clip],
    names: Sequence[str],
    cache_folder: Path,
    baselines: Sequence[str],
    workers: int,
    tell: Tell,
) -> list[dict[str, Any]]:
    run = read_run(target)
    if strange := [c.path for c in clips if c.sha256 not in run.fold_of]:
        raise UsageError(
            f"{strange[0]} is not among the clips of {target}: evaluate a model folder"
        )
    cache = run.cache(cache_folder)
    wanted = dict.fromkeys((*names, *run.recipe.calibration_conditions))
    for problem in cache.fill(clips, wanted, workers=workers, tell=tell):
        tell(f"not judged: {problem}")
    found = {}
    for name in wanted:
        tell(f"judging {name}")
        found[name] = _judge_run(run, clips, name, cache)
    fitted_on = [found[n] for n in run.recipe.calibration_conditions]
    calibrations = nested_calibrations(fitted_on, run.recipe.folds)
    return [
        evaluate_condition(found[n], calibrations, cache, target if n in baselines else None)
        for n in names
    ]


def _evaluate_model(
    target: Path,
    clips: Sequence[Clip],
    names: Sequence[str],
    cache_folder: Path,
    workers: int,
    tell: Tell,
) -> list[dict[str, Any]]:
    model = load_model(target)
    cache = FrameCache(cache_folder, model.sampling, model.short_side)
    for problem in cache.fill(clips, names, workers=workers, tell=tell):
        tell(f"not judged: {problem}")
    judge = judge_of_model(model)
    folds = np.zeros(len(clips), np.int64)
    results = []
    for name in names:
        tell(f"judging {name}")
        logits = clip_logits(clips, name, cache, lambda: judge, None)
        part = judged(name, clips, logits, folds, cache)
        results.append(evaluate_condition(part, [model.calibration], cache, None))
    return results
