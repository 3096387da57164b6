"""Windows by time stamp: deterministic, inside their shot, within the budget."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.config import SamplingConfig
from unreel.detector.records import Shot, Window
from unreel.detector.sampling import plan_windows

CONFIG = SamplingConfig()


def steady(seconds: float, fps: float) -> np.ndarray:
    return np.arange(round(seconds * fps)) / fps


def one_shot(pts: np.ndarray, seconds: float) -> tuple[Window, ...]:
    return plan_windows(pts, [Shot(0, 0.0, seconds)], CONFIG)


def test_six_seconds_hold_two_windows_of_eight_frames_a_quarter_second_apart() -> None:
    pts = steady(6.0, 24)
    windows = one_shot(pts, 6.0)
    assert len(windows) == 2
    for window in windows:
        assert len(window.frame_indices) == 8
        np.testing.assert_allclose(np.diff(pts[list(window.frame_indices)]), 0.25, atol=1e-9)
    assert windows[0].frame_indices[0] == 0
    assert windows[1].frame_indices[-1] == 143


@pytest.mark.parametrize("fps", [4, 8, 10, 23.976, 25, 29.97, 30, 50, 60, 120])
def test_windows_hold_the_same_time_at_every_frame_rate(fps: float) -> None:
    pts = steady(10.0, fps)
    for window in one_shot(pts, 10.0):
        assert window.t_end - window.t_start == pytest.approx(1.75, abs=1 / fps)
        assert len(window.frame_indices) == 8


def test_variable_frame_rate_is_sampled_by_time() -> None:
    """Two seconds at 60 frames a second, then two at 10: quarters of a second all the same."""
    pts = np.concatenate([np.arange(0, 2, 1 / 60), np.arange(2, 4, 0.1)])
    (window, *_) = one_shot(pts, 4.0)
    np.testing.assert_allclose(np.diff(pts[list(window.frame_indices)]), 0.25, atol=0.06)


def test_two_hours_get_no_more_windows_than_the_budget() -> None:
    windows = one_shot(steady(7200, 25), 7200.0)
    assert len(windows) == CONFIG.max_windows
    assert windows[0].t_start == 0.0
    assert windows[-1].t_end == pytest.approx(7200, abs=0.05)


def test_each_shot_gets_a_window_and_the_longest_come_first() -> None:
    pts = steady(30.0, 24)
    edges = [0, 1, 3, 4.5, 6, 10, 11.2, 13, 16, 17, 30]
    shots = [Shot(i, a, b) for i, (a, b) in enumerate(itertools.pairwise(edges))]
    windows = plan_windows(pts, shots, CONFIG)
    assert len(windows) == 8
    assert len({w.shot for w in windows}) == 8
    missed = {s.index for s in shots} - {w.shot for w in windows}
    assert missed == {8, 0} or missed == {0, 8}  # the two of one second


def test_a_short_shot_gives_its_frames_closer_together() -> None:
    pts = steady(1.0, 24)
    (window,) = one_shot(pts, 1.0)
    assert len(window.frame_indices) == 8
    assert (window.frame_indices[0], window.frame_indices[-1]) == (0, 23)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_few_frames_give_no_window(count: int) -> None:
    pts = np.arange(count) / 2.0
    assert one_shot(pts, 2.0) == ()


def test_a_flash_gives_no_window() -> None:
    pts = steady(2.0, 60)
    assert plan_windows(pts, [Shot(0, 0.5, 0.7)], CONFIG) == ()


def test_a_slide_show_gives_consecutive_frames() -> None:
    pts = np.arange(20) * 2.0
    for window in one_shot(pts, 40.0):
        assert len(window.frame_indices) >= CONFIG.min_frames
        assert set(np.diff(window.frame_indices)) == {1}


@given(
    gaps=st.lists(st.floats(0.001, 3.0), min_size=1, max_size=300),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=12),
)
def test_any_plan_keeps_its_promises(gaps: list[float], cuts: list[float]) -> None:
    pts = np.concatenate([[0.0], np.cumsum(gaps)])
    end = float(pts[-1]) + 0.04
    edges = [0.0, *sorted({float(pts[int(c * (len(pts) - 1))]) for c in cuts} - {0.0}), end]
    shots = [Shot(i, a, b) for i, (a, b) in enumerate(itertools.pairwise(edges))]
    windows = plan_windows(pts, shots, CONFIG)
    assert windows == plan_windows(pts, shots, CONFIG)
    assert len(windows) <= CONFIG.max_windows
    assert list(windows) == sorted(windows, key=lambda w: w.t_start)
    for window in windows:
        times = pts[list(window.frame_indices)]
        shot = shots[window.shot]
        assert CONFIG.min_frames <= len(times) <= CONFIG.frames_per_window
        assert (np.diff(window.frame_indices) > 0).all()
        assert shot.t_start - 1e-3 <= times[0] and times[-1] < shot.t_end
        assert (window.t_start, window.t_end) == (times[0], times[-1])
