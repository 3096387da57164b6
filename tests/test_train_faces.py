"""From camera clips to blends to a model of faces that a scan can load: both commands, as typed."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from unreel.detector.cli import main
from unreel.detector.faces.embedding import FOLDER

YUNET = Path(__file__).resolve().parents[2] / "shared" / "weights" / "yunet_n_dynamic.onnx"
CAMERA = (
    "dreamtalk--real-camera-m030-front-sad-level3-001-e2cefa.mp4",
    "liveportrait--driving-d2-5ce4a9.mp4",
    "first-order-model--real-camera-08-915f7f.mp4",
    "lipreadingquiz--good-afternoon-nicole1-296bf4.mp4",
    "deep_avsr--demo-00002-65f018.mp4",
)
LIPS = (
    "talkingavatar--wav2lip-output-7fc9ffd075944a598b02bd967e818e98-af206a.mp4",
    "personatalk--wav2lip-wav2lip-277b20.mp4",
    "umm_transferability--musetalk-musetalk-a08aa6.mp4",
    "wav2lip_v2--results_result_voice.mp4",
    "avatarlipsync--wav2lip-result-voice-f1a037.mp4",
)
"""Small clips, each of a group of its own."""


def write_manifest(path: Path, clips: Path, camera: Sequence[str], lips: Sequence[str]) -> Path:
    rows = [(clips / "real" / name, "real", "camera") for name in camera]
    rows += [(clips / "manipulated" / name, "manipulated", "lip-sync") for name in lips]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "family", "group", "sha256"))
        for number, (clip, *facts) in enumerate(rows):
            digest = hashlib.sha256(clip.read_bytes()).hexdigest()
            writer.writerow((clip, *facts, f"group {number}", digest))
    return path


def test_a_manifest_without_hashes_is_refused(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="fitting needs the extra train")
    manifest = tmp_path / "plain.csv"
    manifest.write_text(f"path,label,group\n{clip},real,a\n")
    call = ["train-faces", "--manifest", str(manifest), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 2
    assert "have no sha256" in done.output


@pytest.mark.slow
def test_blends_go_through_the_commands_into_a_model(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="fitting needs the extra train")
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    monkeypatch.chdir(tmp_path)
    camera = write_manifest(tmp_path / "camera.csv", corpus / "clips", CAMERA[:2], ())
    every = write_manifest(tmp_path / "all.csv", corpus / "clips", CAMERA, LIPS)
    finder = ("--face-detector", str(YUNET))
    call = ["pairs", "face-blend", str(camera), "blends", "--variants", "2", "--frames", "40",
            "--condition", "canonical", "--close", *finder]  # fmt: skip
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    call = ["train-faces", "--manifest", str(every), "--pairs", "blends", "--out", "run", *finder]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    table = (tmp_path / "run" / "tables.md").read_text()
    assert all(f"| {name} |" in table for name in ("full", "blends", "full, without networks"))
    assert (tmp_path / "run" / "model" / "DONE").exists()
    head = json.loads((tmp_path / "run" / "model" / "head.json").read_text())
    facts = json.loads((tmp_path / "run" / "model" / "metrics.json").read_text())
    assert facts["full"]["clips"] == 10 and facts["full"]["blends_auc"] is not None
    shipped = json.loads((FOLDER / "head.json").read_text())
    assert head["names"] == shipped["names"] and head["weight"] != shipped["weight"]
    halves = list((tmp_path / "cache" / "faces").glob("raw-*/*.npz"))
    assert 4 <= len(halves) <= 6, "a camera half that variants share is looked at once"
