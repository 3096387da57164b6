"""Heads on a frozen encoder, the whole way: tokens, folds, export, scan; and how one is compressed.

The encoder is a small one made here, with the inputs and outputs of the compressed one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'unreel[train]'")
onnx = pytest.importorskip("onnx", reason="needs the train extra: pip install 'unreel[train]'")

from click.testing import CliRunner
from make_training_set import make_training_set
from onnx import TensorProto, helper, numpy_helper

from unreel.data.manifest import read_manifest
from unreel.detector.assemble import ADDITIONS
from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.model import load_model
from unreel.detector.runtime import open_session
from unreel.detector.scan import scan_video
from unreel.training.clip_encoder import LAYERS, WIDTH
from unreel.training.commands import evaluate, train
from unreel.training.compress import BLOCK, four_bits
from unreel.training.cv import read_run
from unreel.training.embed import kept_by_training
from unreel.training.linear_head import fit_head

pytestmark = pytest.mark.slow

KIND = "clip-vit-base-patch16-first6"
RECIPE = f"""\
kind = "tokens"
name = "tiny"
backbone = "{KIND}"
layers = [2, 4]
map_layer = 3
folds = 2
components = 8
calibration_conditions = ["canonical"]
[conditions]
canonical = 1.0
"""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean colours of the places through fixed random matrices; the class token is their spread."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["pooled"], kernel_shape=[16, 16],
                         strides=[16, 16]),
        helper.make_node("Reshape", ["pooled", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["colours"], perm=[0, 2, 1]),
    ]  # fmt: skip
    weights = [numpy_helper.from_array(np.array([0, 3, 196], np.int64), "shape")]
    outputs = []
    for name in LAYERS[KIND]:
        matrix = rng.normal(size=(3, WIDTH)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"{name}/matrix"))
        nodes += [
            helper.make_node("MatMul", ["colours", f"{name}/matrix"], [f"{name}/product"]),
            helper.make_node("Abs", [f"{name}/product"], [f"{name}/places"]),
            helper.make_node("ReduceMean", [f"{name}/places"], [f"{name}/class"], axes=[1]),
            helper.make_node("Concat", [f"{name}/class", f"{name}/places"], [name], axis=1),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 197, WIDTH]))
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, 224, 224])
    graph = helper.make_graph(nodes, "encoder", [pixels], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def run(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A finished run, its manifest, and the arguments of the command."""
    folder = tmp_path_factory.mktemp("tokens")
    manifest = make_training_set(folder / "set")
    (folder / "tiny.toml").write_text(RECIPE)
    options = ["--manifest", str(manifest), "--cache", str(folder / "cache"),
               "--backbone-weights", str(encoder)]  # fmt: skip
    arguments = [str(folder / "tiny.toml"), *options, "--out", str(folder / "run")]
    result = CliRunner().invoke(train, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "run", manifest, options


def test_a_scan_uses_the_model(run: tuple[Path, Path, list[str]]) -> None:
    clips = read_manifest(run[1])
    model = load_model(run[0] / "model")
    report = scan_video(clips[0].path, model=model, config=ScanConfig(fpr=0.2))
    assert report.error is None
    assert report.verdict is not None
    assert report.verdict.score is not None
    assert not (run[0] / "model" / ADDITIONS).exists()  # only of an encoder that others publish


def test_the_graph_says_what_was_fitted(run: tuple[Path, Path, list[str]]) -> None:
    """Places average to the frame's logit, frames to the window's."""
    model = load_model(run[0] / "model")
    frames = np.random.default_rng(1).integers(0, 256, (3, 120, 200, 3), dtype=np.uint8)
    found = model.judge(frames)
    assert found.patches.shape == (3, 14, 14)
    np.testing.assert_allclose(found.patches.mean(axis=(1, 2)), found.frames, atol=1e-3)
    assert abs(found.clip - found.frames.mean()) < 1e-5
    heads = np.load(run[0] / "final" / "heads.npz")
    session = open_session((run[0] / "model" / "model.onnx").read_bytes(), 1, run[0])
    squares = np.zeros((2, 224, 224, 3), np.uint8)
    embedding, logits = session.run(["embedding", "frame_logits"], {"frames": squares})
    expected = embedding @ heads["frame"] + heads["frame_offset"]
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_a_bank_takes_the_tokens_that_training_kept(run: tuple[Path, Path, list[str]]) -> None:
    """They are what the exported model says of the same frames."""
    trained, clips = read_run(run[0]), read_manifest(run[1])
    cache = trained.cache(Path(run[2][run[2].index("--cache") + 1]))
    known = kept_by_training(run[0] / "model", cache)
    model = load_model(run[0] / "model")
    kept = known(clips[0], "canonical")
    assert kept is not None
    windows = cache.load(clips[0], "canonical").windows
    each = [model.embed(np.asarray(w)[:: model.frame_stride]).mean(axis=0) for w in windows]
    np.testing.assert_allclose(kept, np.mean(each, axis=0), atol=0.02)
    assert known(clips[0], "screen") is None  # never computed


def test_scores_are_out_of_fold_and_kept(run: tuple[Path, Path, list[str]]) -> None:
    clips = read_manifest(run[1])
    fold_of = json.loads((run[0] / "run.json").read_text())["fold_of"]
    for fold in range(2):
        scored = json.loads((run[0] / f"fold{fold}" / "scores-canonical.json").read_text())
        assert set(scored) == {c.sha256 for c in clips if fold_of[c.sha256] == fold}
    first, second = (np.load(run[0] / f"fold{f}" / "heads.npz")["frame"] for f in range(2))
    assert not np.allclose(first, second)


def test_the_evaluation_asks_the_harder_questions_too(
    run: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    arguments = [str(run[0]), *run[2], "--leave-one-out", "--seeds", "2", "--plots",
                 "--baselines", "none", "--out", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "| canonical | unreel" in result.output
    assert "left out of training" in result.output
    more = json.loads((tmp_path / "holdouts.json").read_text())
    assert [row["seed"] for row in more["seeds"]["canonical"]] == [0, 1]
    for name in ("roc", "reliability", "generators", "conditions"):
        assert (tmp_path / "plots" / f"{name}.png").stat().st_size > 5_000


def test_a_compressed_encoder_is_never_fetched(
    run: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE)
    arguments = [str(tmp_path / "mine.toml"), *run[2][:4], "--out", str(tmp_path / "run")]
    with pytest.raises(UsageError, match="make it with `unreel models compress`"):
        CliRunner().invoke(train, arguments, catch_exceptions=False)


def test_a_head_is_one_vector() -> None:
    """Standardising, principal components and regression, told apart from chance and exact."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2.0
    rows = rng.normal(size=(60, 40)) + 0.8 * labels[:, None]
    head = fit_head(rows, labels, np.ones(60), components=10, strength=1.0)
    assert head.weight.shape == (40,)
    logits = head.logits(rows)
    assert logits[labels == 1].mean() > 1 > -1 > logits[labels == 0].mean()


def test_four_bits_hold_a_weight() -> None:
    weight = torch.randn(5, 2 * BLOCK, generator=torch.Generator().manual_seed(0))
    codes, scale = four_bits(weight)
    assert codes.shape == (5, 2, BLOCK)
    assert codes.min() >= 0
    assert codes.max() <= 15
    back = ((codes - 8) * scale[..., None]).reshape(weight.shape)
    # Values within reach are off by half a step at most.
    inside = weight.abs().reshape(5, 2, BLOCK) <= 7 * scale[..., None]
    error = (back - weight).abs().reshape(5, 2, BLOCK)
    assert (error <= 0.5001 * scale[..., None])[inside].all()


def test_a_tower_is_compressed_and_written(
    run: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    """Two layers of random weights: the file gives what the rounded network gives."""
    import timm

    from unreel.detector.config import SamplingConfig
    from unreel.training.cache import FrameCache
    from unreel.training.clip_weights import ARCHITECTURE
    from unreel.training.compress import Compression, compress, layer_tokens
    from unreel.training.four_bit import write_encoder

    torch.manual_seed(0)
    tower = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, depth=2)
    tower.norm = torch.nn.Identity()
    cache = FrameCache(Path(run[2][3]), SamplingConfig(), 288)
    settings = Compression(hidden=256, first_layer=0, steps=2, batch=2, conditions=("canonical",))
    small = compress(tower, read_manifest(run[1]), cache, settings)
    pixels = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = layer_tokens(small, pixels)[1]
    write_encoder(small, tmp_path / "encoder.onnx")
    content = (tmp_path / "encoder.onnx").read_bytes()
    assert len(content) < 4_000_000  # 5.5 million weights: 22 MB as they were
    (given,) = open_session(content, 1, tmp_path).run(["layer1"], {"pixel_values": pixels.numpy()})
    cosine = torch.nn.functional.cosine_similarity(torch.from_numpy(given), expected, dim=-1)
    assert float(cosine.mean()) > 0.99
