"""Models to and from elsewhere: all of a model, nothing else, and nothing that was changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from unreel.detector.cli import main
from unreel.detector.errors import ModelError, UsageError
from unreel.detector.hub import SUMS, card_with_metadata, pull_folder, push
from unreel.detector.model import DEFAULT_FOLDER, load_model


class Shelf:
    """A hub in a folder."""

    def __init__(self, place: Path) -> None:
        self.place, self.calls = place, []  # type: ignore[var-annotated]

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        self.calls.append((repo_id, private, exist_ok))

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        shutil.copytree(folder_path, self.place / repo_id)

    def snapshot_download(self, repo_id: str, **how: Any) -> None:
        self.calls.append((repo_id, how["revision"]))
        shutil.copytree(self.place / repo_id, how["local_dir"], dirs_exist_ok=True)
        (Path(how["local_dir"]) / ".cache").mkdir()


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    return Path(push(DEFAULT_FOLDER, str(tmp_path / "share" / "small")))


def test_a_model_comes_back_as_it_was(pushed: Path, tmp_path: Path) -> None:
    found = pull_folder(str(pushed), tmp_path / "mine")
    names = {p.name for p in DEFAULT_FOLDER.iterdir() if p.is_file()}
    assert {p.name for p in found.iterdir()} == {*names, SUMS}
    assert load_model(found).info == load_model().info
    for name in names:
        assert (found / name).read_bytes() == (DEFAULT_FOLDER / name).read_bytes()


def test_the_readme_is_the_card_with_its_metadata(pushed: Path) -> None:
    text = (pushed / "README.md").read_text()
    card = (DEFAULT_FOLDER / "MODEL_CARD.md").read_text()
    assert text.startswith("---\nlibrary_name: ") and text.endswith(card)
    assert '"video-classification"' in text.split("---")[1]
    assert text == card_with_metadata(DEFAULT_FOLDER)


def test_the_metadata_is_what_a_hub_reads(pushed: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the hub extra")
    data = hub.ModelCard.load(pushed / "README.md").data
    assert data.library_name == "unreel" and data.pipeline_tag == "video-classification"
    assert "video-forensics" in data.tags


@pytest.mark.parametrize("name", ["calibration.json", "MODEL_CARD.md", "head.onnx"])
def test_a_changed_file_is_not_taken(pushed: Path, tmp_path: Path, name: str) -> None:
    with (pushed / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises((UsageError, ModelError), match=name.split(".")[0]):
        pull_folder(str(pushed), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_missing_file_is_named(pushed: Path, tmp_path: Path) -> None:
    (pushed / "MODEL_CARD.md").unlink()
    with pytest.raises(UsageError, match=r"lacks MODEL_CARD\.md"):
        pull_folder(str(pushed), tmp_path / "mine")


@pytest.mark.parametrize("name", ["weights.pt", "setup.py", "model.pkl", "onnx", "a b.json"])
def test_what_is_no_part_of_a_model_does_not_travel(tmp_path: Path, name: str) -> None:
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "m")
    (tmp_path / "m" / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="is no part of a model"):
        push(tmp_path / "m", str(tmp_path / "out"))
    with pytest.raises(UsageError, match="is no part of a model"):
        pull_folder(str(tmp_path / "m"), tmp_path / "in")


def test_links_are_not_followed(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "m")
    (tmp_path / "m" / "extra.json").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is no part of a model"):
        push(tmp_path / "m", str(tmp_path / "out"))


def test_nothing_is_overwritten(pushed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not overwritten"):
        push(DEFAULT_FOLDER, str(pushed))
    with pytest.raises(UsageError, match="not overwritten"):
        pull_folder(str(pushed), pushed)


def test_to_a_hub_and_back(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "hub")
    assert push(DEFAULT_FOLDER, "hf://desk/small", api=shelf) == "hf://desk/small"
    assert shelf.calls == [("desk/small", True, True)]
    digest = load_model().info.sha256
    found = pull_folder("hf://desk/small@v1", tmp_path / "mine", sha256=digest, api=shelf)
    assert shelf.calls[-1] == ("desk/small", "v1")
    assert load_model(found).info.sha256 == digest


def test_a_hub_needs_a_hash_and_gives_the_right_model(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "hub")
    push(DEFAULT_FOLDER, "hf://desk/small", api=shelf)
    with pytest.raises(UsageError, match="needs --sha256"):
        pull_folder("hf://desk/small", tmp_path / "mine", api=shelf)
    with pytest.raises(UsageError, match="wanted was"):
        pull_folder("hf://desk/small", tmp_path / "mine", sha256="0" * 64, api=shelf)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "address", ["hf://", "hf://one", "hf://a/b/c", "hf://../b/c", "hf://a b/c"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a hub"):
        push(DEFAULT_FOLDER, address, api=Shelf(Path("unused")))


def test_the_commands(tmp_path: Path) -> None:
    share, mine = tmp_path / "share", tmp_path / "mine"
    runner = CliRunner()
    result = runner.invoke(main, ["models", "push", str(DEFAULT_FOLDER), str(share)])
    assert result.exit_code == 0 and result.output == f"{share}\n"
    result = runner.invoke(main, ["models", "pull", str(share), "--into", str(mine)])
    assert result.exit_code == 0 and result.output == f"{mine}\n", result.output
    assert "small" in runner.invoke(main, ["models", "list", str(mine)]).output
