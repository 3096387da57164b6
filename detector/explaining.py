"""What a code of a finding means and when it is wrong; the words stand in codes.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unreel.detector.errors import UsageError
from unreel.detector.reference import Mode, Reference, load_reference

_MODES: tuple[tuple[Mode, str], ...] = (
    ("plain", "no detector"),
    ("detector", "with --object-detector"),
    ("hands", "with --hand-detector"),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code."""

    code: str
    lane: str
    means: str
    wrong_when: str
    statistic: str


@cache
def explanations() -> dict[str, Explanation]:
    """All codes that a finding can have, in the order of codes.toml."""
    return {code: Explanation(code, **row) for code, row in _rows()}


def _rows() -> list[tuple[str, dict[str, str]]]:
    """The tables of codes.toml, each text on one line."""
    text = Path(__file__).with_name("codes.toml").read_text(encoding="utf-8")
    return [
        (code, {name: " ".join(words.split()) for name, words in row.items()})
        for code, row in tomllib.loads(text).items()
    ]


def explain(code: str) -> str:
    """A code for a person: meaning, when it is wrong, how often camera footage shows it.

    Raises:
        UsageError: There is no such code.
    """
    known = explanations()
    if code not in known:
        raise UsageError(f"--explain {code!r}: no such code; there are {', '.join(known)}")
    found = known[code]
    lines = [
        f"{found.code} (lane {found.lane})",
        "",
        f"What it means: {found.means}",
        f"When it is wrong: {found.wrong_when}",
        f"What is measured: {found.statistic}",
        *_how_often(found),
        "It is evidence to look at, never part of the score.",
    ]
    return "\n".join(lines)


def _how_often(found: Explanation) -> list[str]:
    shown = "How often camera footage shows it"
    if found.lane == "faces":  # it has a calibration of its own
        return [f"{shown}: each finding says in how many camera clips with faces it is as strong"]
    measured = [
        f"{shown} ({words}): {often(found.code, load_reference(mode))}"
        for mode, words in _MODES
        if any(name == found.code for name, _ in load_reference(mode).codes)
    ]
    return measured or [f"{shown}: not measured, so it is not reported"]


def often(code: str, reference: Reference) -> str:
    """How many reference clips reach the threshold."""
    parts = [
        f"{found.seen_in(found.threshold)} of {found.clips} camera clips reach the threshold of "
        f"{found.threshold:.3g} ({statistic})"
        for (name, statistic), found in reference.codes.items()
        if name == code
    ]
    return "; ".join(parts) or "not measured, so it is not reported"
