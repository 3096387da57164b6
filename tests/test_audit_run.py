"""A run from the names to the last row: real worker processes, mostly with a quick judge in them.

`audit_judges.quick` takes the place of the scan where dozens of files are needed; the walk, the
store, the engine and its processes are the real ones.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from unreel.detector.audit import open_store
from unreel.detector.audit.rows import Counts
from unreel.detector.audit.running import AuditOptions, Ending, Watcher, run_audit
from unreel.detector.audit.store import Store
from unreel.detector.audit.walk import Choice
from unreel.detector.audit.working import Finished
from unreel.detector.cli import main
from unreel.detector.errors import ModelError, UsageError

TESTS = Path(__file__).parent


def quick(folder: Path, **options: Any) -> AuditOptions:
    given: dict[str, Any] = {
        "names": (str(folder),),
        "workers": 2,
        "judge": "audit_judges:quick",
    }
    return AuditOptions(**(given | options))


def audit(db: Path, options: AuditOptions, watcher: Watcher | None = None) -> Ending:
    with open_store(db) as store:
        return run_audit(store, options, watcher)


def rows(db: Path) -> dict[str, tuple[str, str | None]]:
    """Name -> state and error code."""
    with open_store(db, read_only=True) as store:
        query = "SELECT path, state, error_code FROM results"
        return {os.path.basename(p): (s, e) for p, s, e in store.connection.execute(query)}


def scans(db: Path) -> int:
    with open_store(db, read_only=True) as store:
        return int(store.connection.execute("SELECT count(*) FROM scans").fetchone()[0])


def fill(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_real_clip_from_the_command_line(clip: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {"one.mp4": clip.read_bytes(), "two.mp4": clip.read_bytes()})
    (folder / "bad.mp4").write_text("no video")
    (folder / "notes.txt").write_text("not looked at")
    os.mkfifo(folder / "pipe.mp4")
    db = tmp_path / "audit.sqlite"
    call = ["audit", "run", str(folder), "--db", str(db), "--log-json", "--workers", "1"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 3, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(os.path.basename(line["path"]) for line in lines) == [
        "bad.mp4", "one.mp4", "pipe.mp4", "two.mp4",
    ]  # fmt: skip
    assert sorted(line["same_bytes"] for line in lines) == [False, False, False, True]
    assert rows(db) == {
        "bad.mp4": ("done", "not-a-video"),
        "one.mp4": ("done", None),
        "pipe.mp4": ("done", "not-a-file"),
        "two.mp4": ("done", None),
    }
    assert "4 files found: 4 new" in done.stderr and "2 with an error" in done.stderr
    alone = CliRunner().invoke(main, ["scan", "--json", str(folder / "two.mp4")])
    with open_store(db, read_only=True) as store:
        assert store.report(folder / "two.mp4") == json.loads(alone.stdout)
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 0 and again.stdout == ""
    assert "4 done before; 0 to do" in again.stderr


def test_a_worker_that_dies_or_grows_costs_its_file_alone(tmp_path: Path) -> None:
    folder = fill(
        tmp_path / "in",
        {"die.mp4": b"die", "grow.mp4": b"grow up"}
        | {f"{i}.mp4": b"%d" % i * (i + 1) for i in range(12)},
    )
    db = tmp_path / "audit.sqlite"
    ending = audit(db, quick(folder, worker_bytes=400 << 20))
    assert (ending.outcome, ending.counts.errors, ending.left_on_list) == ("finished", 2, 0)
    found = rows(db)
    assert found.pop("die.mp4") == ("done", "worker-crash")
    assert found.pop("grow.mp4") == ("done", "out-of-memory")
    assert set(found.values()) == {("done", None)} and len(found) == 12
    with open_store(db, read_only=True) as store:
        row = store.file(folder / "die.mp4")
        assert row.sha256 is not None, "the row says of which bytes it speaks"
        assert "signal 9" in str(row.error_message)


def test_a_file_that_takes_too_long_is_a_row(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {"hang.mp4": b"hang in there"})
    db = tmp_path / "audit.sqlite"
    ending = audit(db, quick(folder, file_seconds=3.0))
    assert (ending.outcome, ending.counts.errors) == ("finished", 1)
    assert rows(db) == {"hang.mp4": ("done", "timeout")}


def test_only_what_changed_is_scanned_again(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"%d" % i * (i + 1) for i in range(4)})
    db = tmp_path / "audit.sqlite"
    audit(db, quick(folder))
    (folder / "1.mp4").write_bytes(b"other")
    os.utime(folder / "2.mp4", (1, 1))
    fill(folder, {"copy.mp4": (folder / "3.mp4").read_bytes()})
    (folder / "0.mp4").rename(folder / "moved.mp4")
    ending = audit(db, quick(folder))
    counts = ending.counts
    assert (counts.new, counts.changed, counts.unchanged) == (2, 2, 1)
    assert (counts.scanned, counts.same_bytes) == (1, 3)
    assert scans(db) == 5


def test_ten_names_of_the_same_bytes_are_one_scan(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"slow and the same" for i in range(10)})
    db = tmp_path / "audit.sqlite"
    counts = audit(db, quick(folder)).counts
    assert (counts.scanned, counts.same_bytes) == (1, 9)
    assert (scans(db), len(rows(db))) == (1, 10)


def test_names_that_no_terminal_should_see(tmp_path: Path) -> None:
    names = [b"a\nb.mp4", b"'; DROP TABLE files; --.mp4", b"\xff\xfe.mp4", "\u202e4pm.mp4".encode(),
             b'"q".mp4', b"=1+1.mp4", b"\x1b[2J.mp4"]  # fmt: skip
    folder = tmp_path / "in"
    folder.mkdir()
    for index, name in enumerate(names):
        with open(os.path.join(os.fsencode(folder), name), "wb") as handle:
            handle.write(b"x" * (index + 1))
    db = tmp_path / "audit.sqlite"
    assert audit(db, quick(folder)).counts.scanned == len(names)
    with open_store(db, read_only=True) as store:
        kept = {row[0] for row in store.connection.execute("SELECT path_bytes FROM files")}
    assert kept == {os.path.join(os.fsencode(folder), name) for name in names}


class StopsAfter(Watcher):
    """Asks to stop, as Ctrl-C does, once so many files are done."""

    def __init__(self, files: int) -> None:
        self.files = files
        self.most_in_hand = 0

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        self.most_in_hand = max(self.most_in_hand, in_hand)
        if counts.done >= self.files:
            self.files = 10**9
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_finishes_what_is_in_hand(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"slow %d" % i * (i + 1) for i in range(12)})
    db, watcher = tmp_path / "audit.sqlite", StopsAfter(3)
    ending = audit(db, quick(folder), watcher)
    assert ending.outcome == "interrupted"
    assert 3 <= ending.counts.done <= 5 and ending.left_on_list == 12 - ending.counts.done
    assert watcher.most_in_hand <= 2, "no file waits in a worker's queue"
    states = [state for state, _ in rows(db).values()]
    assert states.count("in-hand") == 0
    again = audit(db, quick(folder))
    assert again.counts.unchanged == ending.counts.done
    assert again.outcome == "finished" and scans(db) == 12


def test_limit_and_budget_and_the_rest_without_names(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"%d" % i * (i + 1) for i in range(7)})
    db = tmp_path / "audit.sqlite"
    first = audit(db, quick(folder, limit=3, order="size"))
    assert (first.outcome, first.counts.scanned, first.left_on_list) == ("limit", 3, 4)
    assert {n for n, row in rows(db).items() if row[0] == "done"} == {"0.mp4", "1.mp4", "2.mp4"}
    none = audit(db, quick(folder, budget_seconds=0.0))
    assert (none.outcome, none.counts.scanned) == ("time-budget", 0)
    rest = audit(db, quick(folder, names=()))
    assert (rest.outcome, rest.counts.scanned) == ("finished", 4)


@pytest.mark.parametrize("order", ["oldest", "suspicious-first"])
def test_order(tmp_path: Path, order: str) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"%d" % i * (i + 1) for i in range(6)})
    for index in range(6):
        os.utime(folder / f"{index}.mp4", (100 - index, 100 - index))
    db = tmp_path / "audit.sqlite"
    expected = [f"{i}.mp4" for i in reversed(range(6))]
    if order == "suspicious-first":
        audit(db, quick(folder))
        with open_store(db) as store:
            sql = "SELECT path FROM results ORDER BY score DESC"
            expected = [os.path.basename(p) for (p,) in store.connection.execute(sql)]
    from unreel.detector.config import ScanConfig

    options = quick(folder, order=order, workers=1, config=ScanConfig(fpr=0.05))
    audit(db, options)
    with open_store(db) as store:
        sql = "SELECT path FROM files JOIN scans ON scans.id = scan_id ORDER BY scans.id"
        assert [os.path.basename(p) for (p,) in store.connection.execute(sql)] == expected


def test_errors_are_tried_again_with_and_without_names(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {"a.mp4": b"break it", "b.mp4": b"fine"})
    db = tmp_path / "audit.sqlite"
    audit(db, quick(folder))
    assert audit(db, quick(folder)).counts.scanned == 0
    for names in ((str(folder),), ()):
        counts = audit(db, quick(folder, names=names, retry_errors=True)).counts
        assert (counts.scanned, counts.errors) == (1, 1)
    assert rows(db)["a.mp4"] == ("done", "unreadable")


def test_a_person_at_a_terminal_sees_a_bar(clip: Path, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    folder = fill(tmp_path / "in", {"one.mp4": clip.read_bytes(), "bad.mp4": b"no video"})
    command = [sys.executable, "-m", "unreel.detector.cli", "audit", "run", str(folder)]
    command += ["--db", str(tmp_path / "audit.sqlite"), "--workers", "1"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stderr=theirs, stdout=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                got = os.read(ours, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not got:
                break
            seen += got
    os.close(ours)
    assert process.returncode == 3
    text = seen.decode()
    assert "files/h" in text and "of 2" in text
    assert "finished: 2 scanned" in text and "log head" in text


def test_shards_part_the_archive(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}/{i}.mp4": b"%d" % i * (i + 1) for i in range(20)})
    parts = []
    for index in (1, 2, 3):
        db = tmp_path / f"{index}.sqlite"
        audit(db, quick(folder, choice=Choice(shard=(index, 3))))
        parts.append(set(rows(db)))
    assert all(parts) and sum(map(len, parts)) == 20 and len(set.union(*parts)) == 20


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"slow %d" % i * (i + 1) for i in range(16)})
    db = tmp_path / "audit.sqlite"
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from unreel.detector.audit import open_store\n"
        "from unreel.detector.audit.running import AuditOptions, run_audit\n"
        "run_audit(open_store(sys.argv[1]), AuditOptions(names=(sys.argv[2],), workers=2,"
        " judge='audit_judges:quick'))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", script, str(db), str(folder)]
    with subprocess.Popen(command, env=environment) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if db.exists() and sum(s == "done" for s, _ in rows_if_any(db)) >= 4:
                break
        process.kill()
    done = sum(s == "done" for s, _ in rows(db).values())
    assert 4 <= done < 16
    counts = audit(db, quick(folder)).counts
    assert counts.unchanged == done
    assert scans(db) == 16
    assert set(rows(db).values()) == {("done", None)}


def rows_if_any(db: Path) -> list[tuple[str, str | None]]:
    from unreel.detector.audit.errors import StoreError

    try:
        return list(rows(db).values())
    except StoreError:  # it is just being made
        return []


def test_a_model_that_cannot_be_used_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model folder"):
        audit(tmp_path / "audit.sqlite", quick(tmp_path, model_folder=tmp_path))
    from unreel.detector.config import ScanConfig

    with pytest.raises(UsageError, match="share of false alarms"):
        audit(tmp_path / "audit.sqlite", quick(tmp_path, config=ScanConfig(fpr=1e-6)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shard", "3/2"], "1 <= I <= N"),
        (["--since", "yesterday"], "a number with s, m, h, d or w"),
        (["--time-budget", "8"], "a number with s, m, h, d or w"),
        (["--manifest", "none.csv"], "cannot read manifest"),
    ],
)
def test_calls_that_are_off(arguments: list[str], said: str, tmp_path: Path) -> None:
    call = ["audit", "run", str(tmp_path), "--db", str(tmp_path / "a.sqlite"), *arguments]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 2
    assert said in done.stderr


_FREED_IN_PIECES = """
from pathlib import Path
from unreel.detector.audit.worker import give_back_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

pieces = [bytearray(4000) for _ in range(20_000)]
last = pieces.pop()  # above all others: without it the heap would shrink by itself
full = resident()
del pieces
before = resident()
give_back_memory()
print(full, before, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_gives_memory_back_between_files() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("another allocator than glibc's")
    environment = os.environ | {"PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-c", _FREED_IN_PIECES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    full, before, after = (int(word) for word in done.stdout.split())
    assert before > full - 20_000_000, "the allocator held it back"
    assert after < full - 60_000_000
