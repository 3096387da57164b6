"""How odd a measurement is: how many of the reference camera clips show one as strong.

`reference.json` holds, for each code and for scans with and without a detector, the strongest
candidate of each camera clip that has one, and the threshold: the value that only the allowed share
of clips exceeds. Shares are of clips, not of frames: a clip of a minute is no more allowed to raise
an alarm than one of a second. `benchmarks/evidence.py reference` makes the file.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from unreel.detector.records import Finding

Mode = Literal["plain", "detector", "hands"]
"""Without a detector of objects, or with one: objects are other things then, and so are their
statistics. `hands` holds what a detector of hands adds to either."""

PATH = Path(__file__).with_name("reference.json")


@dataclass(frozen=True, slots=True)
class CodeReference:
    """One code among the reference clips."""

    threshold: float
    """Weaker candidates are not reported."""
    maxima: tuple[float, ...]
    """Strongest candidate of each camera clip that has one, ascending."""
    clips: int
    """Camera clips that were looked at, those without a candidate included."""

    def seen_in(self, value: float) -> int:
        """Camera clips with a candidate at least as strong."""
        return len(self.maxima) - bisect_left(self.maxima, value)

    def percentile(self, value: float) -> float:
        """Share of camera clips whose strongest candidate is weaker, 0..1."""
        return 1 - self.seen_in(value) / self.clips


@dataclass(frozen=True, slots=True)
class Reference:
    """All codes of one mode."""

    codes: Mapping[tuple[str, str], CodeReference]
    """By code and statistic: one code may be found in more than one way."""

    def joined(self, other: Reference) -> Reference:
        """This one with the codes of another added."""
        return Reference({**self.codes, **other.codes})

    def judged(self, candidates: Iterable[Finding]) -> tuple[Finding, ...]:
        """Those that reach their threshold, with percentile and how many camera clips show it.

        Candidates of a code that was never measured are not reported: nobody knows how often
        camera footage shows it.
        """
        found = []
        for candidate in candidates:
            code = self.codes.get((candidate.code, candidate.statistic))
            if code is None or candidate.value < code.threshold:
                continue
            seen = code.seen_in(candidate.value)
            often = f"(seen in {seen} of {code.clips} camera clips)"
            found.append(
                replace(
                    candidate,
                    percentile_among_real=code.percentile(candidate.value),
                    explanation=f"{candidate.explanation} {often}",
                )
            )
        return tuple(found)


@cache
def load_reference(mode: Mode) -> Reference:
    """The reference in the package."""
    data: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return from_dict(data["modes"].get(mode, {}))


def from_dict(codes: Mapping[str, Any]) -> Reference:
    """One mode of reference.json."""
    return Reference(
        {
            (name, statistic): CodeReference(
                threshold=float(found["threshold"]),
                maxima=tuple(sorted(float(v) for v in found["maxima"])),
                clips=int(found["clips"]),
            )
            for name, statistics in codes.items()
            for statistic, found in statistics.items()
        }
    )


def threshold_for(maxima: Sequence[float], clips: int, allowed: float) -> float:
    """The smallest threshold at which at most a share `allowed` of the clips has a finding.

    Args:
        maxima: Strongest candidate of each clip that has one.
        clips: All clips, those without one included.
        allowed: Share, 0..1.

    Returns:
        Just above the strongest clip that must stay quiet; 0 when all may speak.
    """
    may_speak = int(allowed * clips)
    ranked = sorted(maxima, reverse=True)
    if len(ranked) <= may_speak:
        return 0.0
    return ranked[may_speak] * (1 + 1e-6) + 1e-9


def as_dict(
    maxima: Mapping[tuple[str, str], Sequence[float]],
    clips: int,
    allowed: Mapping[tuple[str, str], float],
    margin: Mapping[tuple[str, str], float] | None = None,
) -> dict[str, Any]:
    """One mode of reference.json from the strongest candidates of each clip.

    Args:
        maxima: By code and statistic.
        clips: All clips.
        allowed: Share of clips that may have a finding, likewise.
        margin: Added to the threshold, likewise; None = nothing.
    """
    made: dict[str, Any] = {}
    for (code, statistic), values in sorted(maxima.items()):
        limit = threshold_for(values, clips, allowed[code, statistic])
        limit += (margin or {}).get((code, statistic), 0.0)
        made.setdefault(code, {})[statistic] = {
            "threshold": round(limit + 5e-5, 4),
            "clips": clips,
            "maxima": [round(v, 3) for v in sorted(values, reverse=True)],
        }
    return made
