"""Frames in time: held pictures and rhythms, on numbers and on one video."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from make_media import Recipe, write_video

from unreel.detector.cli import main
from unreel.detector.lanes.cadence import FrameFacts, comb, held, rhythms

CLOCK = np.arange(75) / 25
SIZE = (320, 240)


def steps_of_motion(seed: int = 0) -> np.ndarray:
    return 3 + 0.4 * np.random.default_rng(seed).normal(size=75)


def test_a_held_picture_that_jumps_on_is_found() -> None:
    steps = steps_of_motion()
    steps[30:38] = 0.01
    steps[38] = 12.0
    (found,) = held(CLOCK, steps, SIZE)
    assert (found.t_start, found.t_end) == pytest.approx((29 / 25, 38 / 25))
    assert found.boxes[0][1:] == (0.0, 0.0, 320.0, 240.0)


@pytest.mark.parametrize("step", [2, 3, 5])
def test_pictures_that_are_held_all_along_are_no_finding(step: int) -> None:
    steps = np.where(np.arange(75) % step == 0, steps_of_motion() * step, 0.01)
    assert held(CLOCK, steps, SIZE) == []
    key = np.arange(75) % 25 == 0
    assert rhythms(CLOCK, steps, np.ones(75), key, SIZE) == []


def test_a_still_end_and_a_still_scene_are_no_finding() -> None:
    ended = steps_of_motion()
    ended[60:] = 0.01
    assert held(CLOCK, ended, SIZE) == []
    assert held(CLOCK, np.full(75, 0.02), SIZE) == []


@pytest.mark.parametrize("period", [4, 8])
def test_a_rhythm_of_groups_is_found(period: int) -> None:
    rng = np.random.default_rng(1)
    sharp = 20 + 0.3 * rng.normal(size=75) + 2.0 * (np.arange(75) % period == 0)
    (found,) = rhythms(CLOCK, steps_of_motion(), sharp, np.arange(75) == 0, SIZE)
    assert found.value > 5
    assert f"every {period} frames" in found.explanation or period == 4


def test_a_rhythm_that_the_key_frames_share_is_none() -> None:
    sharp = 20 + 2.0 * (np.arange(75) % 8 == 0) + 0.1 * np.random.default_rng(1).normal(size=75)
    assert rhythms(CLOCK, steps_of_motion(), sharp, np.arange(75) % 8 == 0, SIZE) == []


def test_noise_a_trend_and_one_flash_have_no_rhythm() -> None:
    rng = np.random.default_rng(2)
    values = [comb(rng.normal(size=75) + 0.1 * np.arange(75), p) for p in (4, 8) for _ in range(20)]
    assert np.median(values) < 1
    flash = rng.normal(size=75)
    flash[20] = 60.0
    assert comb(flash, 4) < 3


def test_two_numbers_of_a_frame_tell_change_and_sharpness() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)
    flat = np.full((40, 60, 3), 128, np.uint8)
    facts = FrameFacts()
    facts.take(np.array([0, 1]), np.stack([sharp, sharp]))
    facts.take(np.array([2]), flat[None])
    assert facts.steps[1] == 0
    assert facts.steps[2] > 20
    assert facts.sharpness[0] > 100
    assert facts.sharpness[2] == 0


def test_a_scan_finds_the_held_picture_of_a_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    ground = cv2.resize(rng.integers(30, 220, (24, 60, 3), np.uint8), (480, 96))
    shift = 4 * np.arange(48)
    shift[20:28] = shift[20]  # held for a third of a second, then where it would have been
    frames = np.stack([ground[:, s : s + 160] for s in shift])
    path = write_video(tmp_path, Recipe(), frames=frames)
    lanes = ["--lanes", "residual", "--no-recheck", "--json", "-q"]
    result = CliRunner().invoke(main, ["scan", str(path), *lanes])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["findings"]
    assert found["code"] == "duplicated-frames"
    assert found["lane"] == "residual"
    assert (found["t_start"], found["t_end"]) == pytest.approx((20 / 24, 28 / 24), abs=1e-3)
    assert "camera clips)" in found["explanation"]
