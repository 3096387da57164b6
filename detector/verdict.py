"""From a clip's logit to the words `generated`, `inconclusive` or `no-evidence`, with reasons.

* generated      the score reaches the threshold for the allowed false alarms, and still does after
                 one re-encode
* inconclusive   the score is only near it, a re-encode flips it, one shot alone reaches it, or
                 no lane could look
* no-evidence    everything else; never "real", for pixels cannot show that
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from unreel.detector.errors import UsageError
from unreel.detector.records import (
    Evidence,
    Label,
    Measured,
    OperatingPoint,
    Shot,
    ShotScore,
    Verdict,
    Window,
)

if TYPE_CHECKING:
    from unreel.detector.calibration import Calibration

POOLED = "pooled"
BAND_FACTOR = 5.0
"""Scores that up to this many times the allowed share of camera clips reach are `inconclusive`."""
RECHECK_FACTOR = 20.0
"""Scores that up to this many times the allowed share of camera clips reach are checked by a
re-encode; it lifts no lower one over the threshold."""


def calibrated(evidence: Evidence, calibration: Calibration) -> Evidence:
    """The same evidence with scores beside its logits."""
    if not isinstance(evidence, Measured) or evidence.logit is None:
        return evidence
    windows = tuple(replace(w, score=calibration.score(w.logit)) for w in evidence.windows)
    return replace(evidence, windows=windows, score=calibration.score(evidence.logit))


def score_shots(
    shots: Sequence[Shot],
    planned: Sequence[Window],
    evidence: Evidence,
    calibration: Calibration,
) -> tuple[ShotScore, ...]:
    """Score each shot by the mean logit of its windows.

    Args:
        shots: All of them, those without a window included.
        planned: The windows that were to be read.
        evidence: Of the lane that judges windows.
        calibration: Turns logits into scores.
    """
    windows = evidence.windows if isinstance(evidence, Measured) else ()
    was_planned = {window.shot for window in planned}
    scores = []
    for shot in shots:
        logits = [w.logit for w in windows if w.shot == shot.index]
        score = calibration.score(float(np.mean(logits))) if logits else None
        reason = None if logits else _why_not_judged(shot.index in was_planned)
        scores.append(ShotScore(shot.t_start, shot.t_end, score, reason))
    return tuple(scores)


def _why_not_judged(was_planned: bool) -> str:
    if was_planned:
        return "too few of its frames could be judged"
    return "too short, or beyond the budget of windows"


def decide(
    evidence: Evidence,
    *,
    shots: Sequence[ShotScore],
    recheck_logit: float | None,
    calibration: Calibration,
    bucket: str,
    fpr: float,
) -> Verdict:
    """The verdict on a clip.

    Args:
        evidence: Of the lane that makes the score.
        shots: Scores of the single shots.
        recheck_logit: The clip's logit after one re-encode; None = the check was left out.
        calibration: Of the model that made the logits.
        bucket: Quality bucket of the clip.
        fpr: Share of camera clips that may be called `generated`.
    """
    if not isinstance(evidence, Measured):
        return Verdict("inconclusive", None, None, None, None, (f"not judged: {evidence.reason}",))
    if evidence.logit is None:
        raise ValueError(f"lane {evidence.lane} has findings only: no verdict comes of it")
    point = _operating_point(calibration, fpr, bucket)
    band = calibration.operating_point(min(BAND_FACTOR * fpr, 0.5), point.bucket)
    score = calibration.score(evidence.logit)
    recheck = None if recheck_logit is None else calibration.score(recheck_logit)
    label, reasons = _label(score, recheck, shots, point, band)
    if point.bucket != bucket:
        reasons.append(
            f"too few camera clips of this quality ({bucket}) to calibrate on: threshold and "
            "share are those of all camera clips"
        )
    return Verdict(
        label=label,
        score=score,
        llr=calibration.llr(evidence.logit),
        percentile_among_real=calibration.percentile_among_real(evidence.logit, point.bucket),
        operating_point=point,
        reasons=tuple(reasons),
        llr_cap=calibration.cap,
        camera_clips=calibration.camera_clips(bucket),
    )


def within_reach(evidence: Evidence, calibration: Calibration, bucket: str, fpr: float) -> bool:
    """Whether one re-encode may change the label.

    Under three re-encodes of 557 clips none came over the threshold from below this reach.

    Args:
        evidence: Of the lane that makes the score.
        calibration: Of the model that made it.
        bucket: Quality bucket of the clip.
        fpr: Share of camera clips that may be called `generated`.
    """
    if not isinstance(evidence, Measured) or evidence.logit is None:
        return False
    point = _operating_point(calibration, min(RECHECK_FACTOR * fpr, 0.5), bucket)
    return calibration.score(evidence.logit) >= point.threshold


def in_digits(score: float) -> str:
    """A score for a person: two decimals, but never 1.00 or 0.00, for no score is a certainty."""
    if 0.01 <= score <= 0.99:
        return f"{score:.2f}"
    return f"{min(max(score, 0.0001), 0.9999):.4f}"


def _operating_point(calibration: Calibration, fpr: float, bucket: str) -> OperatingPoint:
    """That of the clip's quality, or of all camera clips where those are too few for `fpr`."""
    try:
        return calibration.operating_point(fpr, bucket)
    except UsageError:
        return calibration.operating_point(fpr, POOLED)


def _label(
    score: float,
    recheck: float | None,
    shots: Sequence[ShotScore],
    point: OperatingPoint,
    band: OperatingPoint,
) -> tuple[Label, list[str]]:
    """The label and the sentences that give its grounds."""
    after = "" if recheck is None else f" ({in_digits(score)} before, {in_digits(recheck)} after)"
    if score >= point.threshold:
        if recheck is not None and recheck < point.threshold:
            return "inconclusive", [f"one re-encode takes the score below the threshold{after}"]
        held = "" if recheck is None else f", also after one re-encode ({in_digits(recheck)})"
        return "generated", [f"the score reaches the threshold{held}"]
    doubts = []
    if score >= band.threshold:
        doubts.append(
            f"the score is below the threshold, but only {100 * band.fpr:.3g} % of camera clips "
            f"reach {in_digits(band.threshold)}"
        )
    if recheck is not None and recheck >= point.threshold:
        doubts.append(f"one re-encode lifts the score over the threshold{after}")
    doubts += _single_shots(shots, point)
    if doubts:
        return "inconclusive", doubts
    return "no-evidence", ["the score stays below the threshold"]


def _single_shots(shots: Sequence[ShotScore], point: OperatingPoint) -> list[str]:
    """A sentence when single shots reach the threshold that the whole clip does not reach."""
    judged = [s.score for s in shots if s.score is not None]
    reaching = sum(score >= point.threshold for score in judged)
    if len(judged) < 2 or not reaching:
        return []
    # Each further shot is one more chance for a false alarm.
    by_chance = 1 - (1 - point.fpr) ** len(judged)
    return [
        f"{reaching} of {len(judged)} judged shots alone reach the threshold; about "
        f"{100 * by_chance:.2g} % of camera videos with so many shots would show one by chance"
    ]
