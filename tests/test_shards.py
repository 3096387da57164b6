"""Shards hold all of a set, are read from front to back, and give the same batches every time."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unreel.detector.errors import UsageError
from unreel.training.recipe import Recipe
from unreel.training.shards import StreamedBatches, pack, read_shard

pytest.importorskip("torch", reason="needs the train extra: pip install 'unreel[train]'")

from train_worker import RECIPE, Drawn, clips

STATISTICS = ((0.5,) * 3, (0.5,) * 3)
SET = [replace(c, sha256=f"{n:064x}") for n, c in enumerate(clips())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pack(SET, ["raw"], Drawn(), tmp_path / "shards", shard_bytes=250_000)  # type: ignore[arg-type]  # a cache of pictures drawn here
    return tmp_path / "shards"


def first(batches: StreamedBatches, start: int, count: int, *ranks: int) -> list[NDArray[Any]]:
    return [b[0] for b in islice(batches.run(start, start + count, *ranks), count)]


def test_every_clip_lies_in_one_shard(folder: Path) -> None:
    names = sorted(p.name for p in folder.glob("*.tar"))
    assert len(names) >= 3
    found = [facts["sha256"] for name in names for facts, _ in read_shard(folder / name)]
    assert sorted(found) == [c.sha256 for c in SET]
    with tarfile.open(folder / names[0]) as archive:  # a key, then its endings, as WebDataset reads
        keys = [m.name.partition(".") for m in archive]
    assert [k[2] for k in keys[:2]] == ["npy", "json"] and keys[0][0] == keys[1][0]


def test_the_frames_are_those_of_the_cache(folder: Path) -> None:
    for facts, windows in read_shard(folder / "shard-00000.tar"):
        clip = next(c for c in SET if c.sha256 == facts["sha256"])
        expected = Drawn().load(clip, "raw").windows
        assert [w.shape for w in windows] == [w.shape for w in expected]
        assert all((a == b).all() for a, b in zip(windows, expected, strict=True))
        assert facts["label"] == clip.label


def test_a_stream_is_the_same_every_time_and_from_any_step(folder: Path) -> None:
    batches = StreamedBatches(SET, folder, RECIPE, STATISTICS)
    assert batches.steps_per_epoch == 4
    whole = first(batches, 0, 10)  # two epochs and a half
    assert all((a == b).all() for a, b in zip(first(batches, 0, 10), whole, strict=True))
    for start in (1, 4, 7):
        assert (first(batches, start, 1)[0] == whole[start]).all()
    assert not (whole[0] == whole[4]).all()


def test_processes_read_shards_of_their_own(folder: Path) -> None:
    batches = StreamedBatches(SET, folder, RECIPE, STATISTICS)
    parts = [first(batches, 0, 4, rank, 2) for rank in range(2)]
    assert [p[0].shape[0] for p in parts] == [2, 2]
    assert not (parts[0][0] == parts[1][0]).all()
    with pytest.raises(UsageError, match="need as many shards"):
        batches.run(0, 1, 3, 64)


def test_clips_outside_the_fold_are_never_drawn(folder: Path) -> None:
    inside = [c for c in SET if c.is_positive]  # all bright: see train_worker.Drawn
    batches = StreamedBatches(inside, folder, RECIPE, STATISTICS)
    labels = np.concatenate([b[1] for b in batches.run(0, 6)])
    assert labels.min() == 1.0
    with pytest.raises(UsageError, match="none of the 1 training clips"):
        StreamedBatches([replace(SET[0], sha256="f" * 64)], folder, RECIPE, STATISTICS)


def test_what_is_no_shard_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unreel data pack"):
        StreamedBatches(SET, tmp_path, Recipe(), STATISTICS)
    (folder / "shard-00000.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(UsageError, match="is no shard"):
        list(read_shard(folder / "shard-00000.tar"))
    batches = StreamedBatches(SET, folder, RECIPE, STATISTICS)
    with pytest.raises(UsageError, match="is no shard"):  # the thread's error reaches the caller
        list(batches.run(0, 4))


def test_a_folder_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(UsageError, match="take another --out"):
        pack(SET, ["raw"], Drawn(), folder, shard_bytes=1)  # type: ignore[arg-type]  # as above
    assert json.loads((folder / "index.json").read_text())["shards"]
