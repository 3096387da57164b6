"""One logit out of the logits of several lanes.

A weighted sum, fitted by training.fusing on out-of-fold logits. A lane that had nothing to look at,
or broke, counts as if it had said nothing: its share is that of the average clip, never a zero that
would speak for the camera. No lane says more than its most extreme clip in the fit did, so that one
lane that runs wild cannot outvote the others.

Measured on unseen groups, no lane beside the learned one has earned a weight so far
(docs/log-2026-11-23.md): models are judged by the learned lane alone, a scan asks for no fusion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from unreel.detector.errors import ModelError
from unreel.detector.records import Evidence, Measured


@dataclass(frozen=True, slots=True)
class LaneWeight:
    """What one lane counts for."""

    weight: float
    """Of its logit."""
    neutral: float
    """Its logit when it says nothing: half-way between the classes' means in the fit."""
    low: float
    high: float
    """Range of its logits in the fit; beyond it they count as its end."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weighted sum."""

    lanes: dict[str, LaneWeight]
    """By the names of lanes."""
    intercept: float

    def logit(self, logits: Mapping[str, float | None]) -> float:
        """The fused logit; natural-log odds before calibration, higher = generated.

        Args:
            logits: Of each lane by name; None or absent = it has nothing to say. Lanes without a
                weight are left out.
        """
        total = self.intercept
        for name, lane in self.lanes.items():
            value = logits.get(name)
            value = lane.neutral if value is None else min(max(value, lane.low), lane.high)
            total += lane.weight * value
        return total

    def of_evidence(self, evidence: Sequence[Evidence]) -> float | None:
        """The fused logit of what lanes found; None when none of those that count could look."""
        found = {e.lane: e.logit for e in evidence if isinstance(e, Measured)}
        return self.logit(dict(found)) if found.keys() & self.lanes.keys() else None


def load_fusion(path: Path) -> Fusion:
    """Read a file written by `save_fusion`.

    Raises:
        ModelError: It is missing or not of this form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lanes = {str(k): LaneWeight(**v) for k, v in content["lanes"].items()}
        fusion = Fusion(lanes, float(content["intercept"]))
        fusion.logit({})  # what is no number shows here
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"cannot use fusion {path}: {error!r}") from error
    return fusion


def save_fusion(path: Path, fusion: Fusion) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(asdict(fusion), indent=1) + "\n", encoding="utf-8")
