"""Provenance beside the verdict: it is always there, never counted, and said in words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from make_media import Recipe, write_video
from make_signed import authority, generated_manifest, sign

from unreel.detector import scan
from unreel.detector.cli import main
from unreel.detector.config import ScanConfig
from unreel.detector.jsonout import schema, to_json
from unreel.detector.lanes.provenance import look_at
from unreel.detector.model import Model, load_model
from unreel.detector.provenance.generator_tags import generator_tags
from unreel.detector.provenance.observations import observe, table
from unreel.detector.provenance.records import (
    C2pa,
    ContainerFacts,
    FrameGroups,
    Observation,
    Provenance,
    Tag,
    Track,
)
from unreel.detector.provenance.words import summary
from unreel.detector.provenance.xmp import read_xmp
from unreel.detector.scan import scan_video
from unreel.detector.text import to_text

VALIDATOR = jsonschema.Draft202012Validator(schema())
EVERYTHING = Provenance(
    C2pa("trusted", "signed"),
    ContainerFacts("mp4", tags=(Tag("a", "b", "\ud800 \x1b[2J"),)),
    (Observation("names-generator", "names Sora", "Sora", "itself", "generator", 0, 289),),
)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(threads=1)


# --- never counted --------------------------------------------------------------------------------


@pytest.mark.parametrize("provenance", [None, EVERYTHING], ids=["none", "says generated"])
def test_the_verdict_is_the_same_whatever_the_file_says(
    clip: Path, model: Model, monkeypatch: pytest.MonkeyPatch, provenance: Provenance | None
) -> None:
    config = ScanConfig(recheck=False, threads=1)
    before = scan_video(clip, model=model, config=config)
    assert before.provenance is not None and before.verdict is not None
    monkeypatch.setattr(scan, "look_at", lambda *_, **__: provenance)
    after = scan_video(clip, model=model, config=config)
    if provenance is None:
        assert after.provenance is None
    else:
        assert after.provenance is not None
        assert replace(after.provenance, watermarks=()) == provenance
    assert replace(after, provenance=None, run={}) == replace(before, provenance=None, run={})


def test_signing_a_clip_changes_neither_score_nor_label(
    clip: Path, model: Model, tmp_path: Path
) -> None:
    config = ScanConfig(recheck=False, threads=1)
    signed = sign(clip, tmp_path / "signed.mp4")
    one, other = (scan_video(path, model=model, config=config) for path in (clip, signed))
    assert one.verdict is not None and other.verdict is not None
    assert other.provenance is not None and other.provenance.c2pa.state == "untrusted"
    assert one.evidence == other.evidence
    assert one.verdict.label == other.verdict.label
    # The manifest adds bytes, so that the quality bucket, and with it the threshold, may differ.
    assert one.verdict.score == other.verdict.score


# --- also without frames --------------------------------------------------------------------------


def test_a_file_without_a_frame_has_its_provenance_all_the_same(
    model: Model, tmp_path: Path
) -> None:
    whole = sign(write_video(tmp_path, Recipe(frames=12)), tmp_path / "signed.mp4")
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4
    path = tmp_path / "broken.mp4"
    path.write_bytes(data[:start] + bytes(len(data) - start))  # neither frames nor index
    report = scan_video(path, model=model)
    assert report.error is not None and report.verdict is None
    assert report.provenance is not None
    assert report.provenance.c2pa.state == "invalid"
    assert "Provenance  C2PA manifest" in to_text(report)
    row = json.loads(to_json(report))
    VALIDATOR.validate(row)
    assert row["provenance"]["c2pa"]["manifest"]["source_types"] == ["trainedAlgorithmicMedia"]


@pytest.mark.parametrize("content", [b"plain text", b"#EXTM3U\nhttp://x/", b"\0" * 100])
def test_what_is_no_video_has_a_note(model: Model, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    report = scan_video(path, model=model)
    assert report.error is not None and report.provenance is not None
    assert report.provenance.container is None
    VALIDATOR.validate(json.loads(to_json(report)))


def test_what_cannot_be_opened_has_none(model: Model, tmp_path: Path) -> None:
    report = scan_video(tmp_path / "gone.mp4", model=model)
    assert report.error is not None and report.provenance is None


# --- observations ---------------------------------------------------------------------------------


def with_video(**about: Any) -> ContainerFacts:
    return ContainerFacts("mp4", tracks=(Track("video", "avc1", **about), Track("sound", "mp4a")))


def codes(facts: ContainerFacts) -> set[str]:
    return {seen.code for seen in observe(facts)}


@pytest.mark.parametrize(
    ("width", "height", "fps", "frames", "code"),
    [
        (832, 480, 16.0, 81, "size-832x480-16fps-81frames"),
        (480, 832, 16.0, 81, "size-832x480-16fps-81frames"),
        (832, 480, 30.0, 81, "size-832x480"),
        (720, 480, 8.0, 49, "size-720x480-8fps"),
        (1360, 768, 16.0, 81, "size-1360x768"),
        (1280, 720, 24.0, 192, "size-1280x720-24fps"),
    ],
)
def test_sizes_of_generators(width: int, height: int, fps: float, frames: int, code: str) -> None:
    groups = FrameGroups(frames, 1, frames, frames, True)
    seen = codes(with_video(width=width, height=height, fps=fps, groups=groups))
    assert {c for c in seen if c.startswith("size-")} == {code}


@pytest.mark.parametrize(("width", "height", "fps"), [(720, 480, 29.97), (1280, 720, 25.0)])
def test_sizes_of_cameras_are_not_remarked(width: int, height: int, fps: float) -> None:
    seen = codes(with_video(width=width, height=height, fps=fps))
    assert not {c for c in seen if c.startswith("size-")}


@pytest.mark.parametrize(
    ("frames", "fps", "constant", "told"),
    [
        (81, 16.0, True, True),
        (49, 8.0, True, True),
        (129, 24.0, True, True),
        (80, 16.0, True, False),
        (81, 25.0, True, False),
        (81, 16.0, False, False),
        (1, 8.0, True, False),
    ],
)
def test_lengths_of_causal_autoencoders(
    frames: int, fps: float, constant: bool, told: bool
) -> None:
    groups = FrameGroups(frames, 2, 40, 40, True)
    facts = with_video(width=640, height=360, fps=fps, constant_rate=constant, groups=groups)
    assert ("frames-16k+1" in codes(facts)) == told


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        (
            Tag("ilst", "comment", '{"prompt": {"3": {"class_type": "KSampler"}}}'),
            "workflow-comfyui",
        ),
        (Tag("Tags", "workflow", '{"nodes": []}'), "workflow-comfyui"),
        (Tag("tEXt", "parameters", "cat\nSteps: 20, Sampler: Euler a, Seed: 1"), "prompt-a1111"),
        (Tag("ilst", "AIGC", '{"Label":"1","ContentProducer":"Kling"}'), "label-aigc"),
        (Tag("udta", "comment", '{"AIGC": {"Label": "1"}}'), "label-aigc"),
        (Tag("ilst", "encoder", "Kling 2.1"), "names-generator"),
        (Tag("ilst", "software", "runwayml"), "names-generator"),
        (Tag("APP13", "credit", "Made with Google AI"), "label-made-with-ai"),
        (
            Tag("XMP", "Iptc4xmpExt:DigitalSourceType", "http://x/trainedAlgorithmicMedia"),
            "source-type-trainedAlgorithmicMedia",
        ),
    ],
)
def test_tags_of_generators(tag: Tag, code: str) -> None:
    found = generator_tags((tag,))
    assert code in {seen.code for seen in found}
    assert all(seen.kind == "generator" for seen in found)


@pytest.mark.parametrize(
    "tag",
    [
        Tag("ilst", "title", "Sora no Woto, episode 3"),
        Tag("ilst", "comment", "we walked down the runway"),
        Tag("ilst", "encoder", "Lavf62.12.102"),
        Tag("udta", "model", "iPhone 15 Pro"),
        Tag("ilst", "description", "Steps: how to dance"),
    ],
)
def test_words_that_only_look_like_it(tag: Tag) -> None:
    assert generator_tags((tag,)) == []


def test_camera_tags_in_a_file_that_a_program_wrote() -> None:
    apple = Tag("keys", "com.apple.quicktime.model", "iPhone 15")
    assert "camera-tags-rewritten" not in codes(ContainerFacts("quicktime", tags=(apple,)))
    lavf = Tag("ilst", "encoder", "Lavf62.12.102")
    assert "camera-tags-rewritten" in codes(ContainerFacts("mp4", tags=(apple, lavf)))


def test_each_row_of_the_table_says_what_it_is_common_to_and_where_that_is_from() -> None:
    rows = [row for kind in table().values() for row in kind]
    assert len(rows) > 30
    for row in rows:
        assert row["common_to"] and row["source"].startswith("https://")
        if "pattern" in row:
            re.compile(row["pattern"])


def test_each_observation_carries_its_rate_among_camera_clips() -> None:
    seen = observe(with_video(width=832, height=480, fps=16.0))
    assert seen
    assert all(o.camera_clips is not None and o.camera_clips_of == 289 for o in seen)


def test_the_corpus_gives_what_it_gave(corpus: Path) -> None:
    """A camera's own file, an editor's export and a generator's workflow, as they came."""
    phone = look_at(corpus / "clips/real/streamio-ffmpeg--sideways-movie-7dae4c.mov")
    assert {seen.code for seen in phone.observations} >= {"apple-capture", "apple-box-order"}
    name = "magicvideov2--magicvideo-v2-magicvideo-v2-a-couple-is-watching-fireworks-b.mp4"
    made = look_at(corpus / "clips/generated" / name)
    assert any("A couple is watching fireworks" in seen.says for seen in made.observations)


def test_xmp_in_every_form_of_rdf() -> None:
    packet = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
    <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
      xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
      xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
      xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
      <rdf:Description xmp:CreatorTool="Tool 1" ext:DigitalSourceType="http://a/compositeSynthetic">
      <dc:creator><rdf:Seq><rdf:li>Somebody</rdf:li></rdf:Seq></dc:creator>
      </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""
    found = read_xmp(packet + b" " * 2000)
    assert found.problem is None
    assert dict(found.properties) == {
        "xmp:CreatorTool": "Tool 1",
        "Iptc4xmpExt:DigitalSourceType": "http://a/compositeSynthetic",
        "dc:creator": "Somebody",
    }
    assert read_xmp(b"no packet").problem is not None
    assert read_xmp(packet[:500]).properties  # cut off: what is there is read


# --- in words and in JSON -------------------------------------------------------------------------


def test_the_summary_of_an_ordinary_file(clip: Path) -> None:
    lines = summary(look_at(clip))
    assert lines[0].startswith("no C2PA manifest (says nothing")
    assert lines[-1].startswith("encoder tag Lavf")


def test_hostile_strings_in_every_output(model: Model, clip: Path) -> None:
    report = scan_video(clip, model=model, config=ScanConfig(recheck=False, threads=1))
    hostile = replace(report, provenance=EVERYTHING)
    text, line = to_text(hostile), to_json(hostile)
    assert "\x1b" not in text and text.encode("utf-8")
    assert line.isascii()
    VALIDATOR.validate(json.loads(line))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["provenance", *arguments])
    return result.exit_code, result.stdout


def test_the_command_prints_a_page(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(authority("Test signer").root)
    evil = generated_manifest(software="\x1b[31mModel\nC2PA  fine")
    path = sign(write_video(tmp_path, Recipe(frames=12)), tmp_path / "signed.mp4", evil)
    code, text = run("--trust-list", str(root), "--boxes", str(path))
    assert code == 0
    assert "the signer is on the trust list" in re.sub(r"\s+", " ", text)
    assert "  claims    made by a generative model (trainedAlgorithmicMedia)" in text
    assert "\x1b" not in text and "\nC2PA  fine" not in text
    assert re.search(r"^Box +0 +\d+  ftyp$", text, re.MULTILINE)


def test_the_command_prints_a_line_of_json_for_each_file(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=12))
    code, text = run("--json", str(path), str(tmp_path / "gone.mp4"))
    assert code == 3
    good, bad = (json.loads(line) for line in text.splitlines())
    form = {"$defs": schema()["$defs"], "$ref": "#/$defs/provenance"}
    jsonschema.Draft202012Validator(form).validate(good["provenance"])
    assert good["status"] == "ok" and good["provenance"]["container"]["format"] == "mp4"
    assert (bad["status"], bad["error"]["code"]) == ("error", "not-found")


@pytest.mark.parametrize("content", [None, b"no certificate", b"\xff\xfe"])
def test_a_trust_list_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list.pem"
    if content is not None:
        path.write_bytes(content)
    for command in ("provenance", "scan"):
        result = CliRunner().invoke(main, [command, "--trust-list", str(path), "x.mp4"])
        assert result.exit_code == 2
        assert "--trust-list" in result.stderr


def test_the_command_loads_no_decoder_and_no_runtime(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=6))
    code = (
        "import sys; from unreel.detector.lanes.provenance import look_at; "
        f"look_at({str(path)!r}); import unreel.detector.provenance_cmd; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"av", "cv2", "decord", "onnxruntime", "torch", "c2pa"}
