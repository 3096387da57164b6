"""How many files would be called `generated` if all of the archive were camera footage?

At a threshold that one in a hundred held-out camera clips reach, an archive of 100,000 gives about
a thousand false alarms, and where generated clips are rare, most alarms are false. The interval has
two sources: the threshold rests on a few hundred camera clips only, and chance decides which files
of the archive reach it. Both are in the beta-binomial distribution (Jeffreys' prior on the share of
camera clips above the threshold; Gelman et al., Bayesian Data Analysis, 2.4).

What it cannot know: whether the archive resembles the footage that the model was calibrated on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 20_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Stratum:
    """Files that share a threshold."""

    bucket: str
    """Quality bucket of camera footage that the threshold is from."""
    fpr: float
    """Share of camera clips at or above it, by design."""
    camera_clips: int
    """Held-out camera clips that it rests on."""
    contents: int
    """Different files judged with it; names of the same bytes count once."""


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What to expect of an archive that is all camera footage."""

    expected: float
    low: float
    high: float
    """Ends of the 95 % interval."""

    @property
    def expected_in_words(self) -> str:
        """Whole clips; a few are given to a tenth, so that one file does not expect "0"."""
        return f"{self.expected:.1f}" if self.expected < 10 else f"{self.expected:.0f}"


def expect(strata: Sequence[Stratum]) -> FalseAlarms:
    """Expected number of false alarms, with its interval.

    The draws behind the interval come from a fixed seed: the same store gives the same numbers.
    """
    rng = np.random.default_rng(20_26)
    total = np.zeros(DRAWS)
    expected = 0.0
    for stratum in strata:
        clips = max(1, stratum.camera_clips)
        above = stratum.fpr * clips
        share = rng.beta(above + 0.5, clips - above + 0.5, DRAWS)
        total += rng.binomial(stratum.contents, share)
        expected += stratum.fpr * stratum.contents
    low, high = np.quantile(total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return FalseAlarms(expected, float(low), float(high))
