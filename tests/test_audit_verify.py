"""The hash chain: whatever is changed past the program is found, and what cannot be is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_audit_results import fill

from unreel.detector.audit import open_store
from unreel.detector.audit.chain import head_of
from unreel.detector.audit.heads import read_signed_head, write_signed_head
from unreel.detector.audit.verifying import verify
from unreel.detector.cli import main
from unreel.detector.errors import UsageError

SCORES: dict[str, float | str] = {"a.mp4": 0.1, "b.mp4": 0.95, "c.mp4": "timeout"}
UNGUARDED = "DROP TRIGGER log_is_never_changed; DROP TRIGGER log_is_never_shortened;"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = fill(tmp_path / "audit.sqlite", SCORES)
    with open_store(path) as store:
        store.label("/archive/b.mp4", "generated")
    return path


def tamper(db: Path, script: str) -> None:
    """Write past the program, as anyone with the file can."""
    with sqlite3.connect(db) as connection:
        connection.executescript("PRAGMA foreign_keys = OFF;" + script)
    connection.close()


def problems(db: Path, *heads: str) -> str:
    with open_store(db, read_only=True) as store:
        return "\n".join(verify(store, known_heads=heads).problems)


def head(db: Path) -> str:
    with open_store(db, read_only=True) as store:
        return head_of(store.connection).hash


def test_an_honest_store_agrees(db: Path) -> None:
    assert problems(db) == ""
    assert problems(db, head(db)) == ""
    done = CliRunner().invoke(main, ["audit", "verify", str(db)])
    assert done.exit_code == 0 and f"head 8 {head(db)}" in done.stdout


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("UPDATE scans SET score = 0.2 WHERE score > 0.9", "scans: row 2 was changed"),
        ("UPDATE scans SET report = replace(report, '0.95', '0.15')", "scans: row 2 was changed"),
        ("UPDATE scans SET error_code = 'empty' WHERE id = 3", "scans: row 3 was changed"),
        ("UPDATE files SET scan_id = 1 WHERE id = 2", "files: the row of /archive/b.mp4 was"),
        ("UPDATE files SET path = '/x' WHERE id = 2", "files: the row of /x was changed"),
        ("UPDATE files SET sha256 = 'x' WHERE id = 1", "files: the row of /archive/a.mp4 was"),
        ("DELETE FROM files WHERE id = 2", "files: row 2, which had a result, was taken out"),
        ("DELETE FROM scans WHERE id = 3", "scans: row 3 was taken out"),
        ("INSERT INTO scans SELECT 9, settings_id, run_id, 'y', 1, status, error_code,"
         " error_message, label, score, llr, percentile, threshold, fpr, bucket, camera_clips,"
         " recheck_score, bytes, container, codec, width, height, fps, frames, duration_seconds,"
         " has_audio, shots, findings, decoder, finished, seconds, timing, report FROM scans"
         " WHERE id = 1", "scans: row 9 was put in past the log"),
        ("UPDATE labels SET label = 'real'", "labels: row 1 was changed"),
        ("DELETE FROM labels", "labels: row 1 was taken out"),
        ("UPDATE runs SET command = '[]'", "runs: row 1 was changed"),
        ("UPDATE runs SET outcome = 'interrupted'", "runs: row 1 was changed"),
        ("UPDATE settings SET model_sha256 = 'x'", "settings: row 1 was changed"),
        (UNGUARDED + "UPDATE log SET body = replace(body, 'a.mp4', 'z.mp4')", "log: entry 4"),
        (UNGUARDED + "UPDATE log SET at = '1999' WHERE seq = 2", "log: entry 2 (run-started"),
        (UNGUARDED + "DELETE FROM log WHERE seq = 5", "log: entries 5 to 5 are missing"),
        (UNGUARDED + "UPDATE log SET seq = 99 WHERE seq = 5; UPDATE log SET seq = 5 WHERE seq = 6;"
         "UPDATE log SET seq = 6 WHERE seq = 99", "log: entry 5"),
        (UNGUARDED + "DELETE FROM log WHERE seq > 5", "put in past the log"),
    ],
)  # fmt: skip
def test_what_was_changed_is_found(db: Path, script: str, told: str) -> None:
    tamper(db, script)
    assert told in problems(db)
    done = CliRunner().invoke(main, ["audit", "verify", str(db)])
    assert done.exit_code == 1 and told in done.stdout


def test_a_pending_file_cannot_be_taken_out_either(tmp_path: Path) -> None:
    from unreel.detector.audit.planning import plan
    from unreel.detector.audit.rows import Counts, Found

    db = fill(tmp_path / "audit.sqlite", SCORES)
    with open_store(db) as store, store.lock():
        plan(store, 1, [Found(f"/new/{i}.mp4", 50 + i, 1) for i in range(3)], Counts())
    assert problems(db) == ""
    tamper(db, "DELETE FROM files WHERE path = '/new/1.mp4'")
    assert "files: not the 3 files that entry" in problems(db)


def test_the_log_refuses_to_be_changed(db: Path) -> None:
    for script in ("UPDATE log SET body = '{}'", "DELETE FROM log WHERE seq = 8"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            tamper(db, script)


def test_an_end_that_was_cut_off_with_its_rows_needs_a_head_known_elsewhere(db: Path) -> None:
    known = head(db)
    tamper(db, UNGUARDED + "DELETE FROM log WHERE seq = 8; DELETE FROM labels;")
    assert problems(db) == "", "no chain can show this by itself"
    assert "is not in the log" in problems(db, known)
    done = CliRunner().invoke(main, ["audit", "verify", str(db), "--head", known])
    assert done.exit_code == 1


def test_an_earlier_head_stays_in_the_log(db: Path) -> None:
    known = head(db)
    with open_store(db) as store:
        store.label("/archive/b.mp4", "unsure")
    assert head(db) != known and problems(db, known, head(db)) == ""


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key."""
    done = CliRunner().invoke(main, ["custody", "keygen", str(tmp_path / "key.pem")])
    assert done.exit_code == 0, done.output
    return tmp_path / "key.pem", tmp_path / "key.pem.pub"


def test_a_signed_head_is_checked_with_its_key(db: Path, keys: tuple[Path, Path]) -> None:
    secret, public = keys
    call = ["audit", "verify", str(db)]
    assert CliRunner().invoke(main, [*call, "--sign-key", str(secret)]).exit_code == 0
    signed = Path(f"{db}.head.json")
    check = [*call, "--signed", str(signed), "--key", str(public)]
    assert CliRunner().invoke(main, check).exit_code == 0
    text = signed.read_text()
    signed.write_text(text.replace('"entries": 8', '"entries": 7'))
    changed = CliRunner().invoke(main, check)
    assert changed.exit_code == 2 and "does not hold: it was changed" in changed.stderr
    signed.write_text(text)
    tamper(db, UNGUARDED + "DELETE FROM log WHERE seq = 8; DELETE FROM labels;")
    assert CliRunner().invoke(main, check).exit_code == 1


def test_a_head_of_another_key_is_refused(
    db: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    assert CliRunner().invoke(main, ["custody", "keygen", str(other)]).exit_code == 0
    signed = tmp_path / "head.json"
    with open_store(db, read_only=True) as store:
        write_signed_head(head_of(store.connection), db, other, signed)
    assert read_signed_head(signed, None) == head(db), "whole, but whose?"
    with pytest.raises(UsageError, match="signed by another key"):
        read_signed_head(signed, keys[1])
    signed.write_text("{}")
    with pytest.raises(UsageError, match="is no signed head"):
        read_signed_head(signed, None)
