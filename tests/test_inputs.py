"""What of files, folders, patterns and lists is scanned, and that nothing named gets lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.inputs import VIDEO_EXTENSIONS, expand, split_list


def paths(*names: str | Path) -> list[str]:
    return [item.path for item in expand([str(name) for name in names]).files]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """b.mp4, A.MOV, notes.txt, ._b.mp4 and deep/c.webm in a folder."""
    (tmp_path / "deep").mkdir()
    for name in ("b.mp4", "A.MOV", "notes.txt", "._b.mp4", "deep/c.webm"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_gives_its_videos_by_name_and_counts_the_rest(archive: Path) -> None:
    inputs = expand([str(archive)])
    names = [os.path.relpath(item.path, archive) for item in inputs.files]
    assert names == ["A.MOV", "b.mp4", "deep/c.webm"]
    assert inputs.left_out == {str(archive): 2}


MP4_HEAD = b"\0\0\0\x18ftyp"


@pytest.mark.parametrize(
    ("name", "head", "taken"),
    [
        ("IMG_0001", MP4_HEAD + b"isom", True),
        ("upload.tmp", b"\x1a\x45\xdf\xa3", True),
        ("clip.bin", b"G" + b"\x01" * 187 + b"G" + b"\x02" * 187 + b"G" + b"\x01" * 187, True),
        ("old.dat", b"OggS" + b"\0" * 24 + b"\x80theora", True),
        ("song.oga", b"OggS" + b"\0" * 24 + b"\x01vorbis", False),
        ("song.m4a", MP4_HEAD + b"M4A ", False),
        ("photo.heic", MP4_HEAD + b"heic", False),
        ("genome.fasta", b"G" * 4000, False),
        ("list.m3u8", b"#EXTM3U\n", False),
        ("picture.jpg", b"\xff\xd8\xff\xe0", False),
        ("empty", b"", False),
        ("._IMG_0001", MP4_HEAD + b"isom", False),
    ],
)
def test_other_names_are_taken_for_what_they_hold(
    tmp_path: Path, name: str, head: bytes, taken: bool
) -> None:
    (tmp_path / name).write_bytes(head)
    inputs = expand([str(tmp_path)])
    assert [item.path for item in inputs.files] == [str(tmp_path / name)] * taken
    assert inputs.left_out == ({} if taken else {str(tmp_path): 1})


def test_a_fifo_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert expand([str(tmp_path)]).left_out == {str(tmp_path): 1}


def test_a_file_named_itself_is_taken_whatever_its_name(archive: Path) -> None:
    assert paths(archive / "notes.txt") == [str(archive / "notes.txt")]


def test_a_missing_file_stays_an_input(tmp_path: Path) -> None:
    assert paths(tmp_path / "gone.mp4") == [str(tmp_path / "gone.mp4")]


def test_the_order_is_as_named_and_each_file_comes_once(archive: Path) -> None:
    b, c = archive / "b.mp4", archive / "deep" / "c.webm"
    assert paths(c, b, archive, b) == [str(c), str(b), str(archive / "A.MOV")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.mp4", ["._b.mp4", "b.mp4"]),
        ("**/*.webm", ["deep/c.webm"]),
        ("de*", ["deep/c.webm"]),
        ("[a-c].mp4", ["b.mp4"]),
        ("deep/../?.mp4", ["deep/../b.mp4"]),
        ("**", []),
    ],
)
def test_patterns(archive: Path, pattern: str, found: list[str]) -> None:
    inputs = expand([f"{archive}/{pattern}"])
    good = [item.path for item in inputs.files if item.error is None]
    assert good == [f"{archive}/{name}" for name in found]


def test_patterns_relative_to_the_working_directory(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive / "deep")
    assert paths("*.webm", "../*.MOV") == ["c.webm", "../A.MOV"]


@pytest.mark.parametrize("pattern", ["no*thing", "a**b"])
def test_a_pattern_without_match_is_an_error_row(tmp_path: Path, pattern: str) -> None:
    (item,) = expand([f"{tmp_path}/{pattern}"]).files
    assert item.error is not None
    assert item.error.code == "not-found"


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    odd = tmp_path / "what[1]*?.mp4"
    odd.write_bytes(b"x")
    assert paths(odd) == [str(odd)]


def test_circles_of_links_end(archive: Path) -> None:
    (archive / "deep" / "up").symlink_to(archive)
    (archive / "self.mp4").symlink_to(archive / "self.mp4")
    names = [os.path.relpath(p, archive) for p in paths(archive)]
    assert names == ["A.MOV", "b.mp4", "self.mp4", "deep/c.webm"]
    assert paths(archive / "**" / "*.webm") == [str(archive / "deep" / "c.webm")]


def test_links_to_files_are_taken_and_broken_ones_kept_for_their_row(archive: Path) -> None:
    links = archive / "links"
    links.mkdir()
    (links / "good.mp4").symlink_to(archive / "b.mp4")
    (links / "nowhere.mp4").symlink_to(archive / "gone.mp4")
    assert paths(links) == [str(links / "good.mp4"), str(links / "nowhere.mp4")]


def test_a_fifo_does_not_hang_the_walk(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe")
    assert paths(tmp_path) == [str(tmp_path / "pipe.mp4")]


def test_a_folder_that_may_not_be_listed_is_an_error_row() -> None:
    # Not in tmp_path: only root may enter that one, and root may list every folder.
    with tempfile.TemporaryDirectory() as archive:
        os.chmod(archive, 0o755)
        locked = Path(archive, "locked")
        locked.mkdir(mode=0)
        with as_nobody():
            (item,) = expand([archive]).files
    assert item.path == str(locked)
    assert item.error is not None
    assert item.error.code == "permission-denied"


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user without special rights, when the tests are run by root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff\xfe.mp4"
    with open(raw, "wb"):
        pass
    assert [os.fsencode(p) for p in paths(tmp_path)] == [raw]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a.mp4\nb c.mp4\n", ["a.mp4", "b c.mp4"]),
        (b"a.mp4\r\nb.mp4\r\n", ["a.mp4", "b.mp4"]),
        (b"a\nb.mp4\0c.mp4\0", ["a\nb.mp4", "c.mp4"]),
        (b"\n\n", []),
        (b"", []),
        (b"last", ["last"]),
    ],
)
def test_lists(data: bytes, names: list[str]) -> None:
    assert split_list(data) == names


@given(st.lists(st.binary(min_size=1).filter(lambda b: b"\0" not in b), min_size=1))
def test_a_nul_separated_list_gives_back_any_names(names: list[bytes]) -> None:
    joined = b"\0".join(names) + b"\0"
    assert [os.fsencode(name) for name in split_list(joined)] == names


def test_extensions_are_written_as_they_are_compared() -> None:
    assert all(e.startswith(".") and e == e.lower() for e in VIDEO_EXTENSIONS)
