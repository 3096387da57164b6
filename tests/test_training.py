"""The whole way of a model on a small real set: cache, folds, calibration, export, scan.

The set is made here: drifting textures against textures that flicker, so that a few steps of
training have something to find.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("timm", reason="needs the train extra: pip install 'unreel[train]'")

from click.testing import CliRunner
from make_training_set import make_training_set

from unreel.data.manifest import read_manifest, write_manifest
from unreel.detector.cli import main
from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.model import load_model
from unreel.detector.network import SpatioTemporalClassifier
from unreel.detector.runtime import Graphs
from unreel.detector.scan import scan_video
from unreel.training.backbones import build
from unreel.training.commands import evaluate, train
from unreel.training.cv import read_run, sampling_of
from unreel.training.export import export_model, write_graphs
from unreel.training.probe import attach_probe
from unreel.training.recipe import load_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(
        'name = "tiny"\nepochs = 3\nbatch = 4\nfolds = 2\ncrop = 96\nshort_side = 96\n'
        'calibration_conditions = ["canonical"]\n[conditions]\ncanonical = 1.0\n'
    )
    return path


@pytest.fixture(scope="module")
def run(
    manifest: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A finished run folder and the arguments that made it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = [str(recipe), "--manifest", str(manifest), "--out", str(out),
                 "--cache", str(out.parent / "cache")]  # fmt: skip
    result = CliRunner().invoke(train, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out, arguments


def test_training_streams_from_shards_that_were_packed(
    manifest: Path, recipe: Path, tmp_path: Path
) -> None:
    """By the commands, and then without a clip or a frame of the cache at hand."""
    shards, cache = str(tmp_path / "shards"), str(tmp_path / "cache")
    packed = CliRunner().invoke(
        main, ["data", "pack", str(manifest), "--recipe", str(recipe), "--out", shards,
               "--cache", cache, "--shard-mb", "2", "--workers", "1"], catch_exceptions=False,
    )  # fmt: skip
    assert packed.exit_code == 0 and packed.output.rstrip().endswith("shards")
    shutil.rmtree(cache)
    listed = tmp_path / "elsewhere.csv"
    write_manifest(listed, [replace(c, path=Path("gone") / c.path.name) for c in
                            read_manifest(manifest)])  # fmt: skip
    out = tmp_path / "run"
    arguments = ["train", str(recipe), "--manifest", str(listed), "--shards", shards,
                 "--out", str(out), "--cache", cache]  # fmt: skip
    trained = CliRunner().invoke(main, [*arguments, "--part", "fold0"], catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    with (out / "fold0" / "steps.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses and np.isfinite(losses).all()
    assert (out / "fold0" / "weights.safetensors").exists()
    assert list((out / "fold0" / "tensorboard").glob("events.*"))
    whole = CliRunner().invoke(main, arguments)
    assert whole.exit_code == 2 and "need the clips" in whole.output


def test_a_run_leaves_a_model_folder_that_scan_takes(
    run: tuple[Path, list[str]], manifest: Path
) -> None:
    folder = run[0] / "model"
    names = {p.name for p in folder.iterdir()}
    assert {"model.onnx", "head.onnx", "model.safetensors", "config.json", "calibration.json",
            "MODEL_CARD.md", "DONE"} <= names  # fmt: skip
    calibration = json.loads((folder / "calibration.json").read_text())
    assert calibration["real_clips"] == 12
    assert calibration["buckets"]["pooled"]["generated_clips"] == calibration["generated_clips"]
    model = load_model(folder)
    clips = read_manifest(manifest)
    report = scan_video(clips[0].path, model=model, config=ScanConfig(fpr=0.2))  # 12 camera clips
    assert report.error is None
    assert report.verdict is not None
    assert report.verdict.score is not None
    graphs = (folder / "model.onnx").read_bytes() + (folder / "head.onnx").read_bytes()
    assert report.model.sha256 == hashlib.sha256(graphs).hexdigest()


def test_scores_are_out_of_fold(run: tuple[Path, list[str]], manifest: Path) -> None:
    found = read_run(run[0])
    clips = read_manifest(manifest)
    for fold in range(2):
        scored = json.loads((run[0] / f"fold{fold}" / "scores-canonical.json").read_text())
        assert set(scored) == {c.sha256 for c in clips if found.fold_of[c.sha256] == fold}


def test_training_learns_the_flicker(run: tuple[Path, list[str]], manifest: Path) -> None:
    rows = [json.loads(line) for line in (run[0] / "final" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_the_same_command_does_nothing_again(run: tuple[Path, list[str]]) -> None:
    weights = run[0] / "fold0" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    result = CliRunner().invoke(train, run[1], catch_exceptions=False)
    assert result.exit_code == 0
    assert weights.stat().st_mtime_ns == before


def test_another_recipe_does_not_fit_the_folder(
    run: tuple[Path, list[str]], manifest: Path
) -> None:
    with pytest.raises(UsageError, match="holds a run of other clips or settings"):
        CliRunner().invoke(train, ["lite0", *run[1][1:]], catch_exceptions=False)


def test_clips_that_were_changed_since_are_not_trained_on(
    recipe: Path, manifest: Path, tmp_path: Path
) -> None:
    clips = read_manifest(manifest)
    write_manifest(tmp_path / "manifest.csv", [replace(clips[0], sha256="0" * 64), *clips[1:]])
    arguments = [str(recipe), "--manifest", str(tmp_path / "manifest.csv"),
                 "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]  # fmt: skip
    with pytest.raises(UsageError, match=r"1 clips are not those of the manifest, e\.g\. .*0\.mp4"):
        CliRunner().invoke(train, arguments, catch_exceptions=False)
    assert not (tmp_path / "run").exists()


def test_evaluation_prints_probes_and_baselines_beside_the_score(
    run: tuple[Path, list[str]], manifest: Path
) -> None:
    arguments = [str(run[0]), "--manifest", str(manifest), "--cache", run[1][-1]]
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    for name in ("unreel", "probe: metadata", "probe: cadence", "frozen: late fusion"):
        assert f"| canonical | {name}" in result.output
    metrics = json.loads((run[0] / "evaluation" / "metrics.json").read_text())
    assert metrics[0]["rows"]["unreel"]["clips"] == 24


@pytest.mark.parametrize("embed_stages", [(), (2, 4)])
def test_the_graphs_say_what_the_network_says(
    tmp_path: Path, embed_stages: tuple[int, ...]
) -> None:
    recipe = replace(load_recipe("lite0"), short_side=128, embed_stages=embed_stages)
    network = build(
        recipe.backbone,
        head_width=recipe.head_width,
        dropout=recipe.dropout,
        embed_stages=recipe.embed_stages,
    ).eval()
    assert network.embedding_width == 1280 + {(): 0, (2, 4): 40 + 112}[embed_stages]
    torch.nn.init.normal_(network.head.judge[-1].weight, std=0.1)
    halves = {k: v.half().float() if v.is_floating_point() else v
              for k, v in network.state_dict().items()}  # fmt: skip
    network.load_state_dict(halves)
    export_model(network, recipe, sampling_of(recipe), tmp_path)
    bucket = {"real_logits": [0.0], "generated_logits": [0.0], "real_clips": 1}
    content = {"slope": 1, "intercept": 0, "buckets": {"pooled": bucket},
               "real_clips": 1, "generated_clips": 1}  # fmt: skip
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    (tmp_path / "DONE").touch()
    model = load_model(tmp_path)
    frames = np.random.default_rng(0).integers(0, 256, (6, 96, 192, 3), dtype=np.uint8)
    with torch.no_grad():
        x = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float()
        clip, frame, patch = network((x - 127) / 128)
    found = model.judge(frames)
    graph = pytest.importorskip("onnx").load(str(tmp_path / "model.onnx")).graph
    assert not {node.op_type for node in graph.node} & {"Pad", "Shape"}, "padding is not folded"
    # Another size than it was traced at; 1e-2 is far below what moves a verdict.
    assert abs(found.clip - float(clip)) < 1e-2
    np.testing.assert_allclose(found.frames, frame[0].numpy(), atol=1e-2)
    np.testing.assert_allclose(found.patches.mean(axis=(1, 2)), found.frames, atol=1e-3)
    assert found.patches.shape == patch.shape[1:]


def test_embedding_takes_only_stages_that_are_there() -> None:
    with pytest.raises(UsageError, match="has 0 to 6, each once"):
        build("tf_efficientnet_lite0", head_width=8, dropout=0.0, embed_stages=(2, 7))
    with pytest.raises(UsageError, match="of the EfficientNet kind, got resnet18"):
        SpatioTemporalClassifier("resnet18", embed_stages=(2,))


def test_the_graphs_hold_the_frozen_probe_too(tmp_path: Path) -> None:
    recipe = replace(load_recipe("lite0"), short_side=128)
    network = build(recipe.backbone, head_width=recipe.head_width, dropout=0.0).eval()
    frames = np.random.default_rng(0).integers(0, 256, (6, 96, 192, 3), dtype=np.uint8)
    x = (torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() - 127) / 128
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 2.0
    features = rng.normal(size=(40, 424)) + labels[:, None]  # 424 = channels of the probed stages
    attach_probe(network, recipe, features, labels, np.full(40, True))
    assert network.probe is not None
    with torch.no_grad():
        tuned = network.judge_frames(x[0])[1].mean()  # the head over time starts at zero
        means = network.judge_frames(x[0])[0][:, 1280:].mean(dim=0).double().numpy()
        clip, _, _ = network(x)
    expected = float(tuned) + float(means @ network.probe.weight.double().numpy())
    assert abs(float(clip) - expected - float(network.probe.bias)) < 1e-3
    frame, window = write_graphs(network, recipe, tmp_path)
    graphs = Graphs(frame.read_bytes(), window.read_bytes(), 1, tmp_path)
    assert abs(graphs.judge(frames).clip - float(clip)) < 1e-2
