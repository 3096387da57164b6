"""An audit that is killed, starved and lied to: every file has one final row, the store is whole.

Two kinds of judge: the real scan on tiny clips, and `audit_judges.counting` where hundreds of kills
would take an hour of scanning: it sleeps and writes down that it was called. All else is real.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from make_media import Recipe, write_video
from test_audit_run import audit, fill, quick, rows, scans

from unreel.detector.audit import open_store
from unreel.detector.audit.engine import SCANNING
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.rows import Counts
from unreel.detector.audit.running import AuditOptions, Watcher
from unreel.detector.audit.verifying import verify
from unreel.detector.audit.worker_process import descendants
from unreel.detector.cli import main

TINY = Recipe(width=96, height=64, frames=12, gop=6)


def in_a_process(db: Path, options: AuditOptions) -> int:
    """Run an audit in a copy of this process; returns its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads of numerical libraries
        pid = os.fork()
    if pid == 0:
        try:
            audit(db, options)
        finally:
            os._exit(0)
    return pid


def assert_whole(db: Path) -> None:
    with open_store(db, read_only=True) as store:
        assert store.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert verify(store).problems == ()


def kill_and_resume(
    db: Path, options: AuditOptions, kills: int, longest: float, progress: Callable[[], int]
) -> None:
    """Kill an audit again and again: parent, workers or what is below them, at any moment.

    Every fourth kill waits until `progress` has moved, so that a busy machine gets on too.
    """
    rng = random.Random(5)
    for number in range(kills):
        before, deadline = progress(), time.monotonic() + 60
        pid = in_a_process(db, options)
        while number % 4 == 3 and progress() == before and time.monotonic() < deadline:
            time.sleep(0.02)
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break  # there was nothing left to do
        time.sleep(rng.random() * longest)
        below = descendants(pid)
        if below and rng.random() < 0.4:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(below), signal.SIGKILL)
            time.sleep(rng.random() * longest / 4)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if db.exists() and number % 20 == 19:
            assert_whole(db)


def done_in(db: Path) -> int:
    try:
        return sum(state == "done" for state, _ in rows(db).values())
    except StoreError:  # it is just being made
        return 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_kills_of_three_hundred_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `audit_judges.counting`, which tells how often each file was begun."""
    monkeypatch.setenv("AUDIT_CALLS", str(tmp_path / "calls"))
    contents = {f"{i % 7}/{i}.mp4": b"%d " % i * (i + 1) for i in range(290)}
    contents |= {f"copy/copy-{i}.mp4": contents[f"{i % 7}/{i}.mp4"] for i in range(10)}
    folder = fill(tmp_path / "in", contents)
    db = tmp_path / "audit.sqlite"
    options = quick(folder, judge="audit_judges:counting")
    calls = tmp_path / "calls"
    calls.touch()
    kill_and_resume(db, options, kills=200, longest=0.5, progress=lambda: calls.stat().st_size)
    done_before = done_in(db)
    assert done_before >= 10, "the kills came too fast for any work: this would prove nothing"
    ending = audit(db, options)
    assert ending.counts.unchanged == done_before, "what was done stays done"
    if ending.counts.errors:
        audit(db, quick(folder, judge="audit_judges:counting", retry_errors=True))
    with open_store(db, read_only=True) as store:
        query = "SELECT count(*), count(DISTINCT path), sum(state = 'done') FROM files"
        assert store.connection.execute(query).fetchone() == (300, 300, 300)
        query = "SELECT count(*), count(DISTINCT sha256) FROM scans WHERE status = 'ok'"
        assert store.connection.execute(query).fetchone() == (290, 290)
    assert_whole(db)
    begun = calls.read_text().splitlines()
    assert len(begun) <= 290 + 200 * 2 + 1, "only what was in hand is begun again"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_of_real_scans(tmp_path: Path) -> None:
    """Decoders die with their workers, and real reports survive."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(16):
        recipe = Recipe(width=96, height=64, frames=10 + number, gop=6)
        write_video(folder, recipe, name=str(number))
    db = tmp_path / "audit.sqlite"
    options = quick(folder, judge=SCANNING)
    kill_and_resume(db, options, kills=12, longest=2.0, progress=lambda: done_in(db))
    audit(db, options)
    audit(db, quick(folder, judge=SCANNING, retry_errors=True))
    assert set(rows(db).values()) == {("done", None)} and scans(db) >= 16
    assert_whole(db)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(where)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_full_disk_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"%d " % i * (i + 1) for i in range(120)})
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 7_600_000)
    db = small_disk / "audit.sqlite"
    with pytest.raises(StoreError, match="full; free some space and run the same command again"):
        audit(db, quick(folder))
    ballast.unlink()
    done = sum(state == "done" for state, _ in rows(db).values())
    counts = audit(db, quick(folder)).counts
    assert counts.unchanged == done < 120
    assert set(rows(db).values()) == {("done", None)} and scans(db) == 120
    assert_whole(db)


def test_a_store_on_a_read_only_disk_can_be_asked(tmp_path: Path, small_disk: Path) -> None:
    from click.testing import CliRunner

    db = small_disk / "audit.sqlite"
    folder = fill(tmp_path / "in", {"a.mp4": b"a"})
    audit(db, quick(folder))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for verb in ("report", "export", "verify"):
        assert CliRunner().invoke(main, ["audit", verb, str(db)]).exit_code == 0
    refused = CliRunner().invoke(main, ["audit", "run", str(folder), "--db", str(db)])
    assert refused.exit_code == 2
    assert "may this user write there" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_clock_that_jumps_changes_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unreel.detector.audit import chain

    jumps = iter(["2038-01-19T03:14:08+00:00", "1970-01-01T00:00:00+00:00"] * 200)
    monkeypatch.setattr(chain, "now", lambda: next(jumps))
    folder = fill(tmp_path / "in", {f"{i}.mp4": b"%d" % i * (i + 1) for i in range(6)})
    for index, when in enumerate((-(10**9), 0, 2**33)):
        os.utime(folder / f"{index}.mp4", (when, when))
    db = tmp_path / "audit.sqlite"
    assert audit(db, quick(folder)).counts.scanned == 6
    assert audit(db, quick(folder)).counts.unchanged == 6
    assert_whole(db)


class AtOnce(Watcher):
    """Does something between the walk and the work."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.deed = deed

    def planned(self, counts: Counts) -> None:
        self.deed()


def test_files_that_vanish_or_change_after_the_walk(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    gone, kept = write_video(folder, TINY, name="gone"), write_video(folder, TINY, name="kept")
    other = write_video(tmp_path, Recipe(width=96, height=64, frames=20), name="other")

    def deed() -> None:
        gone.unlink()
        kept.write_bytes(other.read_bytes())

    db = tmp_path / "audit.sqlite"
    audit(db, quick(folder, judge=SCANNING), AtOnce(deed))
    assert rows(db) == {"gone.mp4": ("done", "not-found"), "kept.mp4": ("done", None)}
    with open_store(db, read_only=True) as store:
        import hashlib

        assert store.file(kept).sha256 == hashlib.sha256(other.read_bytes()).hexdigest()
    counts = audit(db, quick(folder, judge=SCANNING)).counts
    assert (counts.changed, counts.scanned, counts.same_bytes) == (1, 0, 1), "hashed, not scanned"


def test_a_file_that_is_written_to_while_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = write_video(folder, Recipe(frames=48))
    resting = threading.Event()

    def write() -> None:
        with path.open("ab") as handle:
            while not resting.is_set():
                handle.write(b"\0" * 64)
                handle.flush()
                time.sleep(0.001)

    db = tmp_path / "audit.sqlite"
    writer = threading.Thread(target=write)
    writer.start()
    try:
        audit(db, quick(folder, judge=SCANNING, workers=1))
    finally:
        resting.set()
        writer.join()
    assert rows(db) == {"clip.mp4": ("done", "changed")}
    audit(db, quick(folder, judge=SCANNING, workers=1))
    assert rows(db)["clip.mp4"] == ("done", None), "it rests now: no --retry-errors is needed"


HEADS = [
    b"", b"\0", b"text\n" * 50, b"\xff\xd8\xff\xe0" + b"\0" * 500, b"#EXTM3U\nfile:///etc/passwd\n",
    b"ffconcat version 1.0\nfile /etc/hostname\n", b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    b'<?xml version="1.0"?>\n<MPD>', b"\x00\x00\x00\x18ftypisom" + b"\0" * 28,
    b"\x1a\x45\xdf\xa3" + b"\0" * 4000, b"RIFF\x00\x10\x00\x00AVI LIST" + b"\0" * 4000,
    b"GIF89a" + b"\0" * 100, (b"\x47" + b"\0" * 187) * 100, b"OggS" + b"\0" * 1000,
    b"FLV\x01\x05" + b"\0" * 1000, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + b"\0" * 1000,
    b"\x00\x00\x01\xba" + b"\0" * 1000, b"%PDF-1.7", b"PK\x03\x04" + b"\0" * 99,
]  # fmt: skip


def hostile_archive(folder: Path) -> int:
    """Fifty files of which none is a good video; returns how many a walk should find."""
    folder.mkdir()
    for number, head in enumerate(HEADS):
        (folder / f"head-{number}.mp4").write_bytes(head)
    good = write_video(folder.parent, TINY).read_bytes()
    rng = random.Random(3)
    for number in range(24):
        data = bytearray(good)
        for _ in range(1 + number * 4):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (folder / f"mutated-{number}.mp4").write_bytes(data[: rng.randrange(8, len(data))])
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "fifo.mp4")
    (folder / "nowhere.mp4").symlink_to(folder / "none.mp4")
    (folder / "circle").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # names of sockets are short
        try:
            server.bind("socket.mp4")
        finally:
            os.chdir(here)
    for name in (b"\xff\xfe\n'\".mp4", "\u202egpj.mp4".encode()):
        with open(os.path.join(os.fsencode(folder), name), "wb") as handle:
            handle.write(b"bad" + name)
    (folder / "sparse.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom")
    os.truncate(folder / "sparse.mp4", 300 << 20)
    return len(HEADS) + 24 + 2 + 2 + 1


@pytest.mark.slow
def test_fifty_hostile_files(tmp_path: Path) -> None:
    """Real scans; every row is right or carries a code, and the audit goes through."""
    folder = tmp_path / "in"
    count = hostile_archive(folder)
    write_video(folder, TINY, name="good")
    db = tmp_path / "audit.sqlite"
    ending = audit(db, quick(folder, judge=SCANNING))
    assert (ending.outcome, ending.counts.found) == ("finished", count + 1)
    assert ending.counts.crashes == 0
    found = rows(db)
    assert {state for state, _ in found.values()} == {"done"}
    assert found["good.mp4"] == ("done", None)
    assert found["fifo.mp4"][1] == found["socket.mp4"][1] == "not-a-file"
    unnamed = [n for n, (_, code) in found.items() if code is None and "mutated" not in n]
    assert unnamed == ["good.mp4"]
    assert "internal" not in {code for _, code in found.values()}
    assert_whole(db)
