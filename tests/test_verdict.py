"""When is it `generated`, when `inconclusive`, and is the reason said?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.detector.errors import UsageError
from unreel.detector.records import (
    Failed,
    Measured,
    OperatingPoint,
    Shot,
    ShotScore,
    Skipped,
    Verdict,
    Window,
    WindowScore,
)
from unreel.detector.verdict import calibrated, decide, in_digits, score_shots, within_reach


@dataclass(frozen=True)
class LogisticCalibration:
    """Score = sigmoid(logit); `generated` from 0.9 at 1 %, the band from 0.7 at 5 %."""

    cap: float = 2.0

    def camera_clips(self, bucket: str) -> int:
        return 289

    def score(self, logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    def llr(self, logit: float) -> float:
        return max(-self.cap, min(self.cap, logit / math.log(10)))

    def percentile_among_real(self, logit: float, bucket: str) -> float:
        return self.score(logit)

    def operating_point(self, fpr: float, bucket: str) -> OperatingPoint:
        if bucket == "rare" and fpr < 0.02:
            raise UsageError("too few clips of this quality")
        threshold = {0.01: 0.9, 0.05: 0.7, 0.02: 0.8, 0.1: 0.6, 0.2: 0.5, 0.5: 0.2}[round(fpr, 4)]
        return OperatingPoint(fpr, threshold, "rare" if bucket == "rare" else "pooled")


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def verdict_on(
    score: float, *, recheck: float | None = None, shots: tuple[float, ...] = (), fpr: float = 0.01
) -> Verdict:
    return decide(
        Measured("learned", logit(score)),
        shots=[ShotScore(i, i + 1, s) for i, s in enumerate(shots)],
        recheck_logit=None if recheck is None else logit(recheck),
        calibration=LogisticCalibration(),
        bucket="pooled",
        fpr=fpr,
    )


@pytest.mark.parametrize(
    ("score", "fpr", "checked"),
    [(0.95, 0.01, True), (0.51, 0.01, True), (0.49, 0.01, False), (0.21, 0.1, True)],
)
def test_a_re_encode_matters_near_the_threshold(score: float, fpr: float, checked: bool) -> None:
    evidence = Measured("learned", logit(score), ())
    assert within_reach(evidence, LogisticCalibration(), "pooled", fpr) == checked


def test_nothing_is_re_encoded_where_nothing_was_judged() -> None:
    assert not within_reach(Skipped("learned", "too short"), LogisticCalibration(), "pooled", 0.01)


@pytest.mark.parametrize(
    ("score", "recheck", "shots", "label"),
    [
        (0.95, None, (), "generated"),
        (0.95, 0.92, (0.95,), "generated"),
        (0.95, 0.40, (), "inconclusive"),  # the re-encode takes it back
        (0.95, 0.85, (), "inconclusive"),  # even when it stays near
        (0.80, None, (), "inconclusive"),  # between the 5 % and the 1 % threshold
        (0.30, 0.95, (), "inconclusive"),  # the re-encode lifts it
        (0.30, 0.80, (), "no-evidence"),
        (0.30, None, (0.1, 0.97), "inconclusive"),  # an edit may be generated in part
        (0.30, None, (0.97,), "no-evidence"),  # the only shot says what the clip says
        (0.30, 0.20, (0.1, 0.2), "no-evidence"),
        (0.01, None, (), "no-evidence"),
    ],
)
def test_labels(score: float, recheck: float | None, shots: tuple[float, ...], label: str) -> None:
    assert verdict_on(score, recheck=recheck, shots=shots).label == label


def test_the_share_of_false_alarms_moves_threshold_and_band() -> None:
    assert verdict_on(0.85).label == "inconclusive"
    assert verdict_on(0.85, fpr=0.02).label == "generated"
    assert verdict_on(0.65, fpr=0.01).label == "no-evidence"
    assert verdict_on(0.65, fpr=0.02).label == "inconclusive"


def test_reasons_give_the_numbers() -> None:
    (reason,) = verdict_on(0.95, recheck=0.4).reasons
    assert reason == "one re-encode takes the score below the threshold (0.95 before, 0.40 after)"
    (reason,) = verdict_on(0.80).reasons
    assert "only 5 % of camera clips reach 0.70" in reason


def test_several_shots_are_several_chances_for_a_false_alarm() -> None:
    (reason,) = verdict_on(0.3, shots=(0.97, 0.1, 0.1, 0.1, 0.1)).reasons
    assert "1 of 5 judged shots" in reason
    assert "4.9 %" in reason  # 1 - 0.99^5


@pytest.mark.parametrize("bucket", ["rare", "unknown"])
def test_the_fall_back_to_all_camera_clips_is_said(bucket: str) -> None:
    verdict = decide(
        Measured("learned", 0.0),
        shots=(),
        recheck_logit=None,
        calibration=LogisticCalibration(),
        bucket=bucket,
        fpr=0.01,
    )
    assert verdict.operating_point == OperatingPoint(0.01, 0.9, "pooled")
    assert f"({bucket})" in verdict.reasons[-1]
    assert "those of all camera clips" in verdict.reasons[-1]


@pytest.mark.parametrize("evidence", [Skipped("learned", "too short"), Failed("learned", "broke")])
def test_nothing_looked_at_is_inconclusive_without_numbers(evidence: Skipped | Failed) -> None:
    verdict = decide(
        evidence,
        shots=(),
        recheck_logit=None,
        calibration=LogisticCalibration(),
        bucket="pooled",
        fpr=0.01,
    )
    assert (verdict.label, verdict.score, verdict.llr) == ("inconclusive", None, None)
    assert evidence.reason in verdict.reasons[0]


def test_the_verdict_carries_what_stands_behind_it() -> None:
    verdict = verdict_on(0.95)
    assert verdict.score == pytest.approx(0.95)
    assert verdict.llr == pytest.approx(math.log10(19))
    assert verdict.operating_point == OperatingPoint(0.01, 0.9, "pooled")
    assert (verdict.llr_cap, verdict.camera_clips) == (2.0, 289)


unit = st.floats(min_value=0.001, max_value=0.999)


@given(unit, st.none() | unit, st.lists(unit, max_size=4))
def test_generated_needs_the_threshold_before_and_after_the_re_encode(
    score: float, recheck: float | None, shots: list[float]
) -> None:
    verdict = verdict_on(score, recheck=recheck, shots=tuple(shots))
    assert verdict.score is not None
    if verdict.label == "generated":
        assert verdict.score >= 0.9
        assert recheck is None or recheck >= 0.9 - 1e-9
    assert verdict.reasons


def test_shots_are_scored_by_the_mean_of_their_windows() -> None:
    shots = [Shot(0, 0.0, 2.0), Shot(1, 2.0, 2.1), Shot(2, 2.1, 5.0)]
    planned = [Window(0, (0, 1), 0.0, 1.0), Window(2, (60, 61), 2.2, 3.0)]
    windows = (WindowScore(0, 0.0, 1.0, -1.0), WindowScore(0, 1.0, 2.0, 3.0))
    scores = score_shots(shots, planned, Measured("learned", 1.0, windows), LogisticCalibration())
    assert scores[0].score == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert [s.score for s in scores[1:]] == [None, None]
    assert scores[1].reason == "too short, or beyond the budget of windows"
    assert scores[2].reason == "too few of its frames could be judged"


def test_calibrated_evidence_has_scores_beside_its_logits() -> None:
    evidence = Measured("learned", 0.0, (WindowScore(0, 0.0, 1.0, 0.0),))
    scored = calibrated(evidence, LogisticCalibration())
    assert isinstance(scored, Measured)
    assert (scored.score, scored.windows[0].score) == (0.5, 0.5)
    skipped = Skipped("learned", "no")
    assert calibrated(skipped, LogisticCalibration()) is skipped


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (0.5, "0.50"),
        (0.99, "0.99"),
        (0.9951, "0.9951"),
        (1 - 1e-12, "0.9999"),
        (0.01, "0.01"),
        (0.0042, "0.0042"),
        (0.0, "0.0001"),
    ],
)
def test_no_score_is_shown_as_a_certainty(score: float, shown: str) -> None:
    assert in_digits(score) == shown
