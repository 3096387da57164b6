"""Evidence in a scan: found in a file, said in text and JSON, chosen, never in the score."""

from __future__ import annotations

import json
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from make_scenes import Place, stretch_of

from unreel.detector.cli import main
from unreel.detector.config import EVIDENCE_LANES
from unreel.detector.evidence import LANES, strongest
from unreel.detector.explaining import explanations
from unreel.detector.jsonin import from_json
from unreel.detector.jsonout import schema, to_json
from unreel.detector.path_judge import PathHead, load_path_head
from unreel.detector.records import Finding
from unreel.detector.reference import (
    CodeReference,
    Reference,
    as_dict,
    from_dict,
    load_reference,
    threshold_for,
)


@pytest.fixture(scope="module")
def vanishing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thing that walks and is gone at 1.25 s, as H.264 at 12 frames a second."""

    def place(index: int) -> Place:
        return (60 + 2.5 * index, 50.0) if index < 15 else None

    path = tmp_path_factory.mktemp("evidence") / "vanishing.mp4"
    frames = stretch_of(place, frames=36).frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def scan(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["scan", "--no-recheck", "-q", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def line(vanishing: Path) -> str:
    return scan("--json", str(vanishing))


def test_a_vanishing_is_a_row_with_time_boxes_and_how_often_cameras_show_it(line: str) -> None:
    row = json.loads(line)
    jsonschema.validate(row, schema())
    (found,) = (f for f in row["findings"] if f["code"] == "object-vanish")
    assert (found["t_start"], found["t_end"]) == (1.1667, 1.25)
    assert found["lane"] == "objects"
    assert found["percentile_among_real"] > 0.99
    assert "of 289 camera clips)" in found["explanation"]
    assert found["boxes"]
    assert found["series"] == [[1.1667, 1.0], [1.25, 0.0]]
    assert row["lanes"]["objects"] == {
        "status": "measured", "score": None, "logit": None, "windows": [],
    }  # fmt: skip


def test_the_row_is_the_same_bytes_again_and_comes_back_as_a_record(
    line: str, vanishing: Path
) -> None:
    assert scan("--json", str(vanishing)) == line
    assert to_json(from_json(json.loads(line))) + "\n" == line


def test_evidence_never_changes_the_verdict(line: str, vanishing: Path) -> None:
    without = json.loads(scan("--json", "--lanes", "none", str(vanishing)))
    row = json.loads(line)
    assert without["verdict"] == row["verdict"]
    assert without["shots"] == row["shots"]
    assert without["findings"] == []
    assert list(without["lanes"]) == ["learned"]


def test_text_says_it_in_a_sentence(vanishing: Path) -> None:
    text = scan("--lanes", "objects", str(vanishing))
    assert "Evidence    objects 1.2-1.2 s Something that was there at 1.17 s is gone" in text
    assert "Evidence    objects: nothing found" in scan("--max-findings", "0", str(vanishing))


def test_lanes_that_do_not_exist_are_named_with_those_that_do(vanishing: Path) -> None:
    result = CliRunner().invoke(main, ["scan", "--lanes", "smell", str(vanishing)])
    assert result.exit_code == 2
    assert "objects" in result.stderr


def test_the_head_over_ways_runs_only_for_lanes_that_read_it(
    vanishing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def counted() -> PathHead:
        asked.append(None)
        return load_path_head()

    monkeypatch.setattr("unreel.detector.scenes.load_path_head", counted)
    scan("--lanes", "residual", str(vanishing))
    assert asked == []
    scan("--lanes", "residual,physics", str(vanishing))
    assert asked != []


def test_codes_explain_themselves_without_a_file() -> None:
    result = CliRunner().invoke(main, ["scan", "--explain", "object-vanish"])
    assert result.exit_code == 0
    assert "When it is wrong: A caption" in result.stdout
    assert "of 289 camera clips reach the threshold" in result.stdout
    unknown = CliRunner().invoke(main, ["scan", "--explain", "object-melt"])
    assert unknown.exit_code == 2
    assert "object-vanish" in unknown.stderr


def test_every_code_with_a_reference_is_explained_and_every_lane_can_be_chosen() -> None:
    assert tuple(LANES) == EVIDENCE_LANES
    hands = {code for code, _ in load_reference("hands").codes}
    assert hands == {"limb-count"}
    for mode in ("plain", "detector"):
        measured = {code for code, _ in load_reference(mode).codes}
        known = {code for code, found in explanations().items() if found.lane in EVIDENCE_LANES}
        assert measured | hands == known, "what is not measured is never reported"
    assert {e.lane for e in explanations().values()} <= {*LANES, "faces"}


# ------------------------------------------------------------------------------------- reference


def finding(value: float, code: str = "teleport") -> Finding:
    return Finding(code, "physics", 0.0, 1.0, (), "jump", value, None, (), "It jumped.")


def test_a_finding_says_in_how_many_camera_clips_something_as_strong_was_seen() -> None:
    reference = Reference({("teleport", "jump"): CodeReference(3.0, (1.0, 2.0, 3.5, 5.0), 289)})
    (found,) = reference.judged([finding(4.0), finding(2.9), finding(9.0, "unmeasured")])
    assert found.value == 4.0
    assert found.percentile_among_real == pytest.approx(288 / 289)
    assert found.explanation == "It jumped. (seen in 1 of 289 camera clips)"


@given(
    values=st.lists(st.floats(0.1, 100), max_size=60),
    others=st.integers(0, 300),
    allowed=st.floats(0, 0.2),
)
def test_a_threshold_lets_through_the_allowed_share_of_clips(
    values: list[float], others: int, allowed: float
) -> None:
    clips = len(values) + others + 1
    threshold = threshold_for(values, clips, allowed)
    assert sum(v >= threshold for v in values) <= allowed * clips
    made = as_dict({("a", "s"): values}, clips, {("a", "s"): allowed})
    stored = from_dict(json.loads(json.dumps(made))).codes["a", "s"]
    assert sum(v >= stored.threshold for v in values) <= allowed * clips
    assert stored.seen_in(0.0) == len(values)


def test_only_the_rarest_findings_are_kept_and_they_stand_by_time() -> None:
    found = [finding(float(v)) for v in np.arange(5)]
    assert [f.value for f in strongest(found, 2)] == [4.0, 3.0]
    assert strongest(found, 0) == ()
