"""Pairs side by side in a batch: one view of both halves, and a loss that ranks them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("timm", reason="needs the train extra: pip install 'unreel[train]'")

from click.testing import CliRunner
from make_training_set import make_training_set
from train_worker import RECIPE, Drawn

from unreel.data.manifest import Clip, read_manifest
from unreel.data.pairs.pair_folder import read_pairs
from unreel.data.pairs.video_autoencoder import CausalVideoNetwork, Size, save_network
from unreel.detector.cli import main
from unreel.detector.errors import UsageError
from unreel.training.batches import TrainingBatches
from unreel.training.cache import CachedClip
from unreel.training.cv import read_run, trained_on
from unreel.training.recipe import Recipe, load_recipe
from unreel.training.train import _loss

STATISTICS = ((0.0,) * 3, (1.0,) * 3)
SINGLE = [Clip(Path(), "real", str(n), sha256=str(n)) for n in range(8)]
PAIRS = [
    (Clip(Path(), "real", str(n), pair_id=str(n), sha256=f"r{n}"),
     Clip(Path(), "generated", str(n), pair_id=str(n), sha256=f"m{n}"))
    for n in range(20, 26)
]  # fmt: skip
HALF = replace(RECIPE, pair_share=0.5, batch=8)


class Alike(Drawn):
    """Halves of a pair that do not differ, so that their views must not either."""

    def load(self, clip: Clip, condition: str) -> CachedClip:
        return super().load(replace(clip, label="real"), condition)


def batches_of(recipe: Recipe, clips: list[Clip] = SINGLE) -> TrainingBatches:
    return TrainingBatches(clips, Alike(), recipe, STATISTICS, PAIRS)  # type: ignore[arg-type]  # a cache of pictures drawn here


def test_halves_stand_side_by_side_under_one_view() -> None:
    for frames, labels, paired in batches_of(HALF).run(0, 6):
        assert paired == 4 and labels[:4].tolist() == [0, 1, 0, 1] and not labels[4:].any()
        np.testing.assert_array_equal(frames[0:4:2], frames[1:4:2])
        assert not np.array_equal(frames[0], frames[2])


def test_pairs_alone_need_no_other_clip() -> None:
    (batch,) = batches_of(replace(HALF, pair_share=1.0), []).run(3, 4)
    assert batch[2] == 8 and batch[1].tolist() == [0, 1] * 4


def test_processes_share_a_batch_without_parting_a_pair() -> None:
    batches = batches_of(replace(HALF, batch=8, pair_share=0.75))
    (whole,) = batches.run(2, 3)
    parts = [next(batches.run(2, 3, rank, 2)) for rank in range(2)]
    assert whole[2] == 6 and [part[2] for part in parts] == [4, 2]
    np.testing.assert_array_equal(whole[0], np.concatenate([part[0] for part in parts]))
    with pytest.raises(UsageError, match="halves of pairs stay together"):
        next(batches.run(0, 1, 0, 8))


def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(UsageError, match="--pairs"):
        TrainingBatches(SINGLE, Alike(), HALF, STATISTICS)  # type: ignore[arg-type]  # as above
    with pytest.raises(UsageError, match="none of 0 clips can be trained on"):
        batches_of(HALF, [])

    class Short(Alike):
        """Halves that are too short for a window."""

        def load(self, clip: Clip, condition: str) -> CachedClip:
            return CachedClip((), {}) if clip.pair_id else super().load(clip, condition)

    with pytest.raises(UsageError, match="none of 6 is long enough"):
        TrainingBatches(SINGLE, Short(), HALF, STATISTICS, PAIRS)  # type: ignore[arg-type]  # as above


def test_the_loss_falls_as_the_made_half_rises_above_the_camera_half() -> None:
    class Fixed(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
            return frames, frames[:, None], None

    labels = torch.tensor([0.0, 1.0, 0.0])
    recipe = replace(HALF, frame_loss=0.0, label_smoothing=0.0)

    def ranked(camera: float, made: float) -> float:
        """The loss beyond the cross entropy."""
        scores = torch.tensor([camera, made, 0.0])
        parts = [_loss(Fixed(), scores, labels, paired, recipe) for paired in (2, 0)]
        return float(parts[0] - parts[1])

    assert ranked(3.0, 3.0) == pytest.approx(np.log(2), abs=1e-5)
    assert ranked(3.0, 5.0) == pytest.approx(np.log1p(np.exp(-2)), abs=1e-5)
    assert ranked(5.0, 3.0) > ranked(3.0, 3.0)


def test_recipes_of_pairs_are_read_and_refuse_what_they_are_not() -> None:
    pairs, alone = load_recipe("pairs"), load_recipe("zero_shot")
    assert isinstance(pairs, Recipe) and isinstance(alone, Recipe)
    assert 0 < pairs.pair_share < 1 and alone.zero_shot and alone.pair_share == 1


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_a_network_learns_from_pairs_alone_and_sees_no_clip_of_its_fold(tmp_path: Path) -> None:
    """From camera clips to pairs to a trained fold, by the commands."""
    manifest = make_training_set(tmp_path / "set")
    torch.manual_seed(0)
    network = CausalVideoNetwork(Size(latent=4, fine=8, middle=8, deep=8))
    save_network(network, tmp_path / "own", {"name": "own", "seen_sha256": []})
    run("pairs", "reconstruct", str(manifest), str(tmp_path / "pairs"), "--frames", "9",
        "--crop", "96", "--autoencoder", str(tmp_path / "own"), "--codec", "lossless")  # fmt: skip
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\nepochs = 3\nbatch = 4\nfolds = 2\ncrop = 64\nshort_side = 96\n'
        'pair_share = 1\nzero_shot = true\ncalibration_conditions = ["raw"]\n'
        "[conditions]\nraw = 1.0\nchain0 = 1.0\n"
    )
    out = tmp_path / "run"
    arguments = ["train", str(recipe), "--manifest", str(manifest), "--out", str(out),
                 "--cache", str(tmp_path / "cache"), "--workers", "1"]  # fmt: skip
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 2 and "--pairs" in refused.output
    run(*arguments, "--part", "fold0", "--pairs", str(tmp_path / "pairs"))
    losses = [
        float(line.split(",")[2]) for line in (out / "fold0/steps.csv").read_text().split()[1:]
    ]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    found = read_run(out)
    assert trained_on(found, read_manifest(manifest), 0) == []
    groups = {c.group for c in read_manifest(manifest) if found.fold_of[c.sha256] == 0}
    made = read_pairs([tmp_path / "pairs"])
    assert {camera.group for camera, _ in made} & groups  # which the fold had to leave out
