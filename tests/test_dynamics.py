"""Path geometry in numbers that can be worked out by hand, and the fusion of lanes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unreel.detector.errors import ModelError
from unreel.detector.fusion import Fusion, LaneWeight, load_fusion, save_fusion
from unreel.detector.lanes.dynamics import path_geometry, turns_degrees
from unreel.detector.records import Failed, Measured, Skipped


def circle(degrees: list[float]) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def test_an_even_walk_along_a_circle() -> None:
    found = path_geometry(5 * circle([0, 10, 20, 30]), [0, 0.5, 1.0, 1.5])
    assert found is not None
    step = 2 * np.sin(np.radians(5))
    assert found.speed == pytest.approx(step / 0.5)
    assert found.unevenness == pytest.approx(0, abs=1e-9)
    assert found.jerk == pytest.approx(0, abs=1e-9)
    assert found.turn_degrees == pytest.approx(10)
    assert found.turn_spread_degrees == pytest.approx(0, abs=1e-6)
    assert found.straightness == pytest.approx(2 * np.sin(np.radians(15)) / (3 * step))
    assert found.bend == pytest.approx(2 * step * np.sin(np.radians(5)))


def test_speed_is_of_time_and_not_of_frames() -> None:
    z = circle([0, 5, 15])
    fast, slow = path_geometry(z, [0, 0.1, 0.3]), path_geometry(z, [0, 1.0, 3.0])
    assert fast is not None and slow is not None
    assert fast.speed == pytest.approx(10 * slow.speed)
    assert fast.unevenness == pytest.approx(slow.unevenness)
    assert slow.unevenness < 0.01  # twice the way in twice the time


def test_there_and_back_is_a_turn_and_no_way() -> None:
    found = path_geometry(circle([0, 30, 0]), [0, 1, 2])
    assert found is not None
    assert (found.turn_degrees, found.straightness) == (pytest.approx(180), pytest.approx(0))


def test_a_still_scene_gives_numbers() -> None:
    found = path_geometry(circle([20] * 4), [0, 1, 2, 3])
    assert found is not None
    assert np.isfinite(found.as_array()).all()
    assert found.speed == 0
    assert turns_degrees(np.zeros((2, 3))).tolist() == [90]


def test_two_frames_have_no_path_and_times_must_ascend() -> None:
    assert path_geometry(circle([0, 1]), [0, 1]) is None
    with pytest.raises(ValueError, match="ascend"):
        path_geometry(circle([0, 1, 2]), [0, 1, 1])
    with pytest.raises(ValueError, match="wanted"):
        path_geometry(circle([0, 1, 2]), [0, 1])


FUSION = Fusion(
    {"learned": LaneWeight(2.0, 0.5, -4, 4), "dynamics": LaneWeight(0.5, -1.0, -2, 2)}, 0.25
)


def test_a_lane_that_says_nothing_counts_as_the_neutral_one() -> None:
    assert FUSION.logit({"learned": 1.0, "dynamics": 2.0}) == 0.25 + 2.0 + 1.0
    assert FUSION.logit({"learned": 1.0, "dynamics": None}) == 0.25 + 2.0 - 0.5
    assert FUSION.logit({"learned": 1.0, "objects": 99.0}) == FUSION.logit({"learned": 1.0})


def test_no_lane_says_more_than_in_the_fit() -> None:
    assert FUSION.logit({"learned": 1e9}) == FUSION.logit({"learned": 4.0})


def test_evidence_is_fused_by_lane_and_none_is_no_score() -> None:
    evidence = [Measured("learned", 1.0), Skipped("dynamics", "too short"), Failed("faces", "x")]
    assert FUSION.of_evidence(evidence) == FUSION.logit({"learned": 1.0})
    assert FUSION.of_evidence(evidence[1:]) is None


def test_a_fusion_comes_back_from_its_file_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fusion.json"
    save_fusion(path, FUSION)
    assert load_fusion(path) == FUSION
    for text in ("", "[]", '{"lanes": {"x": {"weight": 1}}, "intercept": 0}', '{"lanes": 3}'):
        path.write_text(text)
        with pytest.raises(ModelError, match="cannot use fusion"):
            load_fusion(path)


def test_weights_are_fitted_and_a_useless_lane_gets_next_to_none() -> None:
    pytest.importorskip("sklearn")
    from unreel.training.fusing import fit_fusion, fused_out_of_fold
    from unreel.training.metrics import auc

    rng = np.random.default_rng(0)
    labels = np.repeat([0.0, 1.0], 300)
    good, other = labels * 2 + rng.normal(size=600), labels + rng.normal(size=600)
    noise = rng.normal(size=600)
    other[::7] = np.nan  # had nothing to look at
    fusion = fit_fusion({"learned": good, "objects": other, "dynamics": noise}, labels)
    assert fusion.lanes["learned"].weight > fusion.lanes["objects"].weight > 0.4
    assert abs(fusion.lanes["dynamics"].weight) < 0.25
    folds = np.arange(600) % 5
    fused = fused_out_of_fold({"learned": good, "objects": other}, labels, folds)
    assert auc(labels, fused) > auc(labels, good) + 0.01
