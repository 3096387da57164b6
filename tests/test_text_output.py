"""What a person reads: the words, the numbers in them, and that no file name can forge a line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_report import MEDIA, REPORT, VERDICT

from unreel.detector.records import (
    Finding,
    Measured,
    OperatingPoint,
    Report,
    ScanError,
    ShotScore,
    Skipped,
)
from unreel.detector.text import likelihood_in_words, printable, rarity_in_words, to_text


def test_the_whole_page() -> None:
    assert to_text(REPORT) == (
        "pups.mp4   5.3 s   1280x720   24 fps   H.264   1 shot\n"
        "Verdict     generated (score 0.97): this evidence is about 40 times likelier for generated"
        " than for\n"
        "            camera footage\n"
        "            1 in 140 camera clips of this quality scores as high; threshold for 1 % false"
        " alarms:\n"
        "            0.91\n"
        "            the score reaches the threshold\n"
        "When        whole clip; strongest 0.8-2.1 s (0.98)\n"
        "Model       small 0.1.0, calibrated on 289 held-out camera clips\n"
        f"File        sha256 {'ab' * 32}\n"
    )


def test_an_unreadable_file_has_its_code_and_its_sentence() -> None:
    error = ScanError("not-a-video", "a PNG picture; a video is needed")
    text = to_text(Report("x.mp4", REPORT.model, error=error))
    assert text == "x.mp4\nNot judged  not-a-video: a PNG picture; a video is needed\n"


@pytest.mark.parametrize(
    ("llr", "cap", "words"),
    [
        (1.6, 2.0, "about 40 times likelier for generated than for camera footage"),
        (-0.7, 2.0, "about 5 times likelier for camera than for generated footage"),
        (0.1, 2.0, "about as likely for generated as for camera footage"),
        (2.0, 2.0, "at least 100 times likelier for generated than for camera footage"),
        (-2.0, 2.0, "at least 100 times likelier for camera than for generated footage"),
        (0.4, None, "about 2.5 times likelier for generated than for camera footage"),
        (3.1, None, "about 1300 times likelier for generated than for camera footage"),
    ],
)
def test_the_likelihood_ratio_in_words(llr: float, cap: float | None, words: str) -> None:
    assert likelihood_in_words(replace(VERDICT, llr=llr, llr_cap=cap)) == words


@pytest.mark.parametrize(
    ("percentile", "bucket", "words"),
    [
        (1 - 1 / 140, "720", "1 in 140 camera clips of this quality scores as high"),
        (1 - 1 / 140, "pooled", "1 in 140 camera clips scores as high"),
        (0.39, "720", "61 % of camera clips of this quality score as high"),
        (1.0, "720", "none of the camera clips of this quality scores as high"),
        (0.06, "720", "94 % of camera clips of this quality score as high"),
        (0.003, "720", "nearly all camera clips of this quality score as high or higher"),
        (0.0, "pooled", "nearly all camera clips score as high or higher"),
    ],
)
def test_how_often_camera_footage_scores_as_high(
    percentile: float, bucket: str, words: str
) -> None:
    verdict = replace(
        VERDICT,
        percentile_among_real=percentile,
        operating_point=OperatingPoint(0.01, 0.91, bucket),
    )
    said = rarity_in_words(verdict)
    assert said == f"{words}; threshold for 1 % false alarms: 0.91"


def test_no_evidence_is_never_called_real() -> None:
    text = to_text(replace(REPORT, verdict=replace(VERDICT, label="no-evidence", score=0.03)))
    assert "no-evidence (score 0.03)" in text
    assert "no proof of camera footage" in text
    assert "authentic" not in text
    assert "When" not in text


def test_several_shots_have_a_line_each() -> None:
    shots = (ShotScore(0.0, 3.2, 0.97), ShotScore(3.2, 3.3, None, "too short"))
    lines = to_text(replace(REPORT, shots=shots)).splitlines()
    assert "Shots         1   0.0-3.2 s   0.97" in lines
    assert "              2   3.2-3.3 s   not judged: too short" in lines


def test_of_very_many_shots_the_highest_are_shown_in_order_of_time() -> None:
    shots = tuple(ShotScore(float(i), i + 1.0, i / 100) for i in range(100))
    text = to_text(replace(REPORT, shots=shots))
    assert "80 more shots" in text
    assert text.index("81   80.0-81.0 s   0.80") < text.index("100   99.0-100.0 s   0.99")
    assert "80   79.0-80.0 s" not in text


def test_lanes_that_did_not_look_say_why_and_findings_say_when() -> None:
    finding = Finding(
        "object-vanish", "objects", 0.8, 1.6, (), "count", 1.0, 0.99, (), "a dog vanishes"
    )
    evidence = (Measured("objects", 1.0, findings=(finding,)), Skipped("faces", "no face"))
    text = to_text(replace(REPORT, evidence=evidence))
    assert "Evidence    objects 0.8-1.6 s a dog vanishes\n" in text
    assert "Not looked  faces: no face\n" in text


def test_warnings_about_the_file_are_shown() -> None:
    media = replace(MEDIA, warnings=("the last 2.0 s are missing",))
    assert "Note        the last 2.0 s are missing\n" in to_text(replace(REPORT, media=media))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("плёнка № 3.mp4", "плёнка № 3.mp4"),
        ("a\nVerdict     no-evidence", "a\\nVerdict     no-evidence"),
        ("\x1b[2J\x07.mp4", "\\x1b[2J\\x07.mp4"),
        ("cod\u202e4pm.exe", "cod\\u202e4pm.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\udcff.mp4", "\\xff.mp4"),
        ("back\\slash", "back\\\\slash"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_escapes(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_whatever_its_name_a_file_cannot_add_a_line_or_act_on_a_terminal(name: str) -> None:
    text = to_text(replace(REPORT, path=name))
    assert text.count("\n") == to_text(REPORT).count("\n")
    assert text.splitlines()[1:] == to_text(REPORT).splitlines()[1:]
    assert text.replace("\n", "").isprintable()
    text.encode("utf-8")  # no lone surrogate is left


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_names_never_look_alike(one: str, other: str) -> None:
    assert (printable(one) == printable(other)) == (one == other)
