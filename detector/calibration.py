"""From a model's logit to a likelihood ratio, a percentile and a threshold that can be defended.

calibration.json holds the logits of held-out clips: out-of-fold scores of clips whose group the
judging model had not seen. Everything is read off them when it is asked for, so that a reader of
the file can check each number.

* likelihood ratio: logistic regression with equal class weights, ln LR = slope * logit + intercept
  (Brummer & du Preez 2006), one line for all buckets; its log10 is capped at what the number of
  clips supports, for no set of 300 clips can show that something happens once in 10,000
* threshold: the smallest score that at most the allowed share of held-out camera clips reach
* quality buckets: footage of the same size and compression, where there are enough camera clips
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError, UsageError
from unreel.detector.records import Media, OperatingPoint, Reference

POOLED = "pooled"
MIN_REAL_CLIPS = 100
"""A bucket with fewer camera clips has no 1 % point of its own; the pooled one stands in."""
SMALL_SHORT_SIDE = 360
"""Pixels; up to here footage is `small`."""
DENSE_BITS_PER_PIXEL = 0.15
"""From here on compression is `light`."""


def bucket_name(short_side: float, bits_per_pixel: float) -> str:
    """Quality bucket of footage: size and strength of compression."""
    size = "small" if short_side <= SMALL_SHORT_SIDE else "large"
    compression = "light" if bits_per_pixel >= DENSE_BITS_PER_PIXEL else "strong"
    return f"{size} frames, {compression} compression"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Held-out logits of one quality of footage."""

    real_logits: NDArray[np.float64]
    """(R,) ascending."""
    generated_logits: NDArray[np.float64]
    """(G,) ascending; may be empty."""
    real_clips: int
    """Distinct camera clips behind `real_logits`: one clip stands there once per condition."""
    generated_clips: int = 0
    """Distinct clips behind `generated_logits`; 0 = not said."""

    def threshold_logit(self, fpr: float) -> float:
        """Half-way between the last real logit allowed above and the first one below."""
        allowed = math.floor(fpr * len(self.real_logits) + 1e-9)
        above = self.real_logits[-allowed] if allowed else self.real_logits[-1] + 1e-6
        return float((above + self.real_logits[-allowed - 1]) / 2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a model's logits mean."""

    slope: float
    """ln LR = slope * logit + intercept, for all buckets: lines of their own were measured to tell
    the classes apart less well."""
    intercept: float
    buckets: dict[str, Bucket]
    """By name; "pooled" is always there."""
    real_clips: int
    """Distinct held-out camera clips behind the pooled bucket."""
    generated_clips: int

    @property
    def cap(self) -> float:
        """Largest |log10 LR| that is ever reported."""
        return math.log10(max(2, min(self.real_clips, self.generated_clips)))

    def bucket_of(self, media: Media) -> str:
        """Name of the quality bucket of a file."""
        return bucket_name(media.short_side, media.bits_per_pixel)

    def camera_clips(self, bucket: str) -> int:
        """Distinct held-out camera clips that stand for a bucket."""
        return self._of(bucket).real_clips

    def _of(self, bucket: str) -> Bucket:
        return self.buckets.get(bucket, self.buckets[POOLED])

    def score(self, logit: float) -> float:
        """LR / (1 + LR), 0..1, higher = generated; not capped, so that it keeps the order."""
        return 1 / (1 + math.exp(-min(max(self.slope * logit + self.intercept, -60), 60)))

    def llr(self, logit: float) -> float:
        """log10 likelihood ratio generated : camera, within +-cap."""
        value = (self.slope * logit + self.intercept) / math.log(10)
        return min(max(value, -self.cap), self.cap)

    def percentile_among_real(self, logit: float, bucket: str) -> float:
        """Share of held-out camera clips of this quality that score lower, 0..1."""
        real = self._of(bucket).real_logits
        return float(np.searchsorted(real, logit, side="left") / len(real))

    def reference(self, bucket: str) -> Reference:
        """Scores of held-out clips of this quality, or of all where it has no bucket."""
        name = bucket if bucket in self.buckets else POOLED
        found = self.buckets[name]
        return Reference(
            name,
            self._quantiles(found.real_logits),
            self._quantiles(found.generated_logits),
            found.real_clips,
            found.generated_clips,
        )

    def _quantiles(self, logits: NDArray[np.float64]) -> tuple[float, ...]:
        if not len(logits):
            return ()
        return tuple(self.score(float(x)) for x in np.quantile(logits, np.linspace(0, 1, 101)))

    def operating_point(self, fpr: float, bucket: str) -> OperatingPoint:
        """Where `generated` begins for an allowed share of false alarms.

        Raises:
            UsageError: Fewer than one held-out camera clip would be allowed above.
        """
        name = bucket if bucket in self.buckets else POOLED
        found = self.buckets[name]
        if not 0 < fpr < 1 or fpr * found.real_clips < 1:
            raise UsageError(
                f"a share of false alarms of {fpr:g} was asked for; the {found.real_clips} "
                f"held-out camera clips ({name}) support {1 / found.real_clips:.4f} to 1"
            )
        return OperatingPoint(fpr, self.score(found.threshold_logit(fpr)), name)


def load_calibration(path: Path) -> Calibration:
    """Read calibration.json.

    Raises:
        ModelError: It is missing or not of this form.
    """
    try:
        found = parse_calibration(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot use calibration {path}: {error!r}") from error
    if POOLED not in found.buckets or not all(len(b.real_logits) for b in found.buckets.values()):
        raise ModelError(f"calibration {path} lacks camera clips in its pooled or another bucket")
    return found


def parse_calibration(content: dict[str, Any]) -> Calibration:
    """A calibration from the content of calibration.json."""
    buckets = {
        name: Bucket(
            np.sort(np.asarray(b["real_logits"], np.float64)),
            np.sort(np.asarray(b.get("generated_logits", ()), np.float64)),
            int(b["real_clips"]),
            int(b.get("generated_clips", 0)),
        )
        for name, b in content["buckets"].items()
    }
    return Calibration(
        float(content["slope"]),
        float(content["intercept"]),
        buckets,
        int(content["real_clips"]),
        int(content["generated_clips"]),
    )
