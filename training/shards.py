"""A training set as WebDataset shards: for sets that are larger than a disk, or lie elsewhere.

    shard-00000.tar   <sha256, 24 digits>-<condition>.npy .json, one after the other
    index.json        which clip lies in which shard

A shard is read from front to back or not at all; clips were shuffled before they were packed, so
that each shard is a small sample of the set.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.detector.errors import UsageError
from unreel.detector.preprocess import normalise
from unreel.training.augment import training_view
from unreel.training.batches import Batch, draw_weights, made_ahead
from unreel.training.cache import FrameCache
from unreel.training.recipe import Recipe

INDEX = "index.json"


def pack(
    clips: Sequence[Clip],
    conditions: Sequence[str],
    cache: FrameCache,
    folder: Path,
    *,
    shard_bytes: int,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Write shards out of a filled frame cache.

    Args:
        clips: With sha256.
        conditions: Names.
        cache: Holds the frames.
        folder: Must not be there yet.
        shard_bytes: A shard is closed when it is larger.
        seed: Of the shuffle.
        tell: Receives progress lines.

    Returns:
        Names of the shards.

    Raises:
        UsageError: The folder is there.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already: take another --out")
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    jobs = [(c, n) for c in clips for n in conditions]
    order = np.random.default_rng(seed).permutation(len(jobs))
    index: dict[str, list[list[str]]] = {}
    archive: tarfile.TarFile | None = None
    for place in order:
        clip, condition = jobs[place]
        windows = cache.load(clip, condition).windows
        if not windows:
            continue
        if archive is None:
            name = f"shard-{len(index):05d}.tar"
            archive, index[name] = tarfile.open(partial / name, "w"), []  # noqa: SIM115
        _add(archive, clip, condition, [np.asarray(w) for w in windows])
        index[name].append([clip.sha256, condition])
        if archive.offset > shard_bytes:
            archive.close()
            archive = None
            tell(f"{name}: {len(index[name])} clips")
    if archive is not None:
        archive.close()
    (partial / INDEX).write_text(json.dumps({"shards": index}, indent=1), encoding="utf-8")
    os.replace(partial, folder)
    return list(index)


def _add(
    archive: tarfile.TarFile, clip: Clip, condition: str, windows: Sequence[NDArray[np.uint8]]
) -> None:
    frames = io.BytesIO()
    np.save(frames, np.concatenate(windows))
    facts = {"sha256": clip.sha256, "label": clip.label, "group": clip.group,
             "generator": clip.generator, "condition": condition,
             "lengths": [len(w) for w in windows]}  # fmt: skip
    for ending, content in (("npy", frames.getvalue()), ("json", json.dumps(facts).encode())):
        member = tarfile.TarInfo(f"{clip.sha256[:24]}-{condition}.{ending}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def read_shard(path: Path) -> Iterator[tuple[dict[str, Any], list[NDArray[np.uint8]]]]:
    """Facts and windows of each clip of a shard, in its order; nothing is unpickled.

    Raises:
        UsageError: It is no shard.
    """
    try:
        with tarfile.open(path, "r|") as archive:  # a stream: no seeks
            frames: NDArray[np.uint8] | None = None
            for member in archive:
                content = archive.extractfile(member)
                data = content.read() if content else b""
                if member.name.endswith(".npy"):
                    frames = np.load(io.BytesIO(data), allow_pickle=False)
                elif member.name.endswith(".json") and frames is not None:
                    facts = json.loads(data)
                    ends = np.cumsum(facts["lengths"])[:-1]
                    yield facts, np.split(frames, ends)
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise UsageError(f"{path} is no shard of `unreel data pack`: {error}") from error


class StreamedBatches:
    """The batches of TrainingBatches, out of shards: one shard in memory at a time.

    Each process reads shards of its own. An epoch goes through them in an order of its own and
    draws from each as many views as it has clips. What is drawn depends on seed, epoch and place
    alone, so that a run can be taken up at any step: shards before it are passed over unread.

    Args:
        clips: Training clips; others in the shards are passed over.
        folder: Of the shards.
        recipe: Batch size, conditions, augmentation, seed.
        statistics: (mean, std) per channel that the backbone expects.

    Raises:
        UsageError: No shards, none of these clips in them, or a recipe that trains on pairs.
    """

    def __init__(
        self, clips: Sequence[Clip], folder: Path, recipe: Recipe,
        statistics: tuple[tuple[float, ...], ...],
    ) -> None:  # fmt: skip
        self._folder, self._recipe, self._statistics = folder, recipe, statistics
        if recipe.pair_share:
            raise UsageError(
                "pairs are not streamed, their halves belong side by side: train without --shards, "
                "or with pair_share = 0"
            )
        self._clips = {c.sha256: c for c in clips}
        try:
            listed = json.loads((folder / INDEX).read_text(encoding="utf-8"))["shards"]
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(
                f"{folder} holds no shards: `unreel data pack` makes them ({error})"
            ) from error
        self._wanted = {
            name: sum(sha in self._clips and cond in recipe.conditions for sha, cond in keys)
            for name, keys in listed.items()
        }
        if not sum(self._wanted.values()):
            raise UsageError(f"none of the {len(clips)} training clips lies in {folder}")
        self.steps_per_epoch = max(1, sum(self._wanted.values()) // recipe.batch)

    def run(self, first: int, last: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Batches of the steps first..last-1, or the share of them that one process gets.

        Raises:
            UsageError: Fewer shards than processes, or a batch that cannot be shared evenly.
        """
        mine = [n for n, count in self._wanted.items() if count][rank::ranks]
        if not mine or self._recipe.batch % ranks:
            raise UsageError(
                f"{ranks} processes need as many shards and a batch that is a multiple of {ranks}, "
                f"got {len(self._wanted)} shards and batch = {self._recipe.batch}"
            )
        return made_ahead(self._batches(mine, first, last, self._recipe.batch // ranks))

    def _batches(self, names: list[str], first: int, last: int, share: int) -> Iterator[Batch]:
        views: list[NDArray[np.uint8]] = []
        labels: list[np.float32] = []
        stream = self._views(names, first * share)
        for _ in range(first, last):
            while len(views) < share:
                view, label = next(stream)
                views.append(view)
                labels.append(label)
            yield normalise(np.stack(views), *self._statistics), np.array(labels, np.float32), 0
            views, labels = [], []

    def _views(self, names: list[str], skip: int) -> Iterator[tuple[NDArray[np.uint8], np.float32]]:
        seed, epoch = self._recipe.seed, 0
        while True:
            for name in np.random.default_rng([seed, epoch]).permutation(sorted(names)):
                count = self._wanted[str(name)]
                if skip >= count:
                    skip -= count
                    continue
                yield from self._of_shard(str(name), epoch, skip)
                skip = 0
            epoch += 1

    def _of_shard(
        self, name: str, epoch: int, skip: int
    ) -> Iterator[tuple[NDArray[np.uint8], np.float32]]:
        found = [
            (self._clips[facts["sha256"]], facts["condition"], windows)
            for facts, windows in read_shard(self._folder / name)
            if facts["sha256"] in self._clips and facts["condition"] in self._recipe.conditions
        ]
        odds = draw_weights([clip for clip, _, _ in found])
        odds = odds * np.array([self._recipe.conditions[cond] for _, cond, _ in found])
        number = int(name.removeprefix("shard-").removesuffix(".tar"))
        for place in range(skip, self._wanted[name]):
            rng = np.random.default_rng([self._recipe.seed, epoch, number, place])
            clip, _, windows = found[int(rng.choice(len(found), p=odds / odds.sum()))]
            window = windows[int(rng.integers(len(windows)))]
            yield training_view(window, self._recipe, rng), np.float32(clip.is_positive)
