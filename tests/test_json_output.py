"""What a program reads: every line meets the schema in the package, and holds nothing else."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from typing import Any

import jsonschema
import make_report
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.errors import MEDIA_ERROR_CODES
from unreel.detector.jsonout import SCHEMA_VERSION, schema, to_json
from unreel.detector.records import (
    Failed,
    Finding,
    Measured,
    Report,
    ScanError,
    ShotScore,
    Skipped,
    Verdict,
    WindowScore,
)

VALIDATOR = jsonschema.Draft202012Validator(schema())
FINDING = Finding(
    code="object-vanish",
    lane="objects",
    t_start=0.8,
    t_end=1.6,
    boxes=((0.8, 10.0, 20.0, 30.0, 40.0),),
    statistic="dogs",
    value=-1.0,
    percentile_among_real=0.993,
    confounders_checked=("cut", "edge"),
    explanation="3 -> 2",
)
REPORT = replace(
    make_report.REPORT,
    media=replace(make_report.MEDIA, rotation_degrees=90, fps=23.976023976, start_seconds=-0.04),
    verdict=replace(make_report.VERDICT, score=0.971234567),
    shots=(ShotScore(0.0, 5.0, 0.97), ShotScore(5.0, 5.3, None, "too short")),
    evidence=(
        Measured("learned", 3.5, (WindowScore(0, 0.8, 2.1, 4.0, 0.98),), (FINDING,), 0.97),
        Skipped("faces", "no face larger than 48 px"),
        Failed("physics", "it broke"),
    ),
    recheck_score=0.95,
    run={"host": "somewhere", "seconds": {"open": 0.1}},
)


def parsed(report: Report, *, with_run: bool = False) -> dict[str, Any]:
    line = to_json(report, with_run=with_run)
    assert "\n" not in line
    row: dict[str, Any] = json.loads(line)
    VALIDATOR.validate(row)
    return row


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_a_verdict() -> None:
    row = parsed(REPORT)
    assert row["status"] == "ok"
    assert row["file"] == {"path": "pups.mp4", "sha256": "ab" * 32, "bytes": 1_000_000}
    assert row["verdict"]["score"] == 0.9712
    assert row["verdict"]["operating_point"] == {"fpr": 0.01, "threshold": 0.91, "bucket": "720"}
    assert row["media"]["fps"] == 23.976
    assert row["shots"][1] == {"t_start": 5.0, "t_end": 5.3, "score": None, "reason": "too short"}
    assert row["lanes"]["learned"]["windows"][0]["logit"] == 4.0
    assert row["lanes"]["faces"] == {"status": "skipped", "reason": "no face larger than 48 px"}
    assert row["lanes"]["physics"]["status"] == "failed"
    assert row["findings"][0]["boxes"] == [{"t": 0.8, "x": 10.0, "y": 20.0, "w": 30.0, "h": 40.0}]


def test_facts_of_the_run_stand_apart_and_only_on_request() -> None:
    assert "run" not in parsed(REPORT)
    assert parsed(REPORT, with_run=True)["run"]["host"] == "somewhere"
    other = replace(REPORT, run={"host": "elsewhere"})
    assert to_json(REPORT) == to_json(other)


def test_nothing_judged_is_null_and_not_zero() -> None:
    verdict = Verdict("inconclusive", None, None, None, None, ("not judged: too short",))
    row = parsed(replace(REPORT, verdict=verdict, evidence=(Skipped("learned", "too short"),)))
    assert row["verdict"]["score"] is None
    assert row["verdict"]["operating_point"] is None


@pytest.mark.parametrize("code", [*MEDIA_ERROR_CODES, "internal"])
def test_an_error(code: str) -> None:
    row = parsed(Report("gone.mp4", REPORT.model, error=ScanError(code, "why")))
    assert row["status"] == "error"
    assert row["error"] == {"code": code, "message": "why"}
    assert row["file"]["sha256"] is None
    assert "verdict" not in row


def test_the_schema_refuses_a_row_with_both_and_with_neither() -> None:
    both = parsed(REPORT) | {"error": {"code": "empty", "message": ""}}
    assert not VALIDATOR.is_valid(both)
    neither = parsed(REPORT)
    del neither["verdict"]
    assert not VALIDATOR.is_valid(neither)


def test_what_is_not_a_number_is_never_written() -> None:
    assert REPORT.verdict is not None
    broken = replace(REPORT, verdict=replace(REPORT.verdict, score=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(broken)


def test_a_name_that_is_not_utf8_keeps_its_exact_bytes() -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    row = parsed(replace(REPORT, path=name))
    assert row["file"]["path"] == "caf\\xe9.mp4"
    assert base64.b64decode(row["file"]["path_base64"]) == b"caf\xe9.mp4"


@given(st.binary(min_size=1).filter(lambda b: b"\0" not in b))
def test_any_file_name_can_be_told_back_from_the_row(raw: bytes) -> None:
    path = os.fsdecode(raw)
    line = to_json(replace(REPORT, path=path))
    assert line.isascii()
    file = json.loads(line)["file"]
    file["path"].encode("utf-8")  # no lone surrogate: some readers refuse the whole line
    told = base64.b64decode(file["path_base64"]) if "path_base64" in file else file["path"].encode()
    assert told == raw


@given(st.text(st.characters(exclude_categories=())))
def test_any_message_makes_a_valid_line(message: str) -> None:
    row = parsed(Report("x", REPORT.model, error=ScanError("internal", message)))
    row["error"]["message"].encode("utf-8")


@given(st.floats(0, 1))
def test_scores_have_four_decimals_and_no_minus_zero(score: float) -> None:
    row = parsed(replace(REPORT, recheck_score=score))
    assert row["recheck_score"] == round(score, 4)
    assert "-0.0" not in json.dumps(row["recheck_score"])
