"""Keeps a lane that breaks from taking the whole report with it."""

from __future__ import annotations

from typing import Protocol

from unreel.detector.records import Evidence, Failed, Measured, Sample


class WindowLane(Protocol):
    """A lane that takes in windows as they are decoded."""

    def add(self, sample: Sample) -> None:
        """Take in the frames of one window."""

    def finish(self) -> Evidence:
        """Judge what was taken in."""
        ...

    def recheck(self, crf: int) -> float | None:
        """The clip's logit after one re-encode; None where it is not asked for or has none."""


class GuardedLane:
    """A lane whose exceptions become Failed; after the first one it is not asked again.

    Args:
        name: As in the report.
        lane: Which.
    """

    def __init__(self, name: str, lane: WindowLane) -> None:
        self._name = name
        self._lane = lane
        self._failed: Failed | None = None

    def add(self, sample: Sample) -> None:
        """Take in the frames of one window."""
        if self._failed is None:
            try:
                self._lane.add(sample)
            except Exception as error:
                self._fail(error)

    def finish(self) -> Evidence:
        """Judge what was taken in."""
        if self._failed is None:
            try:
                return self._lane.finish()
            except Exception as error:
                self._fail(error)
        assert self._failed is not None
        return self._failed

    def recheck(self, evidence: Evidence, crf: int) -> tuple[Evidence, float | None]:
        """The logit after one re-encode, beside the evidence; no evidence stands unchecked."""
        if not isinstance(evidence, Measured):
            return evidence, None
        try:
            return evidence, self._lane.recheck(crf)
        except Exception as error:
            return self._fail(error), None

    def _fail(self, error: Exception) -> Failed:
        reason = f"it broke, which is a defect of unreel, please report it: {error!r}"
        self._failed = Failed(self._name, reason)
        return self._failed
