"""The store: what is claimed, finished, killed and looked up again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from audit_judges import MODEL, report_on

from unreel.detector.audit import Settings, Store, Work, open_store, settings_of
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.planning import plan
from unreel.detector.audit.rows import Counts, Found
from unreel.detector.config import Limits, ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.jsonout import to_json
from unreel.detector.model import load_model
from unreel.detector.records import Report, ScanError

SETTINGS = Settings("fake", "1", "f" * 64, {"model.onnx": "f" * 64}, {"fpr": 0.01})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "audit.sqlite") as opened, opened.lock():
        yield opened


def begin(store: Store, settings: Settings = SETTINGS) -> int:
    return store.begin_run(settings, engine="test")


def found(*names: str, size: int = 1, mtime_ns: int = 1) -> list[Found]:
    return [Found(f"/archive/{name}", size + i, mtime_ns) for i, name in enumerate(names)]


def claim(store: Store, run: int, count: int = 1) -> list[Work]:
    with store.transaction():
        return store.claim(run, count)


def finish(store: Store, run: int, work: Work, sha256: str, score: float = 0.5) -> int:
    report = to_json(report_on(work.path, sha256, 1, score), with_run=True)
    with store.transaction():
        return store.finish(run, work, report)


def fail(store: Store, run: int, work: Work, sha256: str | None, code: str) -> int:
    error = ScanError(code, "no")
    with store.transaction():
        return store.finish(
            run, work, to_json(Report(work.path, MODEL, sha256=sha256, error=error))
        )


def test_the_example_of_the_package_runs(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docstring of unreel.detector.audit, word for word, on a real clip."""
    import textwrap

    import unreel.detector.audit as audit
    from unreel.detector import scan_video

    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert audit.__doc__ is not None
    code = textwrap.dedent(audit.__doc__.split("\n\n")[1])
    names = {n: getattr(audit, n) for n in audit.__all__}
    names |= {"scan_video": scan_video, "to_json": to_json}
    exec(code, names)
    row = names["row"]
    assert row.status == "ok" and row.score == names["report"].verdict.score.__round__(4)
    with open_store("audit.sqlite", read_only=True) as store:
        assert store.file("clip.mp4").reviewed_as == "generated"


def test_the_python_of_the_page_on_audits_runs(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs/audit.md").read_text()
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(page.split("```python\n")[1].split("```")[0], {})
    with open_store("audit.sqlite", read_only=True) as store:
        assert store.file("clip.mp4").reviewed_as == "generated"


def test_a_file_goes_from_the_list_to_a_result(store: Store) -> None:
    run = begin(store)
    counts = Counts()
    plan(store, run, found("a.mp4", "b.mp4"), counts)
    assert (counts.found, counts.new, counts.to_do) == (2, 2, 2)
    first, second = claim(store, run, 5)
    assert (first.path, second.path) == ("/archive/a.mp4", "/archive/b.mp4")
    assert not first.may_be_known
    assert claim(store, run) == []
    finish(store, run, first, "a" * 64, 0.93)
    row = store.file("/archive/a.mp4")
    assert (row.state, row.status, row.label, row.score) == ("done", "ok", "generated", 0.93)
    assert store.file("aaaaaaaa").file_id == row.file_id
    assert store.report("/archive/b.mp4") is None
    report = store.report("/archive/a.mp4")
    assert report is not None and "run" not in report
    assert report["verdict"]["score"] == 0.93


def test_files_of_the_same_size_are_hashed_first(store: Store) -> None:
    run = begin(store)
    plan(store, run, [Found("/a", 7, 1), Found("/b", 7, 1), Found("/c", 8, 1)], Counts())
    assert [w.may_be_known for w in claim(store, run, 3)] == [True, True, False]


def test_same_bytes_are_one_scan_and_several_rows(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a", "b"), Counts())
    first, second = claim(store, run, 2)
    scan = finish(store, run, first, "a" * 64)
    assert store.scan_of(run, "a" * 64) == scan
    with store.transaction():
        store.attach(run, second, scan)
    assert finish(store, run, second, "a" * 64) == scan, "a second scan of the same is dropped"
    assert store.connection.execute("SELECT count(*) FROM scans").fetchone() == (1,)
    report = store.report("/archive/b")
    assert report is not None and report["file"]["path"] == "/archive/b"


def test_what_is_done_and_unchanged_is_left_alone(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a", "b"), Counts())
    for work in claim(store, run, 2):
        finish(store, run, work, work.path[-1] * 64)
    again, counts = begin(store), Counts()
    plan(store, again, found("a", "b") + found("a"), counts)
    assert (counts.found, counts.unchanged, counts.to_do) == (2, 2, 0)
    assert claim(store, again, 5) == []


def test_a_touched_file_is_hashed_and_keeps_its_result_when_its_bytes_are_the_same(
    store: Store,
) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    finish(store, run, claim(store, run)[0], "a" * 64)
    again, counts = begin(store), Counts()
    plan(store, again, found("a", mtime_ns=2), counts)
    assert (counts.changed, counts.to_do) == (1, 1)
    (work,) = claim(store, again)
    assert work.known_sha256 is None, "its time of change says nothing about its bytes"
    assert work.may_be_known


def test_rehash_trusts_no_time(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    finish(store, run, claim(store, run)[0], "a" * 64)
    again = begin(store)
    plan(store, again, found("a"), Counts(), rehash=True)
    assert claim(store, again)[0].known_sha256 is None


def test_another_model_or_configuration_means_another_scan(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    old = finish(store, run, claim(store, run)[0], "a" * 64, 0.2)
    other = begin(store, replace(SETTINGS, config={"fpr": 0.05}))
    plan(store, other, found("a"), Counts())
    (work,) = claim(store, other)
    assert work.known_sha256 == "a" * 64, "nothing changed: the hash still holds"
    assert store.scan_of(other, "a" * 64) is None
    new = finish(store, other, work, "a" * 64, 0.8)
    assert new != old
    assert store.file("/archive/a").score == 0.8
    back = begin(store)
    plan(store, back, found("a"), Counts())
    assert store.scan_of(back, "a" * 64) == old, "the first result is still there"


def test_limits_and_threads_are_no_reason_to_scan_again() -> None:
    plain = settings_of()
    generous = ScanConfig(limits=Limits(wall_seconds_per_request=99), threads=7)
    assert settings_of(config=generous).fingerprint == plain.fingerprint
    assert settings_of(config=ScanConfig(fpr=0.02)).fingerprint != plain.fingerprint
    assert set(plain.model_files) >= {"model.onnx", "calibration.json", "config.json"}
    assert plain.model_sha256 == load_model().info.sha256


def test_errors_stand_until_they_are_tried_again(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a", "b"), Counts())
    first, second = claim(store, run, 2)
    old = fail(store, run, first, "a" * 64, "timeout")
    with store.transaction():
        store.attach(run, second, old)
    again = begin(store)
    plan(store, again, found("a", "b"), Counts())
    assert claim(store, again, 2) == []
    retry = begin(store)
    plan(store, retry, found("a"), Counts(), retry_errors=True)
    (work,) = claim(store, retry)
    assert store.scan_of(retry, "a" * 64, errors=False) is None
    new = finish(store, retry, work, "a" * 64, 0.7)
    assert new != old
    assert {store.file(f"/archive/{n}").score for n in "ab"} == {0.7}, "for all names of the bytes"
    assert store.file("/archive/b").scan_id == new


def test_what_a_dead_process_had_in_hand_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    script = (
        "import os, sys\n"
        "from unreel.detector.audit import open_store, Settings\n"
        "from unreel.detector.audit.planning import plan\n"
        "from unreel.detector.audit.rows import Counts, Found\n"
        "store = open_store(sys.argv[1])\n"
        "with store.lock():\n"
        "    run = store.begin_run(Settings('fake', '1', 'f' * 64, {}, {}), engine='test')\n"
        "    plan(store, run, [Found('/a', 1, 1), Found('/b', 2, 1)], Counts())\n"
        "    with store.transaction():\n"
        "        store.claim(run, 1)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == -9
    with open_store(path) as store, store.lock():
        run = begin(store)
        plan(store, run, [Found("/a", 1, 1), Found("/b", 2, 1)], Counts())
        assert [w.path for w in claim(store, run, 2)] == ["/b", "/a"]


def test_only_one_process_works_but_others_may_read_and_label(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    finish(store, run, claim(store, run)[0], "a" * 64)
    with open_store(store.path) as other:
        with pytest.raises(StoreError, match=f"another process works on .*process {os.getpid()}"):
            other.lock().__enter__()
        assert other.label("/archive/a", "manipulated", note="cut") == "a" * 64
    assert store.file("/archive/a").reviewed_as == "manipulated"
    store.label("/archive/a", "unsure")
    assert store.file("/archive/a").reviewed_as == "unsure", "the last word counts"
    assert store.connection.execute("SELECT count(*) FROM labels").fetchone() == (2,)


def test_a_label_needs_one_of_four_words_and_a_known_file(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    with pytest.raises(UsageError, match="'authentic' was given, allowed are real, generated"):
        store.label("/archive/a", "authentic")
    with pytest.raises(StoreError, match="no hash yet"):
        store.label("/archive/a", "real")
    with pytest.raises(StoreError, match="has no file /archive/x"):
        store.label("/archive/x", "real")


@pytest.mark.parametrize(
    "name", [b"new\nline", b"quo'te\"s;--", b"\xff\xfe", "\u202etxt.4pm".encode(), b"=cmd|' /C'!A0"]
)
def test_any_name_is_kept_byte_by_byte(store: Store, name: bytes) -> None:
    run = begin(store)
    path = os.fsdecode(b"/archive/" + name)
    plan(store, run, [Found(path, 1, 1)], Counts())
    (work,) = claim(store, run)
    assert os.fsencode(work.path) == b"/archive/" + name
    finish(store, run, work, "a" * 64)
    assert store.file(path).status == "ok"


def test_a_store_that_may_not_be_written_can_be_read(store: Store) -> None:
    run = begin(store)
    plan(store, run, found("a"), Counts())
    with open_store(store.path, read_only=True) as reader:
        assert reader.file("/archive/a").state == "pending"
        with pytest.raises(StoreError, match="readonly"), reader.transaction():
            reader.claim(run, 1)


def test_what_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_text("no database, but long enough to be taken for one: " * 40)
    with pytest.raises(StoreError, match="not a database"):
        open_store(text)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t(a)")
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match="no audit store"):
        open_store(foreign)
    assert foreign.read_bytes() == before
    with pytest.raises(StoreError, match="there is no store"):
        open_store(tmp_path / "none.sqlite", read_only=True)


def test_a_store_of_a_newer_version_is_refused(store: Store) -> None:
    store.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"version 99.*newer unreel"):
        open_store(store.path)


def test_a_store_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails leaves the version before; the next one goes on from there."""
    from unreel.detector.audit import schema

    path = tmp_path / "audit.sqlite"
    monkeypatch.setattr(schema, "VERSION", 2)
    broken = (*schema.MIGRATIONS, "CREATE TABLE extra(a);\nCREATE TABLE extra(a);\n")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="already exists"):
        open_store(path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*broken[:1], "CREATE TABLE extra(a);\n"))
    with open_store(path) as store:
        assert store.connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert store.connection.execute("SELECT count(*) FROM extra").fetchone() == (0,)
