"""What a store is asked: summary, queries, exports, comparison, merge; hostile names included."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import jsonschema
import pytest
from audit_judges import MODEL, report_on
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from unreel.data.manifest import read_manifest
from unreel.detector.audit import Settings, Store, open_store
from unreel.detector.audit.exporting import FORMULA_STARTS, cell, write_csv
from unreel.detector.audit.false_alarms import Stratum, expect
from unreel.detector.audit.planning import plan
from unreel.detector.audit.query import COLUMNS, EVERYTHING, parse
from unreel.detector.audit.rows import Counts, Found
from unreel.detector.audit.summary import summarise, to_text
from unreel.detector.cli import main
from unreel.detector.errors import UsageError
from unreel.detector.jsonout import schema, to_json
from unreel.detector.records import Report, ScanError

SETTINGS = Settings("fake", "1", "f" * 64, {"model.onnx": "f" * 64}, {"fpr": 0.01})
HOSTILE = [b"=cmd|' /C calc'!A0.mp4", b"a\nb\r.mp4", b"\xff\xfe.mp4", "\u202e4pm.mp4".encode(),
           b"'; DROP TABLE files; --.mp4", b"<script>alert(1)</script>.mp4"]  # fmt: skip


def fill(path: Path, scores: dict[str, float | str], settings: Settings = SETTINGS) -> Path:
    """A store with a file for each name: a score, or the code of an error. Bytes go by name."""
    with open_store(path) as store, store.lock():
        run = store.begin_run(settings, engine="test")
        found = [Found(f"/archive/{name}", i + 1, 1) for i, name in enumerate(scores)]
        plan(store, run, found, Counts())
        with store.transaction():
            for work in store.claim(run, len(found)):
                value = scores[work.path.removeprefix("/archive/")]
                sha256 = f"{hash_of(work.path)}"
                if isinstance(value, str):
                    report = Report(work.path, MODEL, sha256=sha256, error=ScanError(value, "no"))
                else:
                    report = report_on(work.path, sha256, 100, value)
                store.finish(run, work, to_json(report, with_run=True))
        store.end_run(run, "finished")
    return path


def hash_of(name: str) -> str:
    import hashlib

    return hashlib.sha256(os.fsencode(name)).hexdigest()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    scores = {"low.mp4": 0.1, "near.mp4": 0.85, "high.mp4": 0.97, "bad.mp4": "timeout"}
    return fill(tmp_path / "audit.sqlite", scores)


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["audit", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout if code != 2 else done.stderr


def names(store: Store, condition: str) -> list[str]:
    found = parse(condition)
    sql = f"SELECT path FROM results WHERE {found.sql} ORDER BY path"
    return [os.path.basename(p) for (p,) in store.connection.execute(sql, found.parameters)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("score > .9", ["high.mp4"]),
        ("score > .9 and codec = 'h264'", ["high.mp4"]),
        ("SCORE >= 0.85 AND NOT label = 'generated'", ["near.mp4"]),
        ("error_code in ('timeout', 'empty') or score < 2e-1", ["bad.mp4", "low.mp4"]),
        ("score is null", ["bad.mp4"]),
        ("score is not null and (path like '%low%' or path like '%near%')",
         ["low.mp4", "near.mp4"]),
        ("score not between .2 and 1", ["low.mp4"]),
        ("error_code not in ('timeout')", []),
        ("width == 320 and height <> 241 and frames != 0", ["high.mp4", "low.mp4", "near.mp4"]),
        ("path = 'it''s'", []),
    ],
)  # fmt: skip
def test_conditions(db: Path, condition: str, expected: list[str]) -> None:
    with open_store(db, read_only=True) as store:
        assert names(store, condition) == expected


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ("", 1),
        ("score", 6),
        ("score >", 8),
        ("score > 1 score", 11),
        ("secret = 1", 1),
        ("score > (1)", 9),
        ("(score > 1", 11),
        ("score > 1; DROP TABLE files", 10),
        ("score = \"1\"", 9),
        ("score in ()", 11),
        ("score in (1", 12),
        ("path like 'x", 11),
        ("score is 1", 10),
        ("1 = 1", 1),
        ("score > score", 9),
        ("score > 1 -- and", 11),
        ("path = 'a' union select 1", 12),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_and_the_place_is_shown(condition: str, place: int) -> None:
    with pytest.raises(UsageError, match=rf"at character {place}, before"):
        parse(condition)


def test_brackets_have_a_limit() -> None:
    with pytest.raises(UsageError, match="more than 50 brackets"):
        parse("(" * 10_000 + "score > 1" + ")" * 10_000)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_becomes_a_condition_without_its_values(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert "'" not in found.sql
    assert found.sql.count("?") == len(found.parameters)


@given(st.text(max_size=40))
def test_values_reach_sqlite_as_they_are(text: str) -> None:
    quoted = text.replace("'", "''")
    assert parse(f"path = '{quoted}'").parameters == (text,)


def test_summary(db: Path) -> None:
    with open_store(db, read_only=True) as store:
        summary = summarise(store)
    assert summary.states == {"done": 4}
    assert summary.labels == {"generated": 1, "no-evidence": 2}
    assert summary.errors == {"timeout": 1}
    assert summary.histogram == (0, 1, 0, 0, 0, 0, 0, 0, 1, 1)
    assert (summary.contents, summary.flagged_contents) == (3, 1)
    assert [os.path.basename(i.path) for i in summary.strongest] == ["high.mp4"]
    assert [os.path.basename(i.path) for i in summary.near] == ["near.mp4"]
    text = " ".join(run("report", db).split())
    assert "4 files, 4 done, 0 still on the list" in text
    assert "error timeout" in text
    assert "called generated (95 % interval 0 to 1); 1 are. That many can be false" in text


def test_more_than_chance_gives_is_said_with_what_chance_gives(tmp_path: Path) -> None:
    db = fill(tmp_path / "audit.sqlite", {f"{i}.mp4": 0.95 for i in range(10)})
    text = " ".join(run("report", db).split())
    assert "(95 % interval 0 to 1); 10 are. Of these, 0 to 10 % can be false alarms." in text


def test_names_of_the_same_bytes_count_once_where_chance_is_meant(tmp_path: Path) -> None:
    db = fill(tmp_path / "audit.sqlite", {"a.mp4": 0.95})
    with open_store(db) as store, store.lock():
        again = store.begin_run(SETTINGS, engine="test")
        copies = [Found(f"/archive/copy{i}.mp4", 1, 1) for i in range(5)]
        plan(store, again, copies, Counts())
        with store.transaction():
            scan = store.scan_of(again, hash_of("/archive/a.mp4"))
            assert scan is not None
            for work in store.claim(again, 5):
                store.attach(again, work, scan)
        summary = summarise(store)
    assert summary.labels == {"generated": 6}
    assert (summary.contents, summary.flagged_contents) == (1, 1)
    assert summary.strongest[0].names == 6


def test_expected_false_alarms_cover_what_happens() -> None:
    """Many calibrations and archives are drawn; the interval holds the truth about as often as it
    says, whatever the true share is that the calibration set was drawn with."""
    import numpy as np

    rng = np.random.default_rng(1)
    clips, contents, covered = 300, 2000, 0
    for _ in range(200):
        logits = np.sort(rng.normal(size=clips))
        threshold = (logits[-3] + logits[-4]) / 2  # 1 % of 300 clips reach it
        alarms = int((rng.normal(size=contents) >= threshold).sum())
        found = expect([Stratum("pooled", 0.01, clips, contents)])
        covered += found.low <= alarms <= found.high
    assert found.expected == 20.0
    assert 0.88 <= covered / 200 <= 1.0


def test_an_archive_of_100_000_has_about_a_thousand() -> None:
    found = expect([Stratum("a", 0.01, 137, 60_000), Stratum("b", 0.01, 137, 40_000)])
    assert found.expected == 1000.0
    assert 100 < found.low < 700 and 1500 < found.high < 4000
    assert expect([]) == expect([Stratum("a", 0.01, 137, 0)])


def test_csv_is_safe_to_open(tmp_path: Path) -> None:
    scores: dict[str, float | str] = {os.fsdecode(name): 0.5 for name in HOSTILE}
    db = fill(tmp_path / "audit.sqlite", scores)
    text = run("export", db)
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == len(HOSTILE)
    assert tuple(lines[0]) == COLUMNS
    assert all(c.isprintable() or c == "\n" for c in text)
    assert text.count("\n") == len(HOSTILE) + 1, "no name breaks a line"


@given(st.text())
def test_no_cell_begins_a_formula_or_controls_a_terminal(text: str) -> None:
    shown = cell(text)
    assert not shown.startswith(FORMULA_STARTS)
    assert shown.isprintable()


def test_numbers_stay_numbers() -> None:
    assert cell(-0.5) == -0.5
    assert cell(None) is None


def test_a_hostile_name_forges_no_line_of_the_report(tmp_path: Path) -> None:
    evil = "x\n  9 error timeout\x1b[2J\u202e.mp4"
    db = fill(tmp_path / "audit.sqlite", {evil: 0.97})
    with open_store(db, read_only=True) as store:
        text = to_text(summarise(store))
    assert "\n  9 error" not in text
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\x1b" not in run("query", db, "score > 0")


def test_json_lines_meet_the_schema_under_their_own_names(tmp_path: Path, db: Path) -> None:
    lines = [json.loads(line) for line in run("export", db, "--format", "jsonl").splitlines()]
    assert [line["file"]["path"].rpartition("/")[2] for line in lines] == [
        "high.mp4", "near.mp4", "low.mp4", "bad.mp4",
    ]  # fmt: skip
    for line in lines:
        jsonschema.validate(line, schema())
    only = run("export", db, "--format", "jsonl", "--where", "score > .9")
    assert len(only.splitlines()) == 1


def test_parquet_has_typed_columns(tmp_path: Path, db: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run("export", db, "--format", "parquet", "-o", tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == list(COLUMNS)
    assert table["score"].to_pylist() == [0.97, 0.85, 0.1, None]
    assert str(table.schema.field("width").type) == "int64"
    assert "--output" in run("export", db, "--format", "parquet", code=2)


def test_reviewed_clips_feed_retraining(tmp_path: Path, db: Path) -> None:
    run("label", db, "/archive/high.mp4", "generated", "--generator", "=sora", "--note", "a\nb")
    run("label", db, "/archive/low.mp4", "real", "--source", "own camera")
    run("label", db, hash_of("/archive/near.mp4")[:8], "unsure")
    out = tmp_path / "reviewed.csv"
    done = CliRunner().invoke(
        main, ["audit", "export", str(db), "--format", "manifest", "-o", str(out)]
    )
    assert done.stderr == "2 reviewed clips\n1 left out: unsure\n"
    first, second = read_manifest(out)
    assert (str(first.path), first.label, first.generator) == (
        "/archive/high.mp4", "generated", "'=sora",
    )  # fmt: skip
    assert first.note == "a\\nb" and first.group == "/archive"
    assert (second.label, second.group, second.width) == ("real", "own camera", 320)
    assert second.sha256 == hash_of("/archive/low.mp4")


def test_compare_two_models(tmp_path: Path, db: Path) -> None:
    other = Settings("fake", "2", "e" * 64, {"model.onnx": "e" * 64}, {"fpr": 0.01})
    scores = {"low.mp4": 0.92, "near.mp4": 0.85, "bad.mp4": 0.2, "new.mp4": 0.3}
    text = run("compare", db, fill(tmp_path / "b.sqlite", scores, other))
    assert "3 contents in both, 1 only in A, 1 only in B" in text
    assert "1  no-evidence -> generated" in text and "1  timeout -> no-evidence" in text
    assert "0.10 -> 0.92  no-evidence -> generated  /archive/low.mp4" in text
    assert "near.mp4" not in text, "what is the same is not listed"
    assert "named twice" in run("compare", db, db, code=2)


def test_shards_become_one_store(tmp_path: Path) -> None:
    one = fill(tmp_path / "1.sqlite", {"a.mp4": 0.1, "b.mp4": "timeout"})
    two = fill(tmp_path / "2.sqlite", {"b.mp4": 0.4, "c.mp4": 0.95})
    with open_store(two) as store:
        store.label("/archive/c.mp4", "generated")
    whole = tmp_path / "whole.sqlite"
    run("merge", whole, one, two)
    assert "agree" in run("verify", whole)
    with open_store(whole, read_only=True) as store:
        assert names(store, "status = 'ok'") == ["a.mp4", "b.mp4", "c.mp4"]
        assert store.file("/archive/c.mp4").reviewed_as == "generated"
        before = store.connection.execute("SELECT count(*) FROM scans").fetchone()
    run("merge", whole, one, two)
    with open_store(whole, read_only=True) as store:
        assert store.connection.execute("SELECT count(*) FROM scans").fetchone() == before
    assert "agree" in run("verify", whole)


def test_the_whole_csv_is_every_row_once(db: Path) -> None:
    out = io.StringIO()
    with open_store(db, read_only=True) as store:
        assert write_csv(store, EVERYTHING, out) == 4
    assert len(out.getvalue().splitlines()) == 5


def test_the_store_is_never_overwritten_or_made_by_asking(tmp_path: Path, db: Path) -> None:
    assert "would overwrite the store" in run("export", db, "-o", db, code=2)
    for verb in ("report", "export", "verify"):
        assert "there is no store" in run(verb, tmp_path / "none.sqlite", code=2)
    assert "there is no store" in run("label", tmp_path / "none.sqlite", "a", "real", code=2)
    assert not (tmp_path / "none.sqlite").exists()
