"""`unreel train-paths` from clips to heads: one for each fold by group, and one of all.

OUT/fold0.npz ... fold4.npz    trained without a fold: what measurements are made with
OUT/head.npz                   trained on all: what ships
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip, read_manifest
from unreel.data.pairs.truth import Planted, read_planted
from unreel.data.splits import group_folds
from unreel.detector.errors import MediaError, UsageError
from unreel.training.path_examples import NEITHER, examples_of, labels_of
from unreel.training.path_head import PathRecipe, fit, joined, write_head

FOLDS = 5
MAX_OF_CLIP = 8000
"""Places that are drawn of one stretch of camera footage."""
MAX_LAWFUL = 2500
"""Lawful places that are drawn of one planted clip; of the event all are kept."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one stretch teaches."""

    fold: int
    numbers: NDArray[np.float16]
    labels: NDArray[np.int8] | None


def run_paths(
    manifest: Path,
    planted: Sequence[Path],
    out: Path,
    recipe: PathRecipe,
    *,
    cache: Path,
    workers: int,
    tell: Tell,
) -> Path:
    """Measure all clips and train all heads.

    Args:
        manifest: Of the corpus; its camera clips are used.
        planted: Folders of `unreel pairs plant`, made of these camera clips.
        out: Folder for the heads.
        recipe: How they are trained.
        cache: Folder that keeps the numbers of clips.
        workers: Clips that are measured at once.
        tell: Told of progress, and of clips that cannot be used.

    Returns:
        The head that was trained on all.

    Raises:
        UsageError: There is no camera clip, or an event has no planted example.
    """
    corpus = read_manifest(manifest)
    clips = [clip for clip in corpus if clip.label == "real"]
    if not clips:
        raise UsageError(f"{manifest} has no camera clip")
    folds = fold_of_each(corpus)
    jobs: list[tuple[Path, Planted | None, int]] = [
        (clip.path, None, folds[clip.path.name]) for clip in clips
    ]
    for folder in planted:
        records = read_planted(folder)
        jobs += [(folder / r.file, r, fold_of(r, folds)) for r in records]
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda job: _parts(*job, cache=cache, tell=tell), jobs)
        parts = [part for of_clip in found for part in of_clip]
    tell(f"{len(jobs)} clips, {sum(len(p.numbers) for p in parts):,} places")
    for held_out in (*range(FOLDS), None):
        kept = [(p.numbers, p.labels) for p in parts if p.fold != held_out]
        try:
            network = fit(joined(kept), recipe)
        except ValueError as error:
            raise UsageError(
                f"{error} in the folds that are left: plant more with `unreel pairs plant "
                "--event dissolve`, each event by its name"
            ) from error
        name = "head.npz" if held_out is None else f"fold{held_out}.npz"
        write_head(network, out / name)
        tell(f"trained {out / name}")
    return out / "head.npz"


def fold_of_each(clips: Sequence[Clip]) -> dict[str, int]:
    """Name of a clip -> its fold; groups stay together."""
    folds = group_folds(clips, FOLDS)
    return {clip.path.name: fold for clip, fold in zip(clips, folds, strict=True)}


def fold_of(planted: Planted, folds: dict[str, int]) -> int:
    """A planted clip is in the fold of its footage; a drawn one is where its seed puts it."""
    return folds.get(planted.source, planted.seed % FOLDS)


def _parts(
    path: Path, record: Planted | None, fold: int, *, cache: Path, tell: Tell
) -> list[_Part]:
    """What one clip teaches; a clip that cannot be read teaches nothing and is told of."""
    try:
        stretches = examples_of(path, cache)
    except MediaError as error:
        tell(f"left out: {path}: {error.code}: {error.message}")
        return []
    parts = []
    rng = np.random.default_rng(len(path.name))
    for examples in stretches:
        count = len(examples.numbers)
        if record is None:
            rows = rng.permutation(count)[:MAX_OF_CLIP]
            parts.append(_Part(fold, examples.numbers[rows], None))
            continue
        labels = labels_of(record, examples)
        lawful = rng.permutation(np.flatnonzero((labels < 0) & (labels != NEITHER)))[:MAX_LAWFUL]
        rows = np.concatenate([np.flatnonzero(labels >= 0), lawful])
        parts.append(_Part(fold, examples.numbers[rows], labels[rows]))
    return parts
