"""A model folder is whole or refused, and says the same with any number of threads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unreel.detector.errors import ModelError
from unreel.detector.model import DEFAULT_FOLDER, load_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the model in the package."""
    return Path(shutil.copytree(DEFAULT_FOLDER, tmp_path / "model"))


def set_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda f: truncate(f / "model.onnx"), r"model\.onnx has sha256 .* damaged or was mixed"),
        (lambda f: truncate(f / "head.onnx"), r"head\.onnx has sha256 .* damaged or was mixed"),
        (lambda f: (f / "head.onnx").unlink(), r"cannot read .*head\.onnx"),
        (lambda f: (f / "DONE").unlink(), "no file DONE"),
        (lambda f: (f / "config.json").write_text("[]"), "holds no table"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "config.json").unlink(), "is not a model folder"),
        (lambda f: set_config(f, interface_version=1), "interface version 1, this program reads 2"),
        (lambda f: set_config(f, graphs=["model.onnx"]), "graphs names no files"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    folder: Path, harm: Callable[[Path], object], complaint: str
) -> None:
    harm(folder)
    with pytest.raises(ModelError, match=complaint):
        load_model(folder)


def test_a_graph_that_the_runtime_cannot_read_is_refused(folder: Path) -> None:
    (folder / "head.onnx").write_bytes(b"no graph")
    given = json.loads((folder / "config.json").read_text())["graphs"]
    set_config(folder, graphs=given | {"head.onnx": hashlib.sha256(b"no graph").hexdigest()})
    with pytest.raises(ModelError, match="onnxruntime refuses"):
        load_model(folder)


def test_both_graphs_make_the_identity_of_a_model(folder: Path) -> None:
    graphs = (folder / "model.onnx").read_bytes() + (folder / "head.onnx").read_bytes()
    assert load_model(folder).info.sha256 == hashlib.sha256(graphs).hexdigest()


def test_threads_change_nothing() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
    alone, beside = (load_model(threads=t).judge(frames) for t in (1, 3))
    assert alone.clip == beside.clip
    np.testing.assert_array_equal(alone.frames, beside.frames)
    np.testing.assert_array_equal(alone.patches, beside.patches)
    assert alone.patches.shape == (5, 14, 14)
    np.testing.assert_allclose(alone.patches.mean(axis=(1, 2)), alone.frames, atol=1e-4)
