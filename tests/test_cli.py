"""`unreel scan` as it is typed: inputs, rows, exit codes, streams, signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from unreel.detector.cli import main

UNREEL = [sys.executable, "-m", "unreel.detector.cli"]


def scan(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["scan", *map(str, arguments)], input=stdin)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """a.mp4 and deep/b.mp4 (one video), and notes.txt."""
    (tmp_path / "deep").mkdir()
    for name in ("a.mp4", "deep/b.mp4"):
        (tmp_path / name).symlink_to(clip)
    (tmp_path / "notes.txt").write_text("nothing")
    return tmp_path


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """The same names, but empty files: their rows come at once."""
    (tmp_path / "deep").mkdir()
    for name in ("a.mp4", "deep/b.mp4", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


def test_text_for_a_person(clip: Path) -> None:
    result = scan(clip)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        f"{clip}   2.0 s   320x240   24 fps   H.264   1 shot\nVerdict  "
    )
    assert result.stderr == ""


def test_rows_for_a_program(clip: Path) -> None:
    result = scan("--json", clip)
    assert result.exit_code == 0
    (row,) = rows(result)
    assert row["status"] == "ok"
    assert row["file"]["path"] == str(clip)
    assert "run" not in row


def test_facts_of_the_run_on_request(clip: Path) -> None:
    (row,) = rows(scan("--json-run", clip))
    assert row["run"]["seconds"]["open"] > 0
    assert row["run"]["host"]


def test_the_same_call_gives_the_same_bytes(folder: Path) -> None:
    first = scan("--json", folder / "a.mp4", folder / "notes.txt")
    assert first.stdout == scan("--json", folder / "a.mp4", folder / "notes.txt").stdout


def test_a_folder_a_pattern_and_a_list_name_the_same_files(hollow: Path) -> None:
    expected = [str(hollow / "a.mp4"), str(hollow / "deep" / "b.mp4")]
    listed = "\n".join(expected).encode()
    for result in (
        scan("--json", hollow),
        scan("--json", hollow / "*.mp4", hollow / "**" / "b.*"),
        scan("--json", "-", stdin=listed),
        scan("--json", "-", stdin=listed.replace(b"\n", b"\0")),
        scan("--json", *expected),
    ):
        assert [row["file"]["path"] for row in rows(result)] == expected
        assert result.exit_code == 3


def test_what_a_folder_holds_besides_is_said(hollow: Path) -> None:
    result = scan("--json", hollow)
    assert "1 left out, no videos by extension or content" in result.stderr
    assert result.stderr.count("\n") == 1
    assert scan("--json", "--quiet", hollow).stderr == ""


def test_an_unreadable_file_has_its_row_and_the_others_theirs(folder: Path) -> None:
    result = scan("--json", folder / "gone.mp4", folder / "notes.txt", folder / "a.mp4")
    assert result.exit_code == 3
    gone, notes, good = rows(result)
    assert gone["error"]["code"] == "not-found"
    assert notes["error"]["code"] == "not-a-video"
    assert good["status"] == "ok"
    assert result.stderr == ""


def test_a_pattern_without_match_is_a_row_too(tmp_path: Path) -> None:
    result = scan("--json", tmp_path / "*.mp4")
    assert result.exit_code == 3
    assert rows(result)[0]["error"]["code"] == "not-found"


def test_fail_over(clip: Path) -> None:
    assert scan("--fail-over", "0", clip).exit_code == 1
    assert scan("--fail-over", "1", clip).exit_code == 0
    # Not all was seen: that goes before a high score.
    assert scan("--fail-over", "0", clip, clip.parent / "gone.mp4").exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'INPUT...'"),
        (["--nonsense", "x"], "No such option"),
        (["--fpr", "0", "x"], "--fpr"),
        (["--fpr", "0.9", "x"], "--fpr"),
        (["--windows", "0", "x"], "--windows"),
        (["--fail-over", "2", "x"], "--fail-over"),
        (["--model", "no-such-folder", "x"], "no-such-folder"),
    ],
)
def test_a_call_that_is_off_is_code_2(arguments: list[str], said: str) -> None:
    result = scan(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_folder_without_videos_is_not_taken_for_success(tmp_path: Path) -> None:
    result = scan(tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: nothing to scan")
    assert scan("-", stdin=b"").exit_code == 2


def test_options_reach_the_scan(clip: Path) -> None:
    (row,) = rows(scan("--json", "--no-recheck", "--windows", "1", "--fpr", "0.05", clip))
    assert row["recheck_score"] is None
    assert len(row["lanes"]["learned"]["windows"]) == 1
    assert row["verdict"]["operating_point"]["fpr"] == 0.05


def test_a_decoder_that_is_too_slow_is_stopped(clip: Path) -> None:
    result = scan("--json", "--time-limit", "0.001", clip)
    assert result.exit_code == 3
    assert rows(result)[0]["error"]["code"] == "timeout"


def test_output_to_a_file(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "result.jsonl"
    result = scan("--json", "--output", target, clip)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(target.read_text())["status"] == "ok"


def test_output_never_overwrites_a_video(folder: Path) -> None:
    before = (folder / "a.mp4").read_bytes()
    for target in (folder / "a.mp4", folder / "other.mov"):
        result = scan("--output", target, folder)
        assert result.exit_code == 2
        assert "would overwrite a video" in result.stderr
    disguised = folder / "notes.txt"
    assert scan("--output", disguised, disguised).exit_code == 2
    assert (folder / "a.mp4").read_bytes() == before
    assert disguised.read_text() == "nothing"


def test_output_that_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    result = scan("--output", tmp_path / "no" / "such" / "folder", clip)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    number = ["stdin", "stdout", "stderr"].index(closed)
    what = "-" if closed == "stdin" else str(tmp_path / "gone.mp4")
    command = ["sh", "-c", f'"$@" {number}{"<" if number == 0 else ">"}&-', "sh"]
    done = subprocess.run([*command, *UNREEL, "scan", what], capture_output=True, text=True)
    assert done.returncode == (3 if closed == "stderr" else 2)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith(str(tmp_path)) == (closed == "stderr")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to write to")
@pytest.mark.parametrize("redirect", ["> /dev/full", "--output /dev/full"])
def test_a_full_disk_is_said(redirect: str, tmp_path: Path) -> None:
    command = ["sh", "-c", f'"$@" {redirect}', "sh", *UNREEL, "scan", str(tmp_path / "gone.mp4")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "Error: the results cannot be written: No space left on device\n"


def test_a_hostile_name_forges_nothing(clip: Path, tmp_path: Path) -> None:
    name = tmp_path / "x\x1b[2J\nVerdict     no-evidence\u202e.mp4"
    name.symlink_to(clip)
    text = scan(name).stdout
    assert "\x1b" not in text
    assert "\nVerdict     no-evidence\\u202e" not in text
    assert "x\\x1b[2J\\nVerdict     no-evidence\\u202e.mp4" in text


def test_a_name_that_is_not_utf8(clip: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.mp4"
    os.symlink(os.fsencode(clip), name)
    done = subprocess.run([*UNREEL, "scan", name], capture_output=True, check=True)
    assert b"/\\xff.mp4   2.0 s" in done.stdout


def test_a_terminal_that_knows_only_ascii(clip: Path, tmp_path: Path) -> None:
    name = tmp_path / "плёнка.mp4"
    name.symlink_to(clip)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*UNREEL, "scan", name], capture_output=True, check=True, env=environment)
    assert b"\\u043f\\u043b" in done.stdout


@pytest.fixture
def many(clip: Path, tmp_path: Path) -> Path:
    """A folder that takes minutes."""
    for number in range(300):
        (tmp_path / f"{number:03}.mp4").symlink_to(clip)
    return tmp_path


@pytest.fixture
def running(many: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scan of many files whose first row is out."""
    command = [*UNREEL, "scan", "--json", str(many)]

    def listen() -> None:
        """A shell starts its background jobs deaf to interrupts, the tests' own children too."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["status"] == "ok"
        yield process
        process.kill()


def test_an_interrupt_keeps_what_was_done(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=90)
    assert running.returncode == 130
    assert err == b""
    assert [json.loads(line)["status"] for line in out.splitlines()].count("error") == 0


def test_a_reader_that_goes_away_is_no_error(running: subprocess.Popen[bytes]) -> None:
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.wait(timeout=90) == 141
    assert running.stderr.read() == b""


def test_progress_is_shown_to_a_person_only(clip: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*UNREEL, "scan", "--json", clip], stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert b"1/1 opening: square.mp4" in shown
    assert shown.endswith(b"\r\x1b[K")
    assert json.loads(done.stdout)["status"] == "ok"
