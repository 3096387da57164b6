"""What a logit means: likelihood ratio, percentile and threshold, checked by counting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.calibration import (
    POOLED,
    Bucket,
    Calibration,
    bucket_name,
    load_calibration,
    parse_calibration,
)
from unreel.detector.errors import ModelError, UsageError

REAL = np.sort(np.random.default_rng(0).normal(-1, 1, 300))
GENERATED = np.sort(np.random.default_rng(1).normal(1, 1, 250))
# Two unit normals at -1 and +1: the true ln LR is 2x.
CALIBRATION = Calibration(2.0, 0.0, {POOLED: Bucket(REAL, GENERATED, 300)}, 300, 250)


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.1, 0.5])
def test_no_more_camera_clips_than_allowed_reach_the_threshold(fpr: float) -> None:
    point = CALIBRATION.operating_point(fpr, POOLED)
    scores = np.array([CALIBRATION.score(x) for x in REAL])
    flagged = (scores >= point.threshold).sum()
    assert flagged == math.floor(fpr * 300)


def test_a_share_that_the_clips_cannot_support_is_refused() -> None:
    with pytest.raises(UsageError, match=r"0\.001 was asked for; the 300 held-out"):
        CALIBRATION.operating_point(0.001, POOLED)


def test_a_clip_under_two_conditions_counts_once() -> None:
    twice = Bucket(np.sort(np.concatenate([REAL, REAL])), GENERATED, 300)
    found = Calibration(2.0, 0.0, {POOLED: twice}, 300, 250)
    assert found.camera_clips("anything") == 300
    with pytest.raises(UsageError, match=r"the 300 held-out .* support 0\.0033"):
        found.operating_point(0.002, POOLED)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_score_and_llr_keep_the_order_of_logits(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert CALIBRATION.score(low) <= CALIBRATION.score(high)
    assert CALIBRATION.llr(low) <= CALIBRATION.llr(high)


def test_llr_is_the_log10_of_the_ratio_until_the_cap() -> None:
    assert CALIBRATION.llr(1.0) == pytest.approx(2 / math.log(10))
    assert CALIBRATION.score(1.0) == pytest.approx(math.exp(2) / (1 + math.exp(2)))
    # 250 generated clips cannot show a ratio of more than 250.
    assert CALIBRATION.llr(40.0) == pytest.approx(math.log10(250))
    assert CALIBRATION.llr(-40.0) == pytest.approx(-math.log10(250))


def test_percentile_counts_camera_clips_below() -> None:
    assert CALIBRATION.percentile_among_real(REAL[0] - 1, POOLED) == 0
    assert CALIBRATION.percentile_among_real(REAL[-1] + 1, POOLED) == 1
    assert CALIBRATION.percentile_among_real(float(REAL[150]), POOLED) == 0.5


def test_a_bucket_without_clips_of_its_own_takes_the_pooled_point_and_says_so() -> None:
    assert CALIBRATION.operating_point(0.05, "large frames, light compression").bucket == POOLED


def test_the_reference_holds_the_quantiles_of_both_classes() -> None:
    found = CALIBRATION.reference("anything")
    assert (found.bucket, found.camera_clips) == (POOLED, 300)
    for scores, logits in ((found.camera_scores, REAL), (found.generated_scores, GENERATED)):
        assert len(scores) == 101
        assert list(scores) == sorted(scores)
        middle = CALIBRATION.score(float(np.median(logits)))
        assert (scores[0], scores[50], scores[100]) == pytest.approx(
            (CALIBRATION.score(logits[0]), middle, CALIBRATION.score(logits[-1]))
        )


def test_a_calibration_without_generated_clips_still_has_a_reference() -> None:
    content = {"slope": 1, "intercept": 0, "real_clips": 3, "generated_clips": 0}
    bucket = {"real_logits": [1.0, 0.0, 2.0], "real_clips": 3}
    found = parse_calibration({**content, "buckets": {POOLED: bucket}}).reference(POOLED)
    assert found.generated_scores == ()
    assert found.camera_scores[50] == pytest.approx(1 / (1 + math.exp(-1)))


@pytest.mark.parametrize(
    ("short_side", "bits", "expected"),
    [
        (360, 0.05, "small frames, strong compression"),
        (361, 0.15, "large frames, light compression"),
    ],
)
def test_bucket_borders(short_side: float, bits: float, expected: str) -> None:
    assert bucket_name(short_side, bits) == expected


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"buckets": {"pooled": {"slope": 1}}, "real_clips": 2}']
)
def test_a_broken_file_is_a_model_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(ModelError, match="calibration"):
        load_calibration(path)


def test_a_file_without_camera_clips_is_a_model_error(tmp_path: Path) -> None:
    bucket = {"real_logits": [], "generated_logits": [1.0], "real_clips": 0}
    path = tmp_path / "calibration.json"
    content = {"slope": 1, "intercept": 0, "buckets": {"pooled": bucket},
               "real_clips": 0, "generated_clips": 1}  # fmt: skip
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="lacks camera clips"):
        load_calibration(path)
