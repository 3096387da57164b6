"""Cross-validation by group: train the folds, keep what each says of clips it never saw.

A run folder:

    run.json            manifest hash, recipe, fold of each clip
    fold0 .. foldN/     weights.safetensors  log.jsonl  scores-<condition>.json  DONE
    final/              the same for the model trained on all groups
    model/              the model folder that ships
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.splits import check_no_leak, group_folds
from unreel.detector.config import SamplingConfig
from unreel.detector.errors import UsageError
from unreel.detector.network import SpatioTemporalClassifier
from unreel.training.baselines import clip_features, features_file
from unreel.training.batches import Pair
from unreel.training.cache import FrameCache
from unreel.training.predict import Judge, clip_logits, judge_of_network
from unreel.training.probe import attach_probe
from unreel.training.recipe import AnyRecipe, Recipe, recipe_of
from unreel.training.train import train_split

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder and what it was made from."""

    folder: Path
    recipe: AnyRecipe
    fold_of: dict[str, int]
    """Fold of each clip by its sha256; face-only clips have one too, and are never trained on."""

    @property
    def tuned(self) -> Recipe:
        """The recipe of a run that tunes a network."""
        assert isinstance(self.recipe, Recipe)
        return self.recipe

    def cache(self, folder: Path) -> FrameCache:
        """The frame cache with this run's sampling."""
        return FrameCache(folder, sampling_of(self.recipe), self.recipe.short_side)


def sampling_of(recipe: AnyRecipe) -> SamplingConfig:
    """How windows are chosen under a recipe."""
    return SamplingConfig(
        frames_per_window=recipe.frames_per_window, frame_step_seconds=recipe.frame_step_seconds
    )


def open_run(
    folder: Path, clips: Sequence[Clip], recipe: AnyRecipe, pairs: Sequence[Pair] = ()
) -> Run:
    """Begin a run, or take up one that has the same clips, pairs and recipe.

    Raises:
        UsageError: The folder holds a run with other clips or settings.
    """
    folds = group_folds(clips, recipe.folds, recipe.seed)
    content: dict[str, Any] = {
        "recipe": asdict(recipe),
        "fold_of": {c.sha256: f for c, f in zip(clips, folds, strict=True)},
    }
    if pairs:
        content["pairs"] = sorted(half.sha256 for pair in pairs for half in pair)
    text = json.dumps(content, indent=1, sort_keys=True)
    path = folder / "run.json"
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{folder} holds a run of other clips or settings: take another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Run(folder, recipe, content["fold_of"])


def read_run(folder: Path) -> Run:
    """Read a run folder that was made before.

    Raises:
        UsageError: It is not one.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is not a run folder: {error}") from error
    return Run(folder, recipe_of(content["recipe"]), content["fold_of"])


def train_fold(
    run: Run,
    fold: int,
    clips: Sequence[Clip],
    cache: FrameCache,
    tell: Tell,
    device: str = "cpu",
    track: str = "",
    shards: Path | None = None,
    pairs: Sequence[Pair] = (),
) -> None:
    """Train one fold's model on the clips of the other folds, without face-only clips; pairs of the
    fold's groups are left out as well."""
    inside = trained_on(run, clips, fold)
    outside = [c for c in clips if run.fold_of[c.sha256] == fold]
    groups = {c.group for c in outside}
    pairs = [pair for pair in pairs if pair[0].group not in groups]
    check_no_leak([*inside, *(half for pair in pairs for half in pair)], outside)
    train_split(
        inside, cache, run.tuned, run.folder / f"fold{fold}", device=device, track=track,
        shards=shards, pairs=pairs, tell=tell,
    )  # fmt: skip


def trained_on(run: Run, clips: Sequence[Clip], fold: int | None) -> list[Clip]:
    """The clips of a manifest that a fold, or (None) the final model, is trained on."""
    if run.tuned.zero_shot:
        return []
    return [c for c in clips if run.fold_of[c.sha256] != fold and not c.is_face_only]


def trained_network(
    run: Run, clips: Sequence[Clip], cache: FrameCache, fold: int | None
) -> SpatioTemporalClassifier:
    """A finished network with its probe: that of a fold, or (None) the final one.

    Args:
        run: The run.
        clips: All clips of the run, of which the fold's own are left out of the probe too.
        cache: Holds their frames under the condition that the probe is fitted on.
        fold: Which.
    """
    folder = run.folder / ("final" if fold is None else f"fold{fold}")
    network = train_split([], cache, run.tuned, folder)
    if run.tuned.probe_condition and not run.tuned.zero_shot:
        kept = features_file(run.folder, run.tuned.probe_condition)
        features = clip_features(clips, run.tuned.probe_condition, cache, kept)["stages"]
        labels = np.array([float(c.is_positive) for c in clips])
        inside = [run.fold_of[c.sha256] != fold and not c.is_face_only for c in clips]
        attach_probe(network, run.tuned, features, labels, np.array(inside))
    return network


def out_of_fold(
    run: Run, clips: Sequence[Clip], condition: str, cache: FrameCache
) -> NDArray[np.float64]:
    """(n,) logit of each clip by the fold model that never saw its group; NaN = not judged."""
    logits = np.full(len(clips), np.nan)
    for fold in range(run.recipe.folds):
        where = [i for i, c in enumerate(clips) if run.fold_of[c.sha256] == fold]
        folder = run.folder / f"fold{fold}"
        if not (folder / "DONE").exists():
            raise UsageError(f"{folder} is not finished: run the same `unreel train` again")

        def make_judge(fold: int = fold) -> Judge:
            return judge_of_network(trained_network(run, clips, cache, fold), run.tuned)

        keep = folder / f"scores-{condition}.json"
        logits[where] = clip_logits([clips[i] for i in where], condition, cache, make_judge, keep)
    return logits
