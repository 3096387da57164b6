"""Manifests are read as written, and refused where a mistake would leak or mislabel."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from unreel.data.manifest import Clip, check_hashes, read_manifest, write_manifest
from unreel.detector.errors import UsageError


def test_written_and_read_again(tmp_path: Path) -> None:
    clips = [
        Clip(tmp_path / "a,b.mp4", "real", "g1", family="camera", width=64, fps=29.97),
        Clip(tmp_path / 'sub/"quoted".mp4', "generated", "g2", generator="x", sha256="00", bytes=7),
    ]
    write_manifest(tmp_path / "manifest.csv", clips)
    assert read_manifest(tmp_path / "manifest.csv") == clips


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,label\na.mp4,real\n", "lacks the column"),
        ("path,label,group\na.mp4,fake,g\n", "line 2: label 'fake', allowed are"),
        ("path,label,group\na.mp4,real,\n", "empty group would leak"),
        ("path,label,group\na.mp4,real,g\na.mp4,real,g\n", "twice"),
        ("path,label,group,fps\na.mp4,real,g,fast\n", "fps 'fast'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_manifest(tmp_path / "m.csv")


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read manifest"):
        read_manifest(tmp_path / "none.csv")


def test_changed_and_missing_files_are_listed(tmp_path: Path) -> None:
    good, changed = tmp_path / "good.mp4", tmp_path / "changed.mp4"
    good.write_bytes(b"1")
    changed.write_bytes(b"2")
    digest = hashlib.sha256(b"1").hexdigest()
    clips = [Clip(p, "real", "g", sha256=digest) for p in (good, changed, tmp_path / "gone.mp4")]
    problems = check_hashes(clips)
    assert len(problems) == 2
    assert "changed.mp4: sha256 d4735e3a265e..., listed 6b86b273ff34..." in problems[0]
    assert problems[1].endswith("gone.mp4: missing")


def test_face_manipulations_are_not_the_learned_lanes_positives() -> None:
    assert Clip(Path("a"), "manipulated", "g", family="lip-sync").is_face_only
    assert not Clip(Path("a"), "manipulated", "g", family="inpainting").is_face_only
    assert not Clip(Path("a"), "real", "g", family="lip-sync").is_face_only


def test_the_corpus_reads(corpus: Path) -> None:
    clips = read_manifest(corpus / "manifest.csv")
    assert len(clips) == 624
    assert sum(not c.is_positive for c in clips) == 289
