"""`unreel report` and the files that `unreel scan` leaves: names, refusals, exit codes."""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report_cases import case

from unreel.detector.cli import main
from unreel.detector.config import ScanConfig
from unreel.detector.errors import MissingExtraError
from unreel.detector.records import ModelInfo, Report
from unreel.detector.report.custody import command
from unreel.detector.report.outputs import Outputs, folder_name
from unreel.detector.report.page import render

FAST = ("--windows", "1", "--no-recheck")


def unreel(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_report_lands_in_this_folder_under_the_clips_name(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = unreel("report", clip, *FAST)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "square.mp4.report.html\n", "")
    html = (tmp_path / "square.mp4.report.html").read_text()
    assert "Key frames" in html
    assert html.count('class="heat"') == 1  # what the network said of the one window's places
    mask = os.umask(0)
    os.umask(mask)
    mode = (tmp_path / "square.mp4.report.html").stat().st_mode
    assert stat.S_IMODE(mode) == 0o666 & ~mask
    assert [p.name for p in tmp_path.iterdir()] == ["square.mp4.report.html"]


def test_scan_leaves_report_timelines_and_overlay_beside_its_rows(
    clip: Path, tmp_path: Path
) -> None:
    page, cues, marked = tmp_path / "r.html", tmp_path / "t.vtt", tmp_path / "m.mp4"
    result = unreel("scan", "--json", clip, *FAST, "--report", page, "--timeline", cues,
                    "--overlay", marked, "--lang", "de")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    assert result.stderr.count("written: ") == 3
    assert 'lang="de"' in page.read_text()
    assert cues.read_text().startswith("WEBVTT")
    assert marked.read_bytes()[4:8] == b"ftyp"


def test_several_inputs_fill_a_folder_and_none_is_lost(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.mp4").symlink_to(clip)
    (tmp_path / "in" / "deep" / "a.mp4").write_text("no video")
    out = tmp_path / "made" / "here"
    result = unreel("scan", tmp_path / "in", *FAST, "--report", out, "--timeline", out)
    assert result.exit_code == 3
    pages = sorted(out.glob("*.html"))
    assert len(pages) == 2
    assert sum("not-a-video" in page.read_text() for page in pages) == 1
    assert {p.suffix for p in out.iterdir()} == {".html", ".vtt", ".csv", ".edl"}
    (table,) = out.glob("*.csv")
    assert len(list(csv.reader(io.StringIO(table.read_text())))) >= 2
    assert "nothing was judged" in result.stderr


def test_a_file_that_is_no_video_has_a_report_and_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    result = unreel("report", tmp_path / "clip.mp4", "--out", tmp_path / "r.html")
    assert result.exit_code == 3
    assert "not-a-video" in result.stderr
    assert "not-a-video" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("option", ["--report", "--overlay", "--timeline"])
def test_one_file_for_several_inputs_is_refused_before_the_scan(
    option: str, tmp_path: Path
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    ending = {"--report": ".html", "--overlay": ".mp4", "--timeline": ".edl"}[option]
    result = unreel("scan", tmp_path / "a.mp4", tmp_path / "b.mp4", option, tmp_path / f"o{ending}")
    assert result.exit_code == 2
    assert "is one file for 2 inputs: name a folder" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("option", "target", "says"),
    [
        ("--report", "gone/r.html", "no folder"),
        ("--report", "taken.txt", "is no folder and does not end in .html"),
        ("--timeline", "taken.txt", "does not end in .vtt, .csv, .edl"),
        ("--overlay", "clip.mp4", "would overwrite the video"),
        ("--overlay", "other.mp4", "videos are never overwritten"),
    ],
)
def test_targets_that_cannot_be_are_refused(
    option: str, target: str, says: str, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").symlink_to(clip)
    for name in ("taken.txt", "other.mp4"):
        (tmp_path / name).write_text("mine")
    result = unreel("scan", tmp_path / "clip.mp4", option, tmp_path / target)
    assert result.exit_code == 2
    assert says in result.stderr
    assert (tmp_path / "other.mp4").read_text() == "mine"


def test_names_in_a_folder_are_harmless_and_never_shared() -> None:
    paths = ["a/clip.mp4", "b/clip.mp4", "../../etc/x.mp4", "-rf.mp4", "..", "a\nb.mp4"]
    names = [folder_name(path) for path in [*paths, "\udcff.mp4", "ü" * 300 + ".mp4"]]
    assert len(set(names)) == len(names)
    assert all("/" not in n and not n.startswith((".", "-")) and n.isprintable() for n in names)
    assert all(len(name.encode()) <= 100 for name in names)
    assert names[0].startswith("clip-")


def test_the_command_to_reproduce_is_quoted_and_complete() -> None:
    config = ScanConfig(max_windows=3, fpr=0.02, recheck=False, threads=1, trust_lists=("a b.pem",))
    report = Report("-it's.mp4", ModelInfo("small", "0", "ab" * 32))
    plain, model, options, trusted, path = (
        "unreel scan --json --model ",
        "'my model'",
        " --fpr 0.02 --windows 3 --no-recheck --threads 1 --trust-list ",
        "'a b.pem'",
        """ './-it'"'"'s.mp4'""",
    )
    assert command(report, config, "my model") == plain + model + options + trusted + path
    odd = command(Report("a'\x1b\n\\.mp4", report.model), ScanConfig())
    told = subprocess.run(
        ["bash", "-c", f"printf %s {odd.rpartition(' ')[2]}"], capture_output=True
    )
    assert told.stdout == b"a'\x1b\n\\.mp4"
    assert odd.isprintable()


def test_a_pdf_holds_the_pages_text(clip: Path, tmp_path: Path) -> None:
    pdf = pytest.importorskip("unreel.detector.report.pdf")
    try:
        pdf.need_weasyprint()
    except Exception as error:
        pytest.skip(str(error))
    data = pdf.to_pdf(render(*case(clip)))
    assert data.startswith(b"%PDF-")
    assert len(data) < 4_000_000
    (tmp_path / "r.pdf").write_bytes(data)
    assert data.count(b"/Subtype /Image") >= 8


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingExtraError, match=r"--pdf needs weasyprint.*'unreel\[pdf\]'"):
        Outputs(pdf=Path("x.pdf")).check(["a.mp4"])
