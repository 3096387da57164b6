"""Several processes train what one would, and a run that was cut off goes on as if it had not."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("lightning_fabric", reason="needs the train extra: pip install 'unreel[train]'")

from safetensors.torch import load_file
from train_worker import RECIPE, Drawn, clips

from unreel.detector.errors import UsageError
from unreel.training.backbones import build
from unreel.training.batches import TrainingBatches
from unreel.training.recipe import load_recipe, with_backbone

pytestmark = pytest.mark.slow
WORKER = Path(__file__).parent / "train_worker.py"


def run(folder: Path, *arguments: str, processes: int = 1, code: int = 0) -> list[float]:
    """Loss of each step."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                     str(processes)]  # fmt: skip
    done = subprocess.run(
        [*launcher, str(WORKER), str(folder), *arguments], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert (done.returncode == 0) == (code == 0), done.stderr[-2000:]
    with (folder / "steps.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, run(folder)


def test_a_run_logs_every_step(alone: tuple[Path, list[float]]) -> None:
    folder, losses = alone
    assert len(losses) == 12
    epochs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in epochs] == [4, 8, 12]
    assert epochs[0]["loss"] == pytest.approx(sum(losses[:4]) / 4, abs=1e-3)
    assert list((folder / "tensorboard").glob("events.*"))
    assert not (folder / "state.pt").exists()


def test_two_processes_have_the_loss_curve_of_one(
    alone: tuple[Path, list[float]], tmp_path: Path
) -> None:
    """Gradients are averaged over gloo; dropout draws differ between them, hence the tolerance."""
    losses = run(tmp_path / "two", processes=2)
    assert losses == pytest.approx(alone[1], abs=0.05)
    assert (tmp_path / "two" / "DONE").exists()


def test_a_run_cut_off_inside_an_epoch_ends_as_one_that_was_not(
    alone: tuple[Path, list[float]], tmp_path: Path
) -> None:
    folder = tmp_path / "cut"
    before = run(folder, "7", code=1)
    assert 6 <= len(before) < 12 and (folder / "state.pt").exists()
    assert run(folder) == pytest.approx(alone[1], abs=1e-5)
    expected, found = (load_file(f / "weights.safetensors") for f in (alone[0], folder))
    assert all(torch.equal(expected[k], found[k]) for k in expected)


def test_a_batch_is_the_shares_of_its_processes() -> None:
    batches = TrainingBatches(clips(), Drawn(), RECIPE, ((0.5,) * 3, (0.5,) * 3))  # type: ignore[arg-type]  # a cache of pictures drawn here
    (whole,) = batches.run(3, 4)
    parts = [next(batches.run(3, 4, rank, 2)) for rank in range(2)]
    for k in range(2):
        assert (whole[k] == torch.cat([torch.from_numpy(p[k]) for p in parts]).numpy()).all()
    with pytest.raises(UsageError, match="cannot be shared by 3 processes"):
        next(batches.run(0, 1, 0, 3))


@pytest.mark.parametrize("name", ["laptop", "gpu", "cluster"])
def test_the_recipes_that_ship_are_read(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name and recipe.batch % 2 == 0


@pytest.mark.parametrize("name", ["convnext_atto", "resnet18"])
def test_any_backbone_of_timm_can_be_tuned(name: str) -> None:
    recipe = with_backbone(load_recipe("laptop"), name, "random")
    network = build(recipe.backbone, head_width=16, dropout=0.0, first_weights="random")
    clip, frames, places = network(torch.zeros(1, 2, 3, 64, 64))
    assert clip.shape == (1,) and frames.shape == (1, 2) and places.shape[2:] == (2, 2)
    assert recipe.frozen_stages == 0 and recipe.name == name


def test_a_backbone_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        build("convnext_ato", head_width=16, dropout=0.0)
