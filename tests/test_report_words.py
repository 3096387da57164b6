"""The words of the report: two languages that say the same, the verbal scale, known sentences."""

from __future__ import annotations

import math
import string
from typing import Any

import pytest

from unreel.detector.calibration import POOLED, Bucket, Calibration
from unreel.detector.errors import UsageError
from unreel.detector.records import Measured, OperatingPoint, ShotScore, Skipped, Verdict
from unreel.detector.report.catalogue import LANGUAGES, Catalogue
from unreel.detector.report.sentences import KEYS, translated
from unreel.detector.report.verbal import false_alarms, likelihood, rarity, step_of, verbal_scale
from unreel.detector.verdict import decide

ENGLISH, GERMAN = Catalogue("en"), Catalogue("de")


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_there_in_every_language_with_the_same_placeholders(language: str) -> None:
    messages = Catalogue(language).messages
    assert messages.keys() == ENGLISH.messages.keys()
    for key, text in messages.items():
        assert text.strip(), key
        assert placeholders(text) == placeholders(ENGLISH.messages[key]), key


def test_the_languages_differ_where_there_are_words() -> None:
    same = {k for k, v in GERMAN.messages.items() if v == ENGLISH.messages[k]}
    assert same <= {"ratio", "blind-lane", "finding-title",
                    "finding-measure", "fact-name", "fact-sha256", "fact-container", "fact-codec",
                    "fact-hdr", "fact-decoder", "error-code"}  # fmt: skip


def test_another_language_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="en, de; 'fr' was asked for"):
        Catalogue("fr")


@pytest.mark.parametrize(
    ("ratio", "step"),
    [
        (1, None),
        (1.99, None),
        (2, "weak"),
        (9.9, "weak"),
        (10, "moderate"),
        (99, "moderate"),
        (100, "moderately-strong"),
        (1_000, "strong"),
        (9_999, "strong"),
        (10_000, "very-strong"),
        (999_999, "very-strong"),
        (1_000_000, "extremely-strong"),
    ],
)
def test_the_steps_of_the_enfsi_scale(ratio: float, step: str | None) -> None:
    assert step_of(ratio) == step
    assert step_of(10 ** math.log10(ratio)) == step


def test_the_scale_names_the_supported_side_first() -> None:
    assert verbal_scale(1.5, ENGLISH) == (
        "The findings provide moderate support for the proposition that the clip is generated, "
        "relative to the proposition that the clip is camera footage."
    )
    assert "dass das Video eine Kameraaufnahme ist, gegenüber" in verbal_scale(-2.5, GERMAN)
    assert "mäßig stark" in verbal_scale(-2.5, GERMAN)
    assert verbal_scale(0.1, ENGLISH).endswith("one proposition over the other.")


def verdict(llr: float, percentile: float = 0.5) -> Verdict:
    point = OperatingPoint(0.01, 0.91, POOLED)
    return Verdict("inconclusive", 0.5, llr, percentile, point, (), 2.0, 137)


def test_figures_have_the_decimal_mark_of_the_language() -> None:
    assert "about 2.2 times likelier for camera" in likelihood(verdict(-0.35), ENGLISH)
    assert "etwa 2,2-mal wahrscheinlicher" in likelihood(verdict(-0.35), GERMAN)
    assert "at least 100 times" in likelihood(verdict(2.0), ENGLISH)
    assert "0,91" in false_alarms(verdict(0), GERMAN)
    assert "of 1,000 camera clips about 10 would" in false_alarms(verdict(0), ENGLISH)


@pytest.mark.parametrize(
    ("percentile", "says"),
    [(1.0, "None of the"), (0.98, "1 in 50 camera clips"), (0.58, "42 % of camera clips")],
)
def test_how_often_camera_clips_score_as_high(percentile: float, says: str) -> None:
    assert says in rarity(verdict(0, percentile), ENGLISH)


def all_reasons() -> set[str]:
    """What the verdict stage can write, by deciding over a grid of cases."""
    import numpy as np

    real = np.linspace(-3, 3, 400)
    bucket = Bucket(real, real + 2, 400)
    calibration = Calibration(1.0, 0.0, {POOLED: bucket}, 400, 400)
    found: set[str] = set()
    for logit in (-2.0, 0.0, 2.8, 3.5):
        for recheck in (None, -2.0, 3.5):
            for shots in ((), (ShotScore(0, 1, 0.99), ShotScore(1, 2, 0.1))):
                decided = decide(
                    Measured("learned", logit),
                    shots=shots,
                    recheck_logit=recheck,
                    calibration=calibration,
                    bucket="large frames, light compression",
                    fpr=0.01,
                )
                found |= set(decided.reasons)
    skipped = Skipped("learned", "no stretch with at least 4 readable frames in one shot")
    common: dict[str, Any] = {
        "shots": (),
        "recheck_logit": None,
        "calibration": calibration,
        "bucket": POOLED,
    }
    return found | set(decide(skipped, fpr=0.01, **common).reasons)


def test_every_reason_of_a_verdict_is_known_in_german() -> None:
    reasons = all_reasons()
    assert len(reasons) >= 8
    told = {reason: translated(reason, GERMAN) for reason in reasons}
    assert {reason for reason, found in told.items() if found.language != "de"} == set()
    assert {reason for reason, found in told.items() if "{" in found.text} == set()
    assert translated("the score stays below the threshold", ENGLISH).language == "en"


def test_a_reason_inside_a_reason_is_translated_too() -> None:
    text = "not judged: no stretch with at least 4 readable frames in one shot"
    assert translated(text, GERMAN).text == (
        "nicht beurteilt: kein Abschnitt mit mindestens 4 lesbaren Bildern in einer Einstellung"
    )


def test_an_unknown_sentence_stands_as_it_is_and_says_its_language() -> None:
    assert translated("something new", GERMAN) == ("something new", "en")


@pytest.mark.parametrize("key", KEYS)
def test_the_known_forms_do_not_swallow_each_other(key: str) -> None:
    message = ENGLISH.messages[key]
    values = dict.fromkeys(placeholders(message), "7")
    assert translated(message.format(**values), GERMAN).text == GERMAN(key, **values)
