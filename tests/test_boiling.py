"""Surfaces painted anew are found, with place and time; noise, motion and flashes are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_scenes import FPS, HEIGHT, SIDE, WIDTH, Place, stretch_of

from unreel.detector.lanes.boiling import _levels, _quiet, boiling
from unreel.detector.records import Finding
from unreel.detector.scenes import build_scene

FIRST, LAST = 12, 24
"""Frames between which the thing boils; 36 in all."""
Draw = Callable[[int, np.ndarray], None]


def walk(index: int) -> Place:
    return 60 + 1.5 * index, 50.0


def noise(index: int, height: int, width: int, *, strength: float) -> np.ndarray:
    """Another pattern for each frame, of blotches of two pixels."""
    rng = np.random.default_rng([7, index])
    fine = rng.normal(0, strength, ((height + 1) // 2, (width + 1) // 2, 1))
    return np.kron(fine, np.ones((2, 2, 1)))[:height, :width]


def painted_anew(index: int, picture: np.ndarray) -> None:
    if FIRST <= index < LAST:
        x, y = (round(v) for v in (walk(index) or (0, 0)))
        part = picture[y : y + SIDE, x : x + SIDE]
        part[:] = np.clip(part + noise(index, SIDE, SIDE, strength=38), 0, 255)


def grain(index: int, picture: np.ndarray) -> None:
    picture[:] = np.clip(picture + noise(index, HEIGHT, WIDTH, strength=25), 0, 255)


def flash(index: int, picture: np.ndarray) -> None:
    if index % 8 == 4:
        picture[:] = np.minimum(255, picture.astype(int) + 90)


def nothing(index: int, picture: np.ndarray) -> None:
    pass


def found_in(over: Draw, *, pan: float) -> list[Finding]:
    return boiling(build_scene(stretch_of(walk, frames=36, pan=pan, over=over)))


@pytest.mark.parametrize("pan", [0.0, 1.0])
def test_a_surface_that_is_painted_anew_is_found_where_and_when(pan: float) -> None:
    (found,) = found_in(painted_anew, pan=pan)
    assert found.value > 6
    assert found.t_start == pytest.approx(FIRST / FPS, abs=0.3)
    assert found.t_end == pytest.approx((LAST - 1) / FPS, abs=0.3)
    t, x, y, w, h = found.boxes[len(found.boxes) // 2]
    middle = walk(round(t * FPS))
    assert middle is not None
    # Displayed pixels are twice the small ones.
    assert (x + w / 2) / 2 == pytest.approx(middle[0] + SIDE / 2, abs=12)
    assert (y + h / 2) / 2 == pytest.approx(middle[1] + SIDE / 2, abs=12)
    assert "painted anew" in found.explanation


@pytest.mark.parametrize("pan", [0.0, 1.0])
@pytest.mark.parametrize("over", [nothing, grain, flash], ids=lambda draw: draw.__name__)
def test_what_cameras_record_is_not_boiling(over: Draw, pan: float) -> None:
    assert found_in(over, pan=pan) == []


def test_short_stretches_say_nothing() -> None:
    assert boiling(build_scene(stretch_of(walk, frames=8, over=painted_anew))) == []


@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(8, 40), steps=st.integers(4, 9))
def test_medians_of_windows_are_those_of_numpy(seed: int, frames: int, steps: int) -> None:
    steps = min(steps, frames)
    anew = np.random.default_rng(seed).random((frames, 2, 3), np.float32)
    _, usual = _levels(anew, steps)
    for at, median in enumerate(usual):
        assert np.array_equal(median, np.median(anew[at : at + steps], axis=0))
        sides = [anew[max(0, at - steps) : at], anew[at + steps : at + 2 * steps]]
        medians = [np.median(side, axis=0) for side in sides if len(side) >= steps // 2]
        quiet = _quiet(anew, at, steps, usual)
        assert (quiet is None) == (not medians)
        assert quiet is None or np.array_equal(quiet, np.minimum.reduce(medians))
