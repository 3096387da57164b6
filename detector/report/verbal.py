"""Likelihood ratios in words, rarity in words, for the reader who does not live in odds.

The verbal scale is that of the ENFSI Guideline for Evaluative Reporting in Forensic Science
(approved version 3.0, 2015), guidance note on likelihood ratios and verbal equivalents: weak from
2, moderate from 10, moderately strong from 100, strong from 1,000, very strong from 10,000,
extremely strong from 1,000,000. The same words serve the other proposition with 1/LR.
"""

from __future__ import annotations

import math

from unreel.detector.records import Verdict
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.text import two_digits
from unreel.detector.verdict import in_digits

STEPS = (
    (2.0, "weak"),
    (10.0, "moderate"),
    (100.0, "moderately-strong"),
    (1_000.0, "strong"),
    (10_000.0, "very-strong"),
    (1_000_000.0, "extremely-strong"),
)
"""Smallest likelihood ratio of each step, and its key in the catalogue."""


def step_of(ratio: float) -> str | None:
    """The step of a likelihood ratio >= 1; None below the first."""
    # log10 and back must not push 10.0 under 10.
    reached = [name for least, name in STEPS if ratio >= least * (1 - 1e-9)]
    return reached[-1] if reached else None


def verbal_scale(llr: float, say: Catalogue) -> str:
    """The sentence of the ENFSI scale for a log10 likelihood ratio generated : camera."""
    step = step_of(10 ** abs(llr))
    if step is None:
        return say("enfsi-none")
    first, other = ("generated", "camera") if llr > 0 else ("camera", "generated")
    return say(
        "enfsi-support",
        strength=say(f"enfsi-{step}"),
        first=say(f"proposition-{first}"),
        other=say(f"proposition-{other}"),
    )


def likelihood(verdict: Verdict, say: Catalogue) -> str:
    """How many times likelier the evidence is under one origin than under the other."""
    llr = verdict.llr or 0.0
    if abs(llr) < math.log10(1.5):
        return say("likelihood-even")
    capped = verdict.llr_cap is not None and abs(llr) >= verdict.llr_cap - 1e-9
    return say(
        "likelihood-generated" if llr > 0 else "likelihood-camera",
        about=say("at-least") if capped else say("about"),
        times=say.mark(two_digits(10 ** abs(llr))),
    )


def ratio(verdict: Verdict, say: Catalogue) -> str:
    """LR and log10 LR as figures."""
    llr = verdict.llr or 0.0
    sign = "\N{MINUS SIGN}" if llr < 0 else "+"
    return say("ratio", lr=say.mark(two_digits(10**llr)), log=sign + say.number(abs(llr), 2))


def score(value: float | None, say: Catalogue) -> str:
    """A score with two decimals, never 1.00."""
    return "\N{EN DASH}" if value is None else say.mark(in_digits(value))


def rarity(verdict: Verdict, say: Catalogue) -> str:
    """How often camera footage scores as high."""
    point, percentile = verdict.operating_point, verdict.percentile_among_real
    if point is None or percentile is None:
        return ""
    whose = say("clips-pooled" if point.bucket == "pooled" else "clips-of-this-quality")
    share = 1 - percentile
    if share <= 0:
        return say("rarity-none", whose=whose)
    if share > 0.1:
        return say("rarity-percent", percent=f"{100 * share:.0f}", whose=whose)
    return say("rarity-one-in", count=f"{1 / share:.0f}", whose=whose)


def false_alarms(verdict: Verdict, say: Catalogue) -> str:
    """What the operating point means for a thousand camera clips."""
    point = verdict.operating_point
    if point is None:
        return ""
    return say(
        "false-alarms",
        threshold=score(point.threshold, say),
        percent=say.mark(f"{100 * point.fpr:.3g}"),
        per_thousand=say.mark(f"{1000 * point.fpr:.3g}"),
        bucket=say.messages.get(f"bucket-{point.bucket}", point.bucket),
        clips=verdict.camera_clips or "?",
    )
