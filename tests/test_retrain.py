"""Retraining: what is new is learnt, what was known is kept, and the gate says when it is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("onnx", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("safetensors", reason="needs the train extra: pip install 'unreel[train]'")

from hypothesis import given, settings
from hypothesis import strategies as st
from make_media import Recipe, numbered_frames, write_video
from numpy.typing import NDArray

from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import with_hashes
from unreel.data.manifest import Clip, Label, write_manifest
from unreel.data.pairs.latents import Strength
from unreel.data.pairs.reconstruct import Settings
from unreel.detector.errors import ModelError, UsageError
from unreel.detector.model import DEFAULT_FOLDER
from unreel.training.bank import (
    Bank,
    HeadSettings,
    as_rows,
    known_clips,
    load_bank,
    save_bank,
)
from unreel.training.before_after import (
    FPR,
    Gate,
    Kind,
    Row,
    above_threshold,
    compare,
    fpr_name,
    table,
)
from unreel.training.few_shot import curve
from unreel.training.heads import encoder_digest
from unreel.training.new_clips import clips_of, join_twins, pairs_of
from unreel.training.refit import folds_of, out_of_fold
from unreel.training.retrain import learn, refusals

WIDTH = 24
SETTINGS = HeadSettings(24, 1.0, (("canonical", 1.0),), folds=4)


def bank_of(
    count: int,
    axis: int | None,
    family: str,
    label: Label,
    seed: int,
    mark: str,
    shift: float = 5.0,
) -> Bank:
    """Clips whose embedding is noise, moved along one axis for what is generated."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, WIDTH))
    if axis is not None:
        values[:, axis] += shift
    hashes = [rng.integers(0, 2**63, (2, 8), np.uint64) for _ in range(count)]
    clips = tuple(
        Clip(Path(), label, f"{mark}{n // 2}", family=family, generator=family,
             sha256=f"{mark}{n}")
        for n in range(count)
    )  # fmt: skip
    facts = tuple(ClipFacts({"fps": 24.0}, {}, h) for h in hashes)
    quality = np.tile([[320.0, 0.1]], (count, 1))
    return Bank("e" * 64, SETTINGS, clips, facts, {"canonical": values.astype(np.float16)},
                {"canonical": quality}, np.zeros(count, bool))  # fmt: skip


@pytest.fixture(scope="module")
def old() -> Bank:
    return (
        bank_of(80, None, "", "real", 1, "r")
        .joined(bank_of(40, 0, "t2v", "generated", 2, "t"))
        .joined(bank_of(30, 1, "v2v", "manipulated", 3, "v"))
    )


def pairs_bank(count: int, axis: int, shift: float) -> Bank:
    """Halves of pairs: the second of each differs from the first along one axis alone."""
    bank = bank_of(2 * count, None, "reconstruction", "real", 8, "p")
    values = bank.embeddings["canonical"].copy()
    values[1::2] = values[::2]
    values[1::2, axis] += shift
    clips = tuple(
        replace(c, label="generated" if n % 2 else "real", pair_id=f"pair{n // 2}")
        for n, c in enumerate(bank.clips)
    )
    return replace(bank, clips=clips, embeddings={"canonical": values})


@pytest.fixture(scope="module")
def new() -> Bank:
    return bank_of(30, 2, "newgen", "generated", 4, "n")


def row(kind: Kind, change: float, clips: int = 20, name: str = "t2v") -> Row:
    return Row(kind, name, "canonical", clips, 0.9, 0.8, 1.0, 0.9 + change, 0.8, 1.0, change,
               change - 0.05, change + 0.05)  # fmt: skip


def test_a_generator_is_learnt_and_nothing_is_forgotten(old: Bank, new: Bank) -> None:
    found = learn(old, new, "newgen", sizes=(5, 10, 400))
    rows = {(r.kind, r.name): r for r in found.rows}
    gained = rows["new", "newgen"]
    assert gained.before < 0.7 and gained.after > 0.9
    assert gained.change_low > 0
    assert {name for kind, name in rows if kind == "family"} == {"t2v", "v2v"}
    assert refusals(found, Gate(margin=0.05)) == []
    assert [p.clips for p in found.points] == [0, 5, 10]
    assert found.points[-1].auc > found.points[0].auc + 0.1


def test_faces_are_learnt_when_they_are_asked_for(old: Bank) -> None:
    faces = bank_of(30, 2, "lip-sync", "manipulated", 4, "n")
    found = learn(old, faces, "lip-sync", sizes=())
    assert next(r for r in found.rows if r.kind == "new").after > 0.85
    known = old.joined(replace(faces, left_out=np.ones(30, bool)))  # as a model has them
    found = learn(known, bank_of(30, 3, "newgen", "generated", 6, "m"), "newgen", sizes=())
    assert "lip-sync" not in {r.name for r in found.rows}
    assert len(found.held_out) == 80 + 40 + 30 + 30


def test_pairs_teach_and_stand_in_no_row_but_their_own(old: Bank, new: Bank) -> None:
    """The new generator has the trace of the pairs; false alarms count camera clips alone."""
    pairs = pairs_bank(30, 2, 8.0)
    without, with_pairs = (learn(old, b, "newgen", sizes=(5,)) for b in (new, new.joined(pairs)))
    rows = {(r.kind, r.name): r for r in with_pairs.rows}
    apart = rows["pairs", "reconstructions"]
    assert apart.clips == 30 and apart.before < 0.65 and apart.after > 0.9
    assert ("family", "reconstruction") not in rows
    assert rows["fpr", fpr_name(FPR[0])].clips == 80  # of the bank, no half of a pair
    assert (with_pairs.tested.sum(), len(with_pairs.held_out)) == (
        without.tested.sum(), len(without.held_out)
    )  # fmt: skip
    # With no clip of the generator learnt, pairs alone must find more of it.
    assert with_pairs.points[0].clips == 0 == without.points[0].clips
    assert with_pairs.points[0].auc > without.points[0].auc + 0.1
    assert "| reconstructions, beside their camera halves | canonical | 30 |" in table(
        with_pairs.rows
    )


def test_half_is_held_out_by_whole_groups(old: Bank, new: Bank) -> None:
    found = learn(old, new, "newgen", sizes=())
    groups = np.array([c.group for c in found.bank.clips])
    tested = set(groups[found.tested])
    assert 10 <= found.tested.sum() <= 16
    assert tested.isdisjoint(groups[found.new & ~found.tested])
    assert tested.isdisjoint(groups[~found.new])
    assert {r.clips for r in found.rows if r.kind == "new"} == {int(found.tested.sum())}


def test_before_is_what_the_old_clips_alone_give(old: Bank, new: Bank) -> None:
    """Judged by heads that never saw a new clip, whatever the new clips are."""
    other = bank_of(30, 5, "newgen", "generated", 9, "n")
    a, b = (learn(old, x, "newgen", sizes=()) for x in (new, other))
    pairs = zip(a.rows, b.rows, strict=True)
    assert all(x.before == y.before for x, y in pairs if x.kind != "new")


def test_clips_with_wrong_labels_are_refused_by_the_gate(old: Bank) -> None:
    """ "Camera clips" that are generated ones of an old family cost that family."""
    poison = bank_of(60, 0, "", "real", 5, "p")
    fresh = bank_of(12, 2, "newgen", "generated", 4, "n")
    found = learn(old, fresh.joined(poison), "newgen", sizes=())
    said = refusals(found, Gate())
    assert any(line.startswith("t2v under canonical: AUC") for line in said)


def test_each_clip_is_judged_by_a_head_that_did_not_see_its_group(old: Bank) -> None:
    """Labels by lot within groups of noise: out of fold nothing can be told."""
    noise = bank_of(80, None, "x", "generated", 8, "x", 0.0).joined(
        bank_of(80, None, "", "real", 7, "y")
    )
    folds = folds_of(noise.clips, SETTINGS)
    everything = np.ones(160, bool)
    logits = out_of_fold(noise, everything, folds, SETTINGS, ["canonical"])["canonical"]
    rows = compare(noise, np.zeros(160, bool), folds, {"canonical": logits},
                   {"canonical": logits}, "x", everything)  # fmt: skip
    family = next(r for r in rows if r.kind == "family")
    assert 0.3 < family.before < 0.7
    assert family.change == 0 == family.change_low


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ([row("family", -0.019)], 0),
        ([row("family", -0.021)], 1),
        ([row("family", -0.3, clips=4)], 0),  # too few clips to decide
        ([row("new", -0.3)], 0),
        ([row("fpr", 0.009, name=fpr_name(FPR[0]))], 0),
        ([row("fpr", 0.011, name=fpr_name(FPR[0]))], 1),
        ([row("fpr", 0.2, name=fpr_name(FPR[1]))], 0),
        ([row("family", -0.1), row("fpr", 0.1, name=fpr_name(FPR[0]))], 2),
    ],
)
def test_the_gate(rows: list[Row], refused: int) -> None:
    assert len(Gate().refusals(rows)) == refused


@given(st.integers(0, 10**6), st.integers(250, 400))
@settings(max_examples=30)
def test_false_alarms_come_near_their_share(seed: int, count: int) -> None:
    logits = np.random.default_rng(seed).normal(size=count)
    folds = np.arange(count) % 5
    assert above_threshold(logits, folds, 0.05).mean() < 0.12
    assert not above_threshold(logits[:10], folds[:10], 0.01).any()  # too few to set a threshold


def test_the_curve_leaves_out_points_that_do_not_exist(old: Bank, new: Bank) -> None:
    bank = old.joined(new)
    is_new = np.arange(len(bank.clips)) >= len(old.clips)
    tested = is_new & (np.arange(len(bank.clips)) % 2 == 0)
    points = curve(bank, is_new, tested, folds_of(bank.clips, SETTINGS), (5, 10, 20, 40))
    assert [p.clips for p in points] == [0, 5, 10]
    assert all(p.low <= p.auc <= p.high for p in points)


def test_the_table_prints_every_row(old: Bank, new: Bank) -> None:
    found = learn(old, new, "newgen", sizes=())
    text = table(found.rows)
    assert len(text.splitlines()) == 2 + len(found.rows)
    assert "**new: newgen** | canonical |" in text and "-0." not in text


# ---- the bank -----------------------------------------------------------------------------------


def test_a_bank_comes_back_as_it_was(old: Bank, tmp_path: Path) -> None:
    save_bank(tmp_path / "bank.npz", old)
    found = load_bank(tmp_path / "bank.npz")
    assert found.clips == old.clips and found.settings == old.settings
    assert found.encoder == old.encoder
    assert np.array_equal(found.embeddings["canonical"], old.embeddings["canonical"])
    assert all(
        np.array_equal(a.hashes, b.hashes) for a, b in zip(found.facts, old.facts, strict=True)
    )


def test_halves_of_pairs_are_known_as_such_ever_after(tmp_path: Path) -> None:
    save_bank(tmp_path / "bank.npz", pairs_bank(4, 2, 1.0))
    assert load_bank(tmp_path / "bank.npz").paired.all()
    found = Clip(Path("a.mp4"), "generated", "g", pair_id="edit-3", family="v2v")
    made = replace(found, recipe='{"kind": "reconstruct"}')
    assert [c.pair_id for c in as_rows([found, made])] == ["", "edit-3"]


def test_a_bank_names_no_file_and_no_person() -> None:
    made = Clip(Path("anna.mp4"), "real", "g", source="anna", note="at home", mask="anna.png")
    assert as_rows([made]) == (Clip(Path(), "real", "g"),)


def test_the_model_in_the_package_has_its_bank() -> None:
    bank = load_bank(DEFAULT_FOLDER / "bank.npz")
    assert bank.encoder == encoder_digest(DEFAULT_FOLDER)
    assert len(bank.clips) > 600 and {"raw", "canonical"} == set(bank.embeddings)
    assert not bank.paired.any()


def test_banks_of_two_encoders_are_not_mixed(old: Bank, new: Bank) -> None:
    with pytest.raises(UsageError, match="take the bank that belongs to the model"):
        old.joined(replace(new, encoder="f" * 64))


def test_what_is_no_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unreel models bank MODEL"):
        load_bank(tmp_path / "bank.npz")
    (tmp_path / "bank.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ModelError, match="is not a bank"):
        load_bank(tmp_path / "bank.npz")
    np.savez(tmp_path / "x.npz", header=np.array({"a": 1}, dtype=object))
    with pytest.raises(ModelError, match="is not a bank"):  # nothing is unpickled
        load_bank(tmp_path / "x.npz")


def test_known_clips_are_found_by_their_pictures(old: Bank, new: Bank) -> None:
    facts = [new.facts[0], old.facts[7], new.facts[1]]
    assert known_clips(old, facts) == {1: 7}


# ---- clips --------------------------------------------------------------------------------------


def test_a_folder_becomes_clips_by_sub_folder(tmp_path: Path) -> None:
    for name in ("a/1.mp4", "a/2.mp4", "b.mp4", "copy.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_video(tmp_path, Recipe(frames=4), "x")
        shutil.copyfile(tmp_path / "x.mp4", tmp_path / name)
        with (tmp_path / name).open("ab") as file:
            file.write(b"" if name == "copy.mp4" else name.encode())
    found = clips_of(tmp_path, generator="g", label="generated")
    groups = {c.path.relative_to(tmp_path).as_posix(): c.group for c in found}
    assert groups == {"a/1.mp4": "a", "a/2.mp4": "a", "b.mp4": "b.mp4", "copy.mp4": "copy.mp4"}
    assert {c.family for c in found} == {"g"}


def test_pairs_that_are_given_as_new_clips_are_clips_like_any_other(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=4), "x")
    made = Clip(path, "generated", "g", pair_id="p", recipe='{"kind": "reconstruct"}')
    write_manifest(tmp_path / "new.csv", [made, replace(made, path=tmp_path / "y", label="real")])
    (found,) = clips_of(tmp_path / "new.csv", generator="own", label="generated")
    assert (found.generator, found.pair_id, found.recipe) == ("own", "", "")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no video below"):
        clips_of(tmp_path, generator="g", label="generated")


class Darker:
    """Stands for an autoencoder: a trace that is easily told."""

    name, multiple = "darker", 8

    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        return frames // 2


def test_pairs_of_camera_clips_keep_the_groups_of_their_sources(tmp_path: Path) -> None:
    clips = []
    for n in range(3):
        path = write_video(tmp_path, Recipe(width=96, height=96, frames=12), str(n),
                           numbered_frames(12, 96, 96, seed=n))  # fmt: skip
        clips.append(Clip(path, "real", f"new:g/{n}"))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    clips = with_hashes([*clips, Clip(tmp_path / "broken.mp4", "real", "new:g/broken")])
    how = Settings(frames=8, crop=64)
    made, notes = pairs_of(clips, Darker(), tmp_path / "pairs", most=9, settings=how)
    assert len(made) == 6 and all(c.pair_id and c.recipe and c.sha256 for c in made)
    assert {c.group for c in made} == {f"new:g/{n}" for n in range(3)}
    assert sorted(c.label for c in made) == ["generated"] * 3 + ["real"] * 3
    assert any(line.startswith("no pair of broken.mp4") for line in notes)
    # The same folder serves other clips, other groups and fewer of them.
    moved = [replace(clips[0], group="elsewhere"), clips[1]]
    made, notes = pairs_of(moved, Darker(), tmp_path / "pairs", most=1, settings=how)
    assert len(made) == 2 and len({c.group for c in made}) == 1
    assert notes[0] == "pairs were made of 1 of 2 camera clips (--pairs N for more)"


def test_twins_get_one_group() -> None:
    clips = [Clip(Path(f"{n}"), "generated", f"g{n}") for n in range(3)]
    same = np.arange(16, dtype=np.uint64).reshape(2, 8) * np.uint64(0x1234567)
    other = np.random.default_rng(0).integers(0, 2**63, (2, 8), np.uint64)
    facts = [ClipFacts({}, {}, h) for h in (same, other, same)]
    groups = [c.group for c in join_twins(clips, facts, "new:g")]
    assert groups[0] == groups[2] != groups[1]
