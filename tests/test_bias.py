"""The shortcut audit finds the biases that were built in, and none where there are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install 'unreel[train]'")

from click.testing import CliRunner, Result
from make_media import Recipe, numbered_frames, write_video

from unreel.data.canonical import CONDITIONS
from unreel.data.clip_facts import SHORTCUTS, ClipFacts, measure_clip
from unreel.data.fact_cache import set_facts, with_hashes
from unreel.data.manifest import Clip, Label, read_manifest, write_manifest
from unreel.detector.cli import main
from unreel.training.bias import read_scores
from unreel.training.bias_advice import _LEFT_TO_DO, advice, effect
from unreel.training.leaks import find_duplicates, find_suspects, source_overlap
from unreel.training.shortcuts import EVERYTHING, FILE_ONLY, Separation, separations

NO_HASHES = np.zeros((2, 0), np.uint64)


def clip(number: int, label: Label = "real", **more: Any) -> Clip:
    return Clip(Path(f"{number}.mp4"), label, f"g{number}", **more)


def neutral_set(count: int = 120) -> tuple[list[Clip], list[ClipFacts]]:
    """Clips whose every fact is drawn alike for both classes."""
    rng = np.random.default_rng(5)
    clips = [clip(n, "generated" if n % 2 else "real") for n in range(count)]
    columns = [c for cs in SHORTCUTS.values() for c in cs]
    facts = [
        ClipFacts({c: float(rng.normal()) for c in columns if c not in ("codec", "muxer")},
                  {"codec": str(rng.choice(["h264", "vp9"])), "muxer": "Lavf"}, NO_HASHES)
        for _ in clips
    ]  # fmt: skip
    return clips, facts


def test_a_neutral_set_shows_no_shortcut() -> None:
    few = ("frame rate", "codec", "motion")
    rows = separations(*neutral_set(), shortcuts=few)
    assert [r.shortcut for r in rows] == [*few, FILE_ONLY, EVERYTHING]
    assert [r.shortcut for r in rows if r.exceeds(0.65)] == []
    assert all(r.low <= r.auc <= r.high for r in rows)


@pytest.mark.parametrize("shortcut", ["frame rate", "brightness"])
def test_a_number_that_differs_is_found_and_nothing_else(shortcut: str) -> None:
    clips, facts = neutral_set()
    for c, f in zip(clips, facts, strict=True):
        f.numbers[SHORTCUTS[shortcut][0]] += 4.0 * c.is_positive
    rows = separations(clips, facts, shortcuts=("frame rate", "codec", "brightness"))
    over = {r.shortcut: r.auc for r in rows if r.exceeds(0.65)}
    assert over[shortcut] > 0.95
    assert over[EVERYTHING] > 0.9
    assert set(over) <= {shortcut, FILE_ONLY, EVERYTHING}


def test_a_word_that_differs_is_found() -> None:
    clips, facts = neutral_set()
    for c, f in zip(clips, facts, strict=True):
        f.words["muxer"] = "Lavf58" if c.is_positive else "isom"
    rows = separations(clips, facts, shortcuts=("encoder tag",))
    assert rows[0].auc == 1.0


def test_a_tag_of_one_group_cannot_be_learnt() -> None:
    """The folds hold whole groups out: what only one page writes says nothing of the next."""
    clips, facts = neutral_set()
    clips = [replace(c, group="one" if c.is_positive else c.group) for c in clips]
    for c, f in zip(clips, facts, strict=True):
        f.words["muxer"] = "odd" if c.is_positive else "Lavf"
    rows = {r.shortcut: r for r in separations(clips, facts, shortcuts=("encoder tag",))}
    assert not rows["encoder tag"].exceeds(0.65)


def test_the_advice_says_which_condition_removes_what() -> None:
    assert effect(CONDITIONS["canonical"], "codec") == "same"
    assert effect(CONDITIONS["canonical"], "frame rate") == "capped"
    assert effect(CONDITIONS["native23"], "frame rate") == "left"
    assert effect(CONDITIONS["raw"], "codec") == "left"
    assert effect(CONDITIONS["hard"], "motion") == "left"
    assert set(_LEFT_TO_DO) == set(SHORTCUTS)
    rows = [Separation("frame rate", 0.8, 0.7, 0.9), Separation("motion", 0.7, 0.6, 0.8)]
    said = advice({"raw": rows}, "raw", 0.65)
    assert said[0].startswith("frame rate: train and judge under `canonical`, which caps it")
    assert said[1].startswith("motion: Then: no encoder changes what moves")
    assert advice({"raw": rows}, "raw", 0.85) == []


def twins() -> tuple[list[Clip], list[ClipFacts]]:
    rng = np.random.default_rng(1)
    hashes = [rng.integers(0, 2**63, (2, 8), np.uint64) for _ in range(4)]
    clips = [clip(0), clip(1, "generated"), clip(2), clip(3), clip(4, "manipulated")]
    facts = [ClipFacts({}, {}, h) for h in (hashes[0], hashes[0], hashes[1], hashes[2], hashes[3])]
    return clips, facts


def test_twins_with_contrary_labels_are_suspects() -> None:
    clips, facts = twins()
    (pair,) = find_duplicates(clips, facts)
    assert (pair.first, pair.second, pair.bits) == ("0.mp4", "1.mp4", 0)
    assert pair.leaks and pair.contrary
    (suspect,) = find_suspects(clips, facts, [pair], {})
    assert suspect.clip == "0.mp4" and "other label" in suspect.why


def test_a_pair_made_from_one_clip_is_no_suspect() -> None:
    clips, facts = twins()
    clips[:2] = [replace(c, pair_id="p", group="g") for c in clips[:2]]
    (pair,) = find_duplicates(clips, facts)
    assert not pair.leaks
    assert find_suspects(clips, facts, [pair], {}) == []


def test_what_a_file_says_against_its_label_makes_it_a_suspect() -> None:
    clips = [clip(0), clip(1, "generated")]
    facts = [
        ClipFacts({}, {}, NO_HASHES, claims_generated=("tag names kling",)),
        ClipFacts({}, {}, NO_HASHES, claims_camera=("GoPro telemetry",)),
    ]
    found = find_suspects(clips, facts, [], {})
    assert [(s.clip, s.label) for s in found] == [("0.mp4", "real"), ("1.mp4", "generated")]


def test_scores_make_suspects() -> None:
    clips = [clip(0, sha256="a"), clip(1, "generated", sha256="b"), clip(2, sha256="c")]
    facts = [ClipFacts({}, {}, NO_HASHES)] * 3
    scores = {
        "a": {"label": "generated", "percentile_among_real": 0.998},
        "b": {"label": "no-evidence", "percentile_among_real": 0.02},
        "c": {"label": "no-evidence", "percentile_among_real": 0.4},
    }
    assert [s.clip for s in find_suspects(clips, facts, [], scores)] == ["0.mp4", "1.mp4"]


def test_source_overlap() -> None:
    clips = [
        clip(0, source="x"), clip(1, "generated", source="x"), clip(2, source="y", split="train"),
        clip(3, source="y", split="test"), clip(4),
    ]  # fmt: skip
    found = source_overlap(clips)
    assert found.sources == 2 and found.unnamed_clips == 1
    assert found.over_groups == {"x": ("g0", "g1"), "y": ("g2", "g3")}
    assert found.over_splits == {"y": ("test", "train")}
    assert found.one_class_clips == 2


# ---- end to end -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips: generated ones have 8 frames a second, camera ones 24; one of them twice."""
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)
    clips = []
    for number in range(24):
        generated = number % 2 == 1
        frames = numbered_frames(12, 96, 64, seed=number)
        frames[:, 16:, :, :] = rng.integers(0, 255, (6, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        recipe = Recipe(width=96, height=64, fps=8 if generated else 24, audio=number % 3 == 0)
        path = write_video(folder, recipe, str(number), frames)
        label: Label = "generated" if generated else "real"
        clips.append(Clip(path, label, f"g{number}", source=f"s{number % 5}"))
    copy = folder / "copy.mp4"
    copy.write_bytes((folder / "2.mp4").read_bytes())
    clips.append(Clip(copy, "real", "another"))
    broken = folder / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypisom" + bytes(300))
    clips.append(Clip(broken, "real", "broken"))
    write_manifest(folder / "manifest.csv", clips)
    return folder / "manifest.csv"


def run(manifest: Path, *arguments: str) -> Result:
    cache = manifest.parent / "cache"
    return CliRunner().invoke(
        main, ["bias", str(manifest), "--cache", str(cache), "--workers", "1", *arguments]
    )


def test_the_facts_of_a_clip_are_those_it_was_written_with(biased: Path) -> None:
    found = measure_clip(biased.parent / "3.mp4")
    assert found.numbers["fps"] == pytest.approx(8, abs=0.1)
    assert found.numbers["frames"] == 12 and found.numbers["width"] == 96
    assert found.numbers["sound"] == 1.0
    assert found.words["codec"] == "h264" and found.words["encoder"].startswith("x264")
    assert found.numbers["crf"] == 23


def test_the_command_finds_the_bias_that_was_built_in(biased: Path) -> None:
    result = run(biased)
    assert result.exit_code == 1, result.output
    line = next(x for x in result.output.splitlines() if x.startswith("  frame rate "))
    assert line.endswith("!") and "1.00 [1.00, 1.00]" in line
    assert "2.mp4 and copy.mp4: 0 of 64 bits, groups another and g2" in (
        result.output.replace("g2 and another", "another and g2")
    )
    assert "frame rate: train and judge under `canonical`" in result.output
    assert "not read: broken.mp4" in result.output
    assert "frame rate 1.00" in result.output.splitlines()[-1]


def test_as_json(biased: Path) -> None:
    result = run(biased, "--json")
    content = json.loads(result.stdout)
    assert result.exit_code == 1 and content["failed"]
    assert "frame rate" in content["over"]
    assert set(content["conditions"]) == {"raw"}
    assert [u[0] for u in content["unreadable"]] == [str(biased.parent / "broken.mp4")]


def test_a_condition_shows_what_is_left(biased: Path) -> None:
    result = run(biased, "--condition", "raw", "--condition", "canonical", "--json")
    content = json.loads(result.stdout)
    rows = {
        name: {r["shortcut"]: r["auc"] for r in found}
        for name, found in content["conditions"].items()
    }
    assert rows["raw"]["frame rate"] == 1.0
    assert rows["canonical"]["sound"] == 0.5  # it has none any more
    assert rows["canonical"]["encoder tag"] == 0.5
    assert rows["canonical"]["frame rate"] == 1.0  # 8 against 12: capped, not removed
    assert content["deciding"] == "canonical"
    assert any(a.startswith("frame rate: canonical caps it") for a in content["advice"])


def test_facts_are_measured_once(biased: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = with_hashes(read_manifest(biased))
    cache = biased.parent / "cache"
    first = set_facts(clips, "raw", cache, workers=1)
    measured = []

    def counting(path: Path) -> ClipFacts:
        measured.append(path.name)
        return measure_clip(path)

    monkeypatch.setattr("unreel.data.fact_cache.measure_clip", counting)
    again = set_facts(clips, "raw", cache, workers=1)
    assert measured == ["broken.mp4"]  # what failed is tried again
    assert [f.numbers for f in first if isinstance(f, ClipFacts)] == [
        f.numbers for f in again if isinstance(f, ClipFacts)
    ]


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=8))
    write_manifest(tmp_path / "m.csv", [Clip(path, "real", "a")])
    result = run(tmp_path / "m.csv")
    assert result.exit_code == 2 and "both classes" in result.output


def test_scores_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("no json\n")
    with pytest.raises(Exception, match="holds no lines of `unreel scan --json`"):
        read_scores(tmp_path / "x.jsonl")


@pytest.mark.slow
def test_the_corpus_shows_its_bias_of_rate_and_size(corpus: Path, tmp_path: Path) -> None:
    """A quarter of it: the bias of the whole stands in docs/log-2026-11-23.md."""
    chosen = read_manifest(corpus / "manifest.csv")[::8]
    write_manifest(tmp_path / "m.csv", chosen)
    result = run(tmp_path / "m.csv", "--json", "--workers", "2")
    rows = {r["shortcut"]: r["auc"] for r in json.loads(result.stdout)["conditions"]["raw"]}
    assert rows["frame rate"] > 0.6 and rows["frame size"] > 0.6
