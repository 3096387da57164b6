"""The sentences that a scan writes into its record, in the language of the report.

A record holds English sentences, also when it comes back from a database years later. Those known
here are recognised by their form; others are shown as they stand, marked as English.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from unreel.detector.report.catalogue import Catalogue

KEYS = (
    "reason-reaches-held",
    "reason-reaches",
    "reason-below",
    "reason-recheck-takes",
    "reason-recheck-lifts",
    "reason-near",
    "reason-shots",
    "reason-bucket",
    "reason-not-judged",
    "shot-too-few",
    "shot-too-short",
    "lane-no-stretch",
    "media-incomplete",
    "media-breaks-off",
    "media-left-out",
    "media-damaged",
    "media-streams",
)
"""Messages whose English text is what other modules write; tried in this order."""


class Sentence(NamedTuple):
    """A sentence and the language that it is in."""

    text: str
    language: str


def translated(text: str, say: Catalogue) -> Sentence:
    """The sentence in the catalogue's language where its form is known, else as it stands."""
    if say.language == "en":
        return Sentence(text, "en")
    for key, pattern in _patterns():
        if found := pattern.fullmatch(text):
            values = {name: _part(name, value, say) for name, value in found.groupdict().items()}
            return Sentence(say(key, **values), say.language)
    return Sentence(text, "en")


def _part(name: str, value: str, say: Catalogue) -> str:
    """A figure with the right decimal mark; a reason or a bucket in the right language."""
    if name == "reason":
        return translated(value, say).text
    if name == "bucket":
        return say.messages.get(f"bucket-{value}", value)
    return say.mark(value) if re.fullmatch(r"[\d.]+", value) else value


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    english = Catalogue("en")
    return tuple((key, _pattern(english.messages[key])) for key in KEYS)


def _pattern(message: str) -> re.Pattern[str]:
    r"""`below {score}` -> `below (?P<score>.+?)`"""
    parts = re.split(r"\{(\w+)\}", message)
    named: list[Callable[[str], str]] = [re.escape, lambda name: f"(?P<{name}>.+?)"]
    return re.compile("".join(named[i % 2](part) for i, part in enumerate(parts)), re.DOTALL)
