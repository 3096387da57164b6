"""Times for editors: what is written is read back, and hostile text stays text."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_json_output import FINDING, REPORT

from unreel.detector.errors import UsageError
from unreel.detector.records import FaceTrackScore, Measured, Report, ScanError
from unreel.detector.report.timeline import (
    COLUMNS,
    entries,
    harmless_cell,
    to_csv,
    to_edl,
    to_vtt,
)


def with_text(text: str) -> Report:
    """The report with one finding that says `text`."""
    lane = Measured("objects", 0.0, (), (replace(FINDING, explanation=text),), 0.5)
    return replace(REPORT, evidence=(lane,), shots=())


def test_entries_are_in_the_order_of_time() -> None:
    kinds = [(e.kind, e.t_start) for e in entries(REPORT)]
    assert kinds == [("shot", 0.0), ("finding", 0.8), ("window", 0.8), ("shot", 5.0)]


def test_csv_gives_back_times_scores_and_boxes() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(REPORT), newline="")))
    assert tuple(rows[0]) == COLUMNS
    finding = next(row for row in rows if row["kind"] == "finding")
    assert (finding["t_start"], finding["t_end"], finding["boxes"]) == ("0.800", "1.600", "1")
    assert finding["code"] == "object-vanish"
    assert next(row for row in rows if row["kind"] == "window")["score"] == "0.9800"


def test_faces_stand_in_the_timeline() -> None:
    face = FaceTrackScore(2, 0, 1.0, 3.4, 9, 60.0, 1.0, 0.7, True, (1.0, 3.4), ())
    lane = Measured("faces", 1.0, (), (), 0.7, tracks=(face,))
    (entry,) = (e for e in entries(replace(REPORT, evidence=(lane,))) if e.kind == "face")
    assert (entry.t_start, entry.t_end, entry.lane) == (1.0, 3.4, "faces")
    assert entry.line == "face 0.70 track 2"


def test_vtt_has_a_cue_for_each_entry() -> None:
    text = to_vtt(REPORT)
    assert text.startswith("WEBVTT\n\n")
    assert "00:00:00.800 --> 00:00:01.600\nfinding object-vanish 3 -&gt; 2" in text
    assert text.count(" --> ") == len(entries(REPORT))


def test_edl_counts_in_frames() -> None:
    text = to_edl(REPORT)  # 24 frames a second
    assert text.startswith("TITLE: unreel pups.mp4\nFCM: NON-DROP FRAME\n")
    assert "V     C        00:00:00:19 00:00:01:14 00:00:00:19 00:00:01:14" in text
    assert "* LOC: 00:00:00:19 RED     finding object-vanish 3 -> 2" in text


def test_an_edit_list_needs_a_frame_rate() -> None:
    with pytest.raises(UsageError, match="without a frame rate"):
        to_edl(Report("x", REPORT.model, error=ScanError("empty", "")))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "|cmd", "%0A"])
def test_no_cell_is_a_formula(cell: str) -> None:
    # Control characters come out as escapes, which begin with a backslash.
    assert harmless_cell(cell)[0] in "'\\"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_stays_in_its_cell_its_cue_and_its_comment(text: str) -> None:
    report = with_text(text)
    rows = list(csv.reader(io.StringIO(to_csv(report), newline="")))
    assert [len(row) for row in rows] == [len(COLUMNS)] * 2
    assert not re.match(r"\s*[=+\-@|%]", rows[1][6])
    cues = to_vtt(report).split("\n\n")
    assert len(cues) == 3
    assert cues[2].count("\n") == 2 + cues[2].endswith("\n")
    assert "<" not in cues[2]
    assert cues[2].count("-->") == 1
    assert all(line.startswith(("001  AX", "* ", "TITLE", "FCM")) or not line
               for line in to_edl(report).split("\n"))  # fmt: skip
