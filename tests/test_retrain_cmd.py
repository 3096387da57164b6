"""From a folder of clips to a model folder, by the command; and heads put into model folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("onnx", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("safetensors", reason="needs the train extra: pip install 'unreel[train]'")

import onnx
from click.testing import CliRunner
from make_media import Recipe, numbered_frames, write_video
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unreel.data.manifest import Clip, Label, write_manifest
from unreel.detector.cli import main
from unreel.detector.model import DEFAULT_FOLDER, load_model
from unreel.training.bank import load_bank
from unreel.training.heads import OFFSET, WEIGHT, encoder_digest, has_linear_head, put_head
from unreel.training.linear_head import LinearHead


def token_model(folder: Path, seed: int = 0) -> Path:
    """A folder whose frame graph holds a linear head, as that of `base` does, on mean colours."""
    shutil.copytree(DEFAULT_FOLDER, folder)
    weights = [
        numpy_helper.from_array(np.full((3, 1), seed, np.float32), WEIGHT),
        numpy_helper.from_array(np.array(0.5, np.float32), OFFSET),
    ]
    kind = TensorProto
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], to=kind.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["embedding", WEIGHT], ["product"]),
        helper.make_node("Add", ["product", OFFSET], ["sum"]),
        helper.make_node("Squeeze", ["sum"], ["frame_logits"], axes=[1]),
        helper.make_node("Unsqueeze", ["sum"], ["patch_logits"], axes=[1]),
    ]
    graph = helper.make_graph(
        nodes, "frames",
        [helper.make_tensor_value_info("frames", kind.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("embedding", kind.FLOAT, ["n", 3]),
         helper.make_tensor_value_info("frame_logits", kind.FLOAT, ["n"]),
         helper.make_tensor_value_info("patch_logits", kind.FLOAT, ["n", 1, 1])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    window = helper.make_graph(
        [helper.make_node("ReduceMean", ["frame_logits"], ["clip_logit"], axes=[1], keepdims=0)],
        "window",
        [helper.make_tensor_value_info("embedding", kind.FLOAT, ["n", "t", 3]),
         helper.make_tensor_value_info("frame_logits", kind.FLOAT, ["n", "t"])],
        [helper.make_tensor_value_info("clip_logit", kind.FLOAT, ["n"])],
    )  # fmt: skip
    model = helper.make_model(window, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    (folder / "head.onnx").write_bytes(model.SerializeToString())
    put_head(folder, LinearHead(np.full(3, float(seed)), 0.5))  # renews the hashes
    return folder


def frames_of(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


def test_a_head_inside_the_frame_graph_is_exchanged(tmp_path: Path) -> None:
    folder = token_model(tmp_path / "a")
    before = encoder_digest(folder)
    head = LinearHead(np.array([0.01, -0.02, 0.03]), 1.5)
    assert has_linear_head(folder) and put_head(folder, head)
    model = load_model(folder)
    frames = frames_of(1)
    expected = head.logits(model.embed(frames).astype(np.float64))
    found = model.judge(frames)
    assert found.frames == pytest.approx(expected, abs=1e-4)
    assert found.clip == pytest.approx(expected.mean(), abs=1e-4)
    assert encoder_digest(folder) == before  # the head is no part of the encoder


def test_any_other_model_gets_a_new_window_graph(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(DEFAULT_FOLDER, folder)
    model = load_model(folder)
    width = model.embed(frames_of(1)).shape[1]
    head = LinearHead(np.random.default_rng(0).normal(size=width) / width, -0.3)
    assert put_head(folder, head) is has_linear_head(folder)
    frames = frames_of(2)
    expected = head.logits(model.embed(frames).astype(np.float64).mean(axis=0)[None])[0]
    assert load_model(folder).judge(frames).clip == pytest.approx(expected, abs=1e-3)


# ---- end to end ---------------------------------------------------------------------------------


def coloured(
    folder: Path, name: str, tint: tuple[int, int, int], seed: int, frames: int = 10
) -> Path:
    """A clip of one tint, so that mean colours tell generators apart."""
    pictures = numbered_frames(frames, 96, 64, seed=seed) // 3
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 60, (4, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    pictures[:, 16:48] = noise + np.array(tint, np.uint8)
    return write_video(folder, Recipe(width=96, height=64, fps=8), name, pictures)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model on mean colours, the manifest it knows, and a folder of a generator it does not."""
    folder = tmp_path_factory.mktemp("retrain")
    (folder / "old").mkdir()
    (folder / "new").mkdir()
    clips = []
    for n in range(24):
        tint, family = ((60, 60, 60), "") if n % 2 else ((150, 60, 60), "t2v")
        label: Label = "real" if n % 2 else "generated"
        path = coloured(folder / "old", str(n), tint, n)
        clips.append(Clip(path, label, f"g{n}", family=family, source=f"s{n}"))
    write_manifest(folder / "old.csv", clips)
    for n in range(8):
        coloured(folder / "new", f"n{n}", (60, 60, 150), 100 + n)
    shutil.copyfile(folder / "old" / "1.mp4", folder / "new" / "known.mp4")
    (folder / "new" / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(300))
    token_model(folder / "model")
    return folder


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def banked(made: Path) -> Path:
    code, text = run(
        "models", "bank", made / "model", "--manifest", made / "old.csv", "--components", "3",
        "--strength", "1.0", "--condition", "raw", "--condition", "canonical",
        "--cache", made / "cache", "--workers", "1",
    )  # fmt: skip
    assert code == 0, text
    return made


def retrained(made: Path, out: str, *more: str) -> tuple[int, str]:
    return run(
        "retrain", "--from", made / "model", "--new", made / "new", "--generator", "newgen 1",
        "--out", made / out, "--cache", made / "cache", "--workers", "1", *more,
    )  # fmt: skip


def test_from_a_folder_of_clips_to_a_model(banked: Path) -> None:
    code, text = retrained(banked, "run")
    assert code == 0, text
    assert "1 clips are in the bank already" in text
    assert "broken.mp4 cannot be read" in text
    assert "Gate: passed" in text
    folder = banked / "run" / "model"
    model = load_model(folder)
    assert model.info.version.endswith("+newgen-1")
    assert model.calibration.generated_clips == 20  # 12 known, 8 new
    card = (folder / "MODEL_CARD.md").read_text()
    assert "## Retrained on newgen 1" in card and "**new: newgen 1**" in card
    assert len(load_bank(folder / "bank.npz").clips) == 32
    rows = json.loads((banked / "run" / "table.json").read_text())["rows"]
    new = next(r for r in rows if r["kind"] == "new" and r["condition"] == "canonical")
    assert new["after"] > new["before"] and new["after"] > 0.9
    code, text = run("scan", "--fpr", "0.2", "--model", folder, banked / "new" / "n3.mp4")
    assert code == 0 and "+newgen-1" in text


def test_pairs_are_made_of_own_camera_clips(
    banked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the video autoencoder of the package, with weights drawn by lot."""
    torch = pytest.importorskip(
        "torch", reason="needs the train extra: pip install 'unreel[train]'"
    )
    from unreel.data.pairs.video_autoencoder import CausalVideoNetwork, Size, save_network

    torch.manual_seed(0)
    network = CausalVideoNetwork(Size(latent=4, fine=8, middle=8, deep=8))
    save_network(network, tmp_path / "own", {"name": "own", "seen_sha256": []})
    (tmp_path / "real").mkdir()
    for n in range(3):
        coloured(tmp_path / "real", f"r{n}", (60, 60, 60), 200 + n, frames=30)
    monkeypatch.setattr("unreel.training.few_shot.DRAWS", 1)
    real = ("--real", str(tmp_path / "real"))
    code, text = retrained(banked, "alone", *real, "--fpr-margin", "1")
    assert code == 0 and "pairs were not made of them: --autoencoder FOLDER|ID" in text
    code, text = retrained(
        banked, "paired", *real, "--autoencoder", str(tmp_path / "own"), "--pairs", "2",
        "--fpr-margin", "1",
    )  # fmt: skip
    assert code == 0, text
    assert "2 pairs were made by own and learnt" in text
    assert "pairs were made of 2 of 3 camera clips" in text
    assert "| reconstructions, beside their camera halves | raw | 2 |" in text
    folder = banked / "paired" / "model"
    bank = load_bank(folder / "bank.npz")
    assert bank.paired.sum() == 4 and len(bank.clips) == 24 + 8 + 3 + 4
    sources = {c.group for c in bank.clips if c.label == "real" and not c.pair_id}
    assert {c.group for c in bank.clips if c.pair_id} < sources
    assert load_model(folder).calibration.real_clips == 12 + 3  # no half of a pair
    assert "2 pairs" in (folder / "MODEL_CARD.md").read_text()
    code, text = retrained(banked, "x", "--autoencoder", "own")
    assert code == 2 and "--autoencoder needs --real" in text


def test_the_gate_refuses_and_force_is_in_the_card(
    banked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unreel.training.few_shot.DRAWS", 1)
    code, text = retrained(banked, "strict", "--fpr-margin", "-1")
    assert code == 1 and "Gate: refused" in text
    assert not (banked / "strict" / "model").exists()
    code, text = retrained(banked, "forced", "--fpr-margin", "-1", "--force")
    assert code == 0
    card = (banked / "forced" / "model" / "MODEL_CARD.md").read_text()
    assert "Gate: refused, and written all the same (--force)" in card


def test_a_model_without_bank_says_how_to_make_one(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "model", tmp_path / "bare", ignore=shutil.ignore_patterns("bank.npz"))
    code, text = run(
        "retrain", "--from", tmp_path / "bare", "--new", made / "new", "--generator", "g",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2 and "unreel models bank" in text
