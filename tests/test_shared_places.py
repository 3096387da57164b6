"""Two things at one place, snow that turns round; and their lawful twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.data.pairs.artefacts import pass_through
from unreel.data.pairs.edited import Edited
from unreel.data.pairs.lawful import collision, in_front
from unreel.data.pairs.layers import render
from unreel.data.pairs.particles import bubbles, snow_that_turns, snowfall
from unreel.data.pairs.simulate import Law
from unreel.data.pairs.stage import simulated
from unreel.detector.dense import Stretch
from unreel.detector.lanes.particles import rising_particles
from unreel.detector.lanes.passing import _mixed, interpenetrations
from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import find_bodies
from unreel.detector.scenes import Scene, build_scene

CLOCK = np.arange(36) / 15
SIZE = (320, 180)


def seen(edited: Edited) -> Scene:
    return build_scene(Stretch(0, CLOCK, render(edited.scene).frames, 1.0))


def passing(scene: Scene) -> list[Finding]:
    return interpenetrations(scene, find_bodies(scene.points, SIZE[0]))


@pytest.mark.parametrize("seed", [1, 3])
def test_two_things_seen_through_each_other_are_found_and_hiding_is_not(seed: int) -> None:
    through = Law(passes_through=True)
    scene = simulated(None, SIZE, CLOCK, "pair", np.random.default_rng(seed), through)
    rng = np.random.default_rng(0)
    planted = pass_through(scene, rng)
    found = passing(seen(planted))
    assert found
    best = max(found, key=lambda f: f.value)
    assert best.code == "interpenetration"
    assert best.t_start < planted.t_end and best.t_end > planted.t_start
    assert {round(box[0], 3) for box in best.boxes} <= {round(float(t), 3) for t in CLOCK}
    assert passing(seen(in_front(scene, rng))) == []
    pushed = simulated(None, SIZE, CLOCK, "pair", np.random.default_rng(seed))
    assert passing(seen(collision(pushed, rng))) == []


@given(
    a=st.floats(0, 1), b=st.floats(0, 1), c=st.floats(0, 60), seed=st.integers(0, 9)
)  # fmt: skip
def test_the_shares_of_a_mixture_are_what_was_mixed(
    a: float, b: float, c: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 90, (2, 12, 14, 3)).astype(np.uint8)
    here = (a * one + b * other + c).astype(np.uint8)
    if here.std() < 4:
        return
    explained, first, second = _mixed(here, one, other)
    assert explained > 0.98
    assert (first, second) == pytest.approx((a, b), abs=0.03)


def test_snow_that_rises_is_found_and_snow_that_falls_or_bubbles_are_not() -> None:
    rng = np.random.default_rng(5)
    scene = simulated(None, SIZE, CLOCK, "drift", rng)
    planted = snow_that_turns(scene, rng)
    (found,) = rising_particles(seen(planted))
    assert found.code == "inverted-gravity"
    assert abs(found.t_start - planted.t_start) < 0.4
    assert "rise from" in found.explanation
    assert min(box[3] for box in found.boxes) > 0.6 * SIZE[0], "it is all over the picture"
    assert rising_particles(seen(snowfall(scene, rng))) == []
    assert rising_particles(seen(bubbles(scene, rng))) == []
    assert rising_particles(seen(Edited(scene, 0.0, 1.0))) == []
