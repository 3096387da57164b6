"""Pairs: both halves alike but for their pixels, masks where they belong, runs that go on."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from make_media import Recipe, write_video
from numpy.typing import NDArray

from unreel.data.codecs import PICTURE_CODECS
from unreel.data.manifest import read_manifest
from unreel.data.pairs import blend as blending
from unreel.data.pairs.encoding import (
    Encoding,
    Encodings,
    checked,
    encode,
    masks_as_encoded,
    read_clip,
    write_masks,
)
from unreel.data.pairs.footage import read_burst
from unreel.data.pairs.latents import Strength, parse_strength
from unreel.data.pairs.mixing import BANDS, haar, inverse_haar, mix, mix_bands, mix_region
from unreel.data.pairs.reconstruct import Settings, reconstruct_all
from unreel.data.pairs.sources import camera_clips, without_fold
from unreel.data.splits import check_no_leak
from unreel.detector.cli import main
from unreel.detector.errors import MediaError, UsageError

RNG = np.random.default_rng(3)
REAL = RNG.integers(0, 256, (6, 72, 88, 3), np.uint8)
OTHER = RNG.integers(0, 256, (6, 72, 88, 3), np.uint8)
TIMES = [t / 25 for t in range(6)]


class Darker:
    """An autoencoder that takes ten grey levels away, and more with noise."""

    name, multiple = "darker", 8

    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        return np.maximum(frames, 10 + round(20 * strength.noise)) - np.uint8(10)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    folder.mkdir()
    for name, size in (("a", 96), ("b", 112)):
        write_video(folder, Recipe(width=144, height=size, frames=20), name)
    (folder / "broken.mp4").write_bytes((folder / "a.mp4").read_bytes()[:700])
    return folder


def small(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "frames": 9,
        "crop": 64,
        "encodings": Encodings(("lossless",)),
        **changes,
    }
    return Settings(**values)


# -- strengths


def test_strengths_are_read_as_they_are_written() -> None:
    for text in ("0", "0.1:32", "0.25:12"):
        assert str(parse_strength(text)) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "3", "0.1:1", "0.1:", "0.1:99999"])
def test_other_strengths_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="allowed is NOISE"):
        parse_strength(text)


# -- mixing


def test_haar_bands_hold_the_whole_picture_and_its_energy() -> None:
    picture = REAL[0].astype(np.float32)
    bands = haar(picture)
    assert set(bands) == set(BANDS)
    np.testing.assert_allclose(inverse_haar(bands), picture, atol=1e-3)
    energy = sum(float((b**2).sum()) for b in bands.values())
    assert energy == pytest.approx(float((picture**2).sum()), rel=1e-5)


def test_a_band_of_the_other_half_changes_that_band_alone() -> None:
    # Grey values in the middle: nothing is clipped, and half a level of rounding is all that stays.
    real, other = (64 + frames // 2 for frames in (REAL, OTHER))
    mixed = mix_bands(real, other, ["across1", "low"])
    for name, band in haar(mixed[0].astype(np.float32)).items():
        wanted = haar((other if name in ("across1", "low") else real)[0].astype(np.float32))[name]
        assert np.abs(band - wanted).max() <= 4.001


def test_all_bands_give_the_other_half_and_none_the_first() -> None:
    assert np.array_equal(mix_bands(REAL, OTHER, BANDS), OTHER)
    assert np.array_equal(mix_bands(REAL, OTHER, []), REAL)


def test_sides_that_are_no_multiples_of_eight_stay_whole() -> None:
    assert np.array_equal(mix_bands(REAL[:, :69, :83], OTHER[:, :69, :83], []), REAL[:, :69, :83])


def test_a_region_is_generated_where_the_mask_says() -> None:
    mask = np.zeros(REAL.shape[:3], np.uint8)
    mask[:, 10:30, 20:40] = 255
    mixed = mix_region(REAL, OTHER, mask)
    assert np.array_equal(mixed[mask == 255], OTHER[mask == 255])
    assert np.array_equal(mixed[mask == 0], REAL[mask == 0])


@pytest.mark.parametrize("seed", range(8))
def test_drawn_regions_cover_what_they_say_and_stretches_are_of_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, mask, drawn = mix(REAL, OTHER, "region", rng)
    assert (mask > 127).mean() == pytest.approx(drawn["area"], abs=0.08)
    mixed, mask, drawn = mix(REAL, OTHER, "stretch", rng)
    inside = np.zeros(6, bool)
    inside[drawn["first_frame"] : drawn["first_frame"] + drawn["frames"]] = True
    assert np.array_equal(mask.all(axis=(1, 2)), inside)
    assert np.array_equal(mixed[inside], OTHER[inside])
    assert np.array_equal(mixed[~inside], REAL[~inside])


# -- encoding


@pytest.mark.parametrize("codec", PICTURE_CODECS)
def test_every_codec_keeps_frames_and_times(tmp_path: Path, codec: str) -> None:
    frames = np.repeat(np.repeat(REAL[:, ::9, ::11], 9, axis=1), 11, axis=2)  # blocks, not noise
    path = encode(frames, TIMES, tmp_path, "half", Encoding(codec, 20))
    found, times = read_clip(path)
    assert found.shape == frames.shape
    np.testing.assert_allclose(times, TIMES, atol=2e-3)  # Matroska counts milliseconds
    error = float(np.abs(found.astype(int) - frames).mean())
    assert error == 0 if codec == "lossless" else 0 < error < 40


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such call here")
def test_no_encoder_leaves_this_thread_ahead_of_all_others(tmp_path: Path) -> None:
    """SVT-AV1 makes it a real-time thread where it runs as root."""
    before = os.sched_getscheduler(0)
    for codec in PICTURE_CODECS:
        encode(REAL[:4], TIMES[:4], tmp_path, codec, Encoding(codec, 30))
        assert os.sched_getscheduler(0) == before, codec


def test_a_condition_shrinks_both_halves_and_the_mask(tmp_path: Path) -> None:
    frames = np.repeat(np.repeat(REAL, 5, axis=1), 5, axis=2)  # 360 x 440
    masks = np.zeros(frames.shape[:3], np.uint8)
    masks[:, :180] = 255
    how = Encoding("hard", None)
    path = encode(frames, TIMES, tmp_path, "half", how)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["half.mp4"]
    placed, times = masks_as_encoded(masks, TIMES, path, how)
    found, _ = read_clip(path)
    assert placed.shape == found.shape[:3] == (3, 256, 312)  # 25 to 10 frames a second
    assert len(times) == 3
    assert (placed[:, :127] == 255).all() and (placed[:, 129:] == 0).all()


def test_a_mask_is_cut_like_the_screen_that_was_filmed(tmp_path: Path) -> None:
    frames = np.repeat(np.repeat(REAL, 5, axis=1), 5, axis=2)
    masks = np.zeros(frames.shape[:3], np.uint8)
    masks[:, :, 11:-11] = 255  # all that the centre crop of .95 leaves
    how = Encoding("screen", None)
    path = encode(frames, TIMES, tmp_path, "half", how)
    assert (masks_as_encoded(masks, TIMES, path, how)[0] == 255).all()


def test_masks_come_back_as_they_were(tmp_path: Path) -> None:
    masks = RNG.integers(0, 256, (4, 50, 62), np.uint8)
    write_masks(masks, TIMES[:4], tmp_path / "mask.mkv")
    assert np.array_equal(read_clip(tmp_path / "mask.mkv")[0], masks)


@pytest.mark.parametrize(
    "off",
    [
        Encodings(("mpeg2",)),
        Encodings(()),
        Encodings(crf_low=30, crf_high=20),
        Encodings(crf_high=60),
        Encodings(condition="raw"),
        Encodings(condition="nonsense"),
    ],
)
def test_encodings_that_cannot_be_served_are_refused(off: Encodings) -> None:
    with pytest.raises(UsageError):
        checked(off)


# -- footage and sources


def test_a_burst_is_neighbouring_frames_at_native_size(clip: Path) -> None:
    burst = read_burst(str(clip), frames=12, crop=100, multiple=8, rng=np.random.default_rng(1))
    assert burst.frames.shape == (12, 96, 96, 3)
    np.testing.assert_allclose(np.diff(burst.pts_seconds), 1 / 24, atol=1e-3)
    with av.open(str(clip)) as opened:
        frames = [f.to_ndarray(format="rgb24") for f in opened.decode(video=0)]
    first = round(burst.begins_seconds * 24)
    area = frames[first][burst.top : burst.top + 96, burst.left : burst.left + 96]
    assert np.abs(area.astype(int) - burst.frames[0]).max() <= 2  # decoders round chroma their way


def test_too_few_frames_are_an_error_and_no_pair(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=3))
    with pytest.raises(MediaError, match="3 neighbouring frames"):
        read_burst(str(path), frames=9, crop=0, multiple=8, rng=np.random.default_rng(0))


def test_only_camera_clips_of_a_manifest_are_taken_and_folds_are_those_of_training(
    tmp_path: Path,
) -> None:
    rows = [
        (f"{label}{n}.mp4", label, f"g{n}") for n in range(10) for label in ("real", "generated")
    ]
    manifest = tmp_path / "manifest.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    assert len(camera_clips(manifest)) == 10
    taken, held = without_fold(manifest, 2, 5, 0)
    assert {c.label for c in taken + held} == {"real"}
    assert len(taken) + len(held) == 10 and held
    check_no_leak(taken, held)
    with pytest.raises(UsageError, match="0 to 4"):
        without_fold(manifest, 5, 5, 0)


# -- whole runs


def test_reconstructed_pairs_differ_in_nothing_but_the_autoencoder(
    tmp_path: Path, footage: Path
) -> None:
    outcome = reconstruct_all(footage, tmp_path / "out", Darker(), small(variants=2))
    assert (outcome.made, outcome.kept) == (4, 0)
    assert {Path(path).name for path, _, _ in outcome.failed} == {"broken.mp4"}
    clips = read_manifest(tmp_path / "out" / "manifest.csv")
    assert len({c.pair_id for c in clips}) == 4 and len({c.group for c in clips}) == 2
    for pair in {c.pair_id for c in clips}:
        real, made = sorted((c for c in clips if c.pair_id == pair), key=lambda c: -(c.label > "h"))
        assert (real.label, made.label, made.generator) == ("real", "generated", "darker")
        assert (real.fps, real.width, real.codec) == (made.fps, made.width, made.codec)
        recipe = json.loads(made.recipe)
        assert recipe == json.loads(real.recipe)
        first, second = read_clip(real.path)[0], read_clip(made.path)[0]
        wanted = Darker().reconstruct(first, Strength(recipe["noise"]), 0)
        assert np.array_equal(second, wanted)


def test_a_run_goes_on_where_it_was_killed_and_gives_the_same_files(
    tmp_path: Path, footage: Path
) -> None:
    settings = small(encodings=Encodings(("h264", "vp9")))
    reconstruct_all(footage, tmp_path / "whole", Darker(), settings)
    out = tmp_path / "killed"
    reconstruct_all(footage, out, Darker(), settings)
    gone, *_ = sorted((out / "pairs").iterdir())
    shutil.rmtree(gone)
    (out / "pairs" / f".made-{gone.name}-1").mkdir()  # of a process that is no more
    (out / "DONE").unlink()
    outcome = reconstruct_all(footage, out, Darker(), settings)
    assert (outcome.made, outcome.kept) == (1, 1)
    files = [sorted(p.relative_to(d) for p in d.rglob("*")) for d in (tmp_path / "whole", out)]
    assert files[0] == files[1]
    for name in files[0]:
        if (out / name).is_file():
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_folder_belongs_to_one_recipe(tmp_path: Path, footage: Path) -> None:
    reconstruct_all(footage / "a.mp4", tmp_path / "out", Darker(), small())
    with pytest.raises(UsageError, match=r"other settings \(seed\)"):
        reconstruct_all(footage / "a.mp4", tmp_path / "out", Darker(), small(seed=1))
    with pytest.raises(UsageError, match="is not empty and holds no pairs"):
        reconstruct_all(footage / "a.mp4", footage, Darker(), small())


@pytest.mark.parametrize("condition", [None, "hard"])
def test_mixtures_have_masks_that_tell_where_they_differ(
    tmp_path: Path, footage: Path, condition: str | None
) -> None:
    reconstruct_all(footage, tmp_path / "pairs", Darker(), small())
    encodings = Encodings(("lossless",), condition=condition)
    settings = blending.Settings(("region", "stretch"), 2, encodings)
    outcome = blending.blend_all(tmp_path / "pairs", tmp_path / "out", settings)
    assert (outcome.made, outcome.failed) == (4, [])
    clips = read_manifest(tmp_path / "out" / "manifest.csv")
    for mixed in (c for c in clips if c.label == "manipulated"):
        real = next(c for c in clips if c.pair_id == mixed.pair_id and c.label == "real")
        masks = read_clip(tmp_path / "out" / mixed.mask)[0]
        frames, before = read_clip(mixed.path)[0], read_clip(real.path)[0]
        assert masks.shape == frames.shape[:3] == before.shape[:3]
        change = np.abs(frames.astype(int) - before).mean(axis=-1)
        if condition is None:
            assert (change[masks == 0] == 0).all()
            assert change[masks == masks.max()].mean() > 4
        else:
            assert change[masks > 128].mean() > change[masks < 50].mean() + 2
        assert json.loads(mixed.recipe)["reconstruction"]["autoencoder"] == "darker"
    again = blending.blend_all(tmp_path / "pairs", tmp_path / "out", settings)
    assert (again.made, again.kept) == (0, 4)


def test_an_unfinished_folder_is_not_blended(tmp_path: Path, footage: Path) -> None:
    reconstruct_all(footage / "a.mp4", tmp_path / "pairs", Darker(), small())
    (tmp_path / "pairs" / "DONE").unlink()
    result = CliRunner().invoke(
        main, ["pairs", "blend", str(tmp_path / "pairs"), str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "no finished folder of pairs" in result.stderr


def test_the_command_lists_what_failed_and_says_so_by_its_exit_code(
    tmp_path: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unreel.data.pairs import autoencoders

    monkeypatch.setattr(autoencoders, "open_autoencoder", lambda spec, device: Darker())
    call = ["pairs", "reconstruct", str(footage), str(tmp_path / "out"), "--autoencoder", "any"]
    result = CliRunner().invoke(main, [*call, "--crop", "64", "--codec", "lossless"])
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [str(tmp_path / "out" / "manifest.csv")]
    assert "2 pairs made, 0 were there, 1 sources failed" in result.stderr
    with (tmp_path / "out" / "failed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(r["path"]).name for r in rows] == ["broken.mp4"]
    assert rows[0]["code"] in ("unreadable", "not-a-video", "no-video-stream")
