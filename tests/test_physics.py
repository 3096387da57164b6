"""Laws of motion on ways that are known to the pixel: what breaks one is found, its twin is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unreel.data.pairs.artefacts import teleport as jump
from unreel.data.pairs.layers import render
from unreel.data.pairs.stage import simulated
from unreel.detector.config import CHOSEN_LANES, EVIDENCE_LANES
from unreel.detector.dense import Stretch
from unreel.detector.evidence import LANES
from unreel.detector.explaining import explanations
from unreel.detector.lanes.flight import inverted_gravity, jerks, uneven_fall
from unreel.detector.lanes.growth import scale_drifts
from unreel.detector.lanes.jumps import teleports
from unreel.detector.rigid_bodies import Body, find_bodies
from unreel.detector.scenes import Scene, build_scene
from unreel.detector.tracking import CameraMotion, PointTracks

CLOCK = np.arange(36) / 15
WIDTH, HEIGHT = 320, 180
Way = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def scene_of(*ways: NDArray[np.float64], clock: NDArray[np.float64] = CLOCK) -> Scene:
    """Things of eight corners each that go these ways (n, 3): x, y, scale; the camera stands."""
    rng = np.random.default_rng(0)
    rows = []
    for way in ways:
        corners = rng.uniform(-14, 14, (8, 1, 2))
        rows.append(way[None, :, :2] + corners * way[None, :, 2:])
    xy = np.concatenate(rows) + rng.normal(0, 0.05, (8 * len(ways), len(clock), 2))
    count = len(clock)
    camera = CameraMotion(
        np.repeat(np.eye(2, 3)[None], count, axis=0), np.ones(count), np.ones(count)
    )
    frames = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    points = PointTracks(xy.astype(np.float32), xy.astype(np.float32))
    return Scene(Stretch(0, clock, frames, 2.0), points, camera, (), (), (), False)


def way(x: NDArray[np.float64], y: NDArray[np.float64], scale: object = 1.0) -> NDArray[np.float64]:
    return np.stack([x, y, np.broadcast_to(np.asarray(scale, float), x.shape)], axis=1)


def bodies_of(scene: Scene) -> tuple[Body, ...]:
    return find_bodies(scene.points, WIDTH)


def flown(turn: float = 1.2, gravity: float = 160.0, up: float = -1.0) -> NDArray[np.float64]:
    """Falls from 30 pixels; from `turn` on gravity is `up` times as strong."""
    before, after = np.minimum(CLOCK, turn), np.maximum(CLOCK - turn, 0)
    speed = gravity * turn
    y = 30 + gravity * before**2 / 2 + speed * after + up * gravity * after**2 / 2
    return way(60 + 40 * CLOCK, y)


def test_points_that_move_alike_are_one_body() -> None:
    scene = scene_of(way(60 + 30 * CLOCK, 60 + 0 * CLOCK), way(250 - 30 * CLOCK, 130 + 0 * CLOCK))
    one, two = bodies_of(scene)
    assert sorted([one.support[-1], two.support[-1]]) == [8, 8]
    assert abs(one.centres[-1, 0] - one.centres[0, 0]) == pytest.approx(30 * CLOCK[-1], abs=1)
    assert np.abs(one.growth).max() < 0.03
    assert np.median(one.bending) < 0.2


def test_what_stands_still_is_no_body() -> None:
    assert bodies_of(scene_of(way(60 + 0 * CLOCK, 60 + 0 * CLOCK))) == ()


def test_a_fall_that_turns_into_a_rise_is_found_when_it_happens() -> None:
    scene = scene_of(flown())
    (found,) = inverted_gravity(scene, bodies_of(scene))
    assert found.code == "inverted-gravity"
    assert found.t_start == pytest.approx(1.2, abs=0.15)
    assert found.boxes[0][0] >= found.t_start - 1e-6
    assert found.boxes[0][3] == pytest.approx(2 * 36, abs=16)  # displayed pixels, a rim added


@pytest.mark.parametrize(
    "lawful",
    [
        flown(turn=9.0),  # a fall, to the end
        way(60 + 40 * CLOCK, 150 - 190 * CLOCK + 80 * CLOCK**2),  # a throw: up, then down
        way(60 + 40 * CLOCK, 90 + 50 * np.sin(4 * CLOCK)),  # a swing, a spring
        way(60 + 0 * CLOCK, 150 - 20 * CLOCK**2),  # lifted from rest
    ],
    ids=["fall", "throw", "swing", "lift"],
)
def test_what_falls_swings_or_is_thrown_is_not(lawful: NDArray[np.float64]) -> None:
    scene = scene_of(lawful)
    assert inverted_gravity(scene, bodies_of(scene)) == []


def dropped(high: float, gravity: float, slower: float = 1.0) -> NDArray[np.float64]:
    x = 60.0 if high < 30 else 220.0
    return way(x + 0 * CLOCK, high + gravity / slower**2 * CLOCK**2 / 2)


@given(st.floats(0.5, 1.2))
def test_falls_are_compared_without_units(slower: float) -> None:
    """t1^2 / t2^2 = h1 / h2 whatever the frame rate: slowed down, the same verdict."""
    even = scene_of(dropped(20, 40, slower), dropped(40, 40, slower))
    assert uneven_fall(even, bodies_of(even)) == []
    uneven = scene_of(dropped(20, 40, slower), dropped(40, 16, slower))
    (found,) = uneven_fall(uneven, bodies_of(uneven))
    assert "2.5 times" in found.explanation


def landing(high: float, gravity: float, ground: float) -> NDArray[np.float64]:
    """Falls, bounces once half as fast, and lies."""
    hit = np.sqrt(2 * (ground - high) / gravity)
    back = gravity * hit / 2
    after = np.clip(CLOCK - hit, 0, 2 * back / gravity)
    y = np.where(
        hit > CLOCK,
        high + gravity * CLOCK**2 / 2,
        ground - back * after + gravity * after**2 / 2,
    )
    return way((60.0 if high < 30 else 220.0) + 0 * CLOCK, y)


@pytest.mark.parametrize(("second", "found"), [(120.0, 0), (45.0, 1)], ids=["even", "uneven"])
def test_a_fall_is_measured_to_where_it_lands(second: float, found: int) -> None:
    scene = scene_of(landing(20, 120, 140), landing(34, second, 140))
    said = uneven_fall(scene, bodies_of(scene))
    assert len(said) == found
    assert all("2.7 times" in finding.explanation for finding in said)


def test_a_thing_thrown_to_and_fro_is_found_and_one_bounce_is_not() -> None:
    clock = np.arange(36) / 15
    swing = np.where((clock > 1) & (clock < 1.7), 16 * (np.arange(36) // 2 % 2), 0)
    shaken = scene_of(way(100 + 20 * clock + swing, 90 + 0 * clock))
    (found,) = jerks(shaken, bodies_of(shaken))
    assert found.t_start == pytest.approx(1.0, abs=0.35)
    bounced = scene_of(way(60 + 40 * clock, 150 - 90 * np.abs(clock - 1.2)))
    assert jerks(bounced, bodies_of(bounced)) == []


def test_growth_on_the_spot_is_found_and_that_of_what_comes_nearer_counts_less() -> None:
    scale = 1.8 ** np.clip(CLOCK - 0.6, 0, 1)
    on_the_spot = scene_of(way(160 + 6 * CLOCK, 90 + 0 * CLOCK, scale))
    (found,) = scale_drifts(on_the_spot, bodies_of(on_the_spot))
    assert found.value > 0.3
    assert "grows to 1.8" in found.explanation
    nearer = scene_of(way(60 + 70 * CLOCK, 90 + 10 * CLOCK, scale))
    assert all(f.value < 0.7 * found.value for f in scale_drifts(nearer, bodies_of(nearer)))
    stiff = scene_of(way(60 + 70 * CLOCK, 90 + 0 * CLOCK))
    assert scale_drifts(stiff, bodies_of(stiff)) == []


def test_a_jump_is_found_with_both_places_and_a_drift_is_not() -> None:
    rng = np.random.default_rng(7)
    clock = np.arange(24) / 12
    lawful = simulated(None, (240, 180), clock, "drift", rng)
    still = build_scene(Stretch(0, clock, render(lawful).frames, 1.0))
    assert teleports(still) == []
    edited = jump(lawful, rng)
    painted = render(edited.scene)
    scene = build_scene(Stretch(0, clock, painted.frames, 1.0))
    (found,) = teleports(scene)
    assert (found.t_start, found.t_end) == pytest.approx((edited.t_start, edited.t_end), abs=1e-3)
    at = int(np.searchsorted(clock, edited.t_end - 1e-6))
    x, y, w, h = painted.boxes["thing"][at]
    middles = [(b[1] + b[3] / 2, b[2] + b[4] / 2) for b in found.boxes if b[0] >= clock[at] - 1e-6]
    assert middles[0] == pytest.approx((x + w / 2, y + h / 2), abs=0.6 * max(w, h))


def test_each_lane_is_known_by_its_name_and_each_code_by_its_lane() -> None:
    assert tuple(LANES) == EVIDENCE_LANES
    assert {e.lane for e in explanations().values()} == set(CHOSEN_LANES)
