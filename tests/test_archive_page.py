"""The archive page: every file of a store on it, nothing of a name in it that could act."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from archive_cases import HOSTILE, fill
from click.testing import CliRunner

from unreel.detector.archive.page import ArchiveOptions, archive_page, write_archive
from unreel.detector.archive.rows import archive_rows
from unreel.detector.archive.words import own_messages
from unreel.detector.audit import open_store
from unreel.detector.cli import main

PLAIN = ArchiveOptions(thumbnails=False, clip_reports=False)


def data_of(html: str) -> list[list[Any]]:
    """The rows in a page."""
    found = re.search(r'<script type="application/json" id="rows"[^>]*>(.*?)</script>', html)
    assert found
    rows: list[list[Any]] = json.loads(found[1])
    return rows


def test_a_real_clip_from_the_audit_to_its_picture(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / "in" / name).write_bytes(clip.read_bytes())
    (tmp_path / "in" / "bad.mp4").write_text("no video")
    db, out = tmp_path / "audit.sqlite", tmp_path / "out" / "page ü.html"
    out.parent.mkdir()
    call = ["audit", "run", str(tmp_path / "in"), "--db", str(db), "--workers", "1", "-q"]
    assert CliRunner().invoke(main, call).exit_code == 3
    done = CliRunner().invoke(main, ["audit", "report", str(db), "--html", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    html = out.read_text()
    rows = data_of(html)
    assert sorted(row[1] for row in rows) == ["bad.mp4", "one.mp4", "two.mp4"]
    beside = tmp_path / "out" / "page ü_files"
    assert 'data-beside="page%20%C3%BC_files"' in html
    (picture,) = (beside / "thumbs").iterdir()
    assert picture.read_bytes().startswith(b"\xff\xd8")
    assert {row[11] for row in rows} == {picture.stem, None}
    for row in rows:
        report = (beside / "clips" / f"{row[0]}.html").read_text()
        assert f"<h1>{row[1]}</h1>" in report
    assert "If all of it were camera footage" in html


def test_every_file_has_a_row_with_its_state(tmp_path: Path) -> None:
    fill(tmp_path / "a.sqlite", 60)
    with open_store(tmp_path / "a.sqlite", read_only=True) as store:
        html = archive_page(store, list(archive_rows(store)), set(), "x", PLAIN)
    rows = data_of(html)
    assert len(rows) == 60
    kinds = [row[3] for row in rows]
    assert kinds.count("waiting") == 3
    assert kinds.count("error") == 5
    scores = [row[5] for row in rows if row[5] is not None]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 52


@pytest.mark.parametrize("language", ["en", "de"])
def test_hostile_names_stay_text(language: str, tmp_path: Path) -> None:
    db, out = tmp_path / "a.sqlite", tmp_path / "a.html"
    fill(db, 20, (HOSTILE.replace("/", "_"), "'\"`.mp4"))
    with open_store(db, read_only=True) as store:
        assert write_archive(store, out, ArchiveOptions(language, thumbnails=False)) == 20
    html = out.read_text()
    assert "<img" not in html
    assert html.count("</script>") == 3
    assert any("onerror" in row[1] and "\\u202e\\xff" in row[1] for row in data_of(html))
    assert "\u202e" not in html
    pages = list((tmp_path / "a_files" / "clips").iterdir())
    assert len(pages) == 17
    assert all("<img src=x" not in page.read_text() for page in pages)
    assert any("<h1>&lt;_script&gt;&lt;img src=x" in page.read_text() for page in pages)


def test_the_policy_lets_nothing_else_run(tmp_path: Path) -> None:
    fill(tmp_path / "a.sqlite", 5)
    with open_store(tmp_path / "a.sqlite", read_only=True) as store:
        html = archive_page(store, list(archive_rows(store)), set(), "x", PLAIN)
    assert "default-src 'none'; img-src 'self' file:; style-src 'sha256-" in html
    assert "unsafe" not in html
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html


def test_an_empty_store_has_a_page(tmp_path: Path) -> None:
    open_store(tmp_path / "a.sqlite").close()
    with open_store(tmp_path / "a.sqlite", read_only=True) as store:
        assert write_archive(store, tmp_path / "a.html", PLAIN) == 0
    assert data_of((tmp_path / "a.html").read_text()) == []


def test_the_store_is_not_overwritten(tmp_path: Path) -> None:
    db = tmp_path / "a.sqlite"
    fill(db, 5)
    before = db.read_bytes()
    done = CliRunner().invoke(main, ["audit", "report", str(db), "--html", str(db)])
    assert done.exit_code == 2
    assert "would overwrite the store" in done.stderr
    assert db.read_bytes() == before


def test_the_words_are_the_same_in_every_language() -> None:
    english, german = own_messages("en"), own_messages("de")
    assert english.keys() == german.keys()
    for key, text in english.items():
        holes = re.findall(r"\{[a-z]+\}", text)
        assert sorted(holes) == sorted(re.findall(r"\{[a-z]+\}", german[key])), key
