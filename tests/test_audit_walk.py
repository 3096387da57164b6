"""The walk: every file once, nothing opened, what is left out is counted with its reason."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from unreel.detector.audit.walk import Choice, find, read_manifest_paths
from unreel.detector.errors import UsageError

EVERYTHING = Choice()


def names(folder: Path, choice: Choice = EVERYTHING) -> tuple[list[str], Counter[str]]:
    """Relative names found, and how many were left out for which reason."""
    out: Counter[str] = Counter()
    found = find([str(folder)], choice, lambda _, reason: out.update([reason]))
    return [os.path.relpath(item.path, folder) for item in found], out


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "notes.txt", "._b.mp4", "sub/c.mkv", "sub/proxies/d.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_files_with_a_video_extension_by_name(tree: Path) -> None:
    found, out = names(tree)
    assert found == ["a.MOV", "b.mp4", "sub/c.mkv", "sub/proxies/d.mp4"]
    assert out == {"no video by its name": 2}


def test_files_that_hold_a_video_whatever_their_name(tree: Path) -> None:
    (tree / "00017").write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\0" * 28)
    os.mkfifo(tree / "pipe")
    assert "00017" in names(tree)[0]
    assert names(tree)[1] == {"no video by its name": 3}


def test_size_and_time_come_with_each_file(tree: Path) -> None:
    os.utime(tree / "b.mp4", ns=(5, 1_234_567_890_123_456_789))
    item = next(i for i in find([str(tree)], Choice(), lambda *_: None) if "b.mp4" in i.path)
    assert (item.size, item.mtime_ns) == (5, 1_234_567_890_123_456_789)


def test_include_and_exclude(tree: Path) -> None:
    assert names(tree, Choice(include=("*.txt", "sub/c.*")))[0] == ["notes.txt", "sub/c.mkv"]
    assert names(tree, Choice(exclude=("proxies",)))[0] == ["a.MOV", "b.mp4", "sub/c.mkv"]
    assert names(tree, Choice(exclude=("sub/*",)))[0] == ["a.MOV", "b.mp4"]
    assert names(tree, Choice(exclude=("*.mp4",)))[1]["excluded"] == 3


def test_links_are_left_alone_unless_asked_for(tree: Path) -> None:
    (tree / "link.mp4").symlink_to(tree / "b.mp4")
    (tree / "again").symlink_to(tree / "sub")
    (tree / "sub" / "circle").symlink_to(tree)
    (tree / "self.mp4").symlink_to(tree / "self.mp4")
    plain, out = names(tree)
    assert len(plain) == 4 and out["symbolic link"] == 2
    followed, _ = names(tree, Choice(follow_links=True))
    assert sorted(followed) == [
        "a.MOV", "again/c.mkv", "again/proxies/d.mp4", "b.mp4", "link.mp4", "self.mp4",
    ]  # fmt: skip


def test_special_files_become_rows_and_are_never_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.mp4")
    (item,) = [i for i in find([str(tree)], Choice(), lambda *_: None) if i.error]
    assert item.error is not None and item.error[0] == "not-a-file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_a_row(tree: Path) -> None:
    (tree / "sub").chmod(0)
    (item,) = [i for i in find([str(tree)], Choice(), lambda *_: None) if i.error]
    (tree / "sub").chmod(0o700)
    assert item.error is not None and item.error[0] == "permission-denied"


def test_a_folder_that_vanished_is_a_row(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = find([str(tree)], Choice(), lambda *_: None)
    next(walk)
    for name in ("sub/c.mkv", "sub/proxies/d.mp4"):
        (tree / name).unlink()
    (tree / "sub/proxies").rmdir()
    (tree / "sub").rmdir()
    *_, last = walk
    assert last.error is not None and last.error[0] == "unreadable"


def test_since(tree: Path) -> None:
    os.utime(tree / "b.mp4", (1, 1))
    found, out = names(tree, Choice(since_ns=2_000_000_000))
    assert "b.mp4" not in found and out["older than --since"] == 1


def test_a_file_that_is_named_is_taken_whatever_its_name(tree: Path) -> None:
    found = list(find([str(tree / "notes.txt"), str(tree / "none.mp4")], Choice(), lambda *_: None))
    assert [item.path for item in found] == [str(tree / "notes.txt"), str(tree / "none.mp4")]


def test_shards_do_not_depend_on_where_the_folder_is_mounted(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in ("b.mp4", "a.MOV"):
        (other / name).write_text("x")
    for index in (1, 2):
        choice = Choice(shard=(index, 2), exclude=("elsewhere", "sub"))
        assert names(tree, choice)[0] == names(other, choice)[0]


def test_a_manifest_gives_paths_relative_to_its_folder(tree: Path) -> None:
    manifest = tree / "list.csv"
    manifest.write_text("path,label\nb.mp4,real\nsub/c.mkv,generated\n")
    assert read_manifest_paths(manifest) == [str(tree / "b.mp4"), str(tree / "sub/c.mkv")]
    manifest.write_text("file\nb.mp4\n")
    with pytest.raises(UsageError, match="has no column path"):
        read_manifest_paths(manifest)
