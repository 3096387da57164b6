"""Runs the lanes that show what a person can check; none of them joins the score.

    shot pass -> glance(every frame, very small)
              -> dense frames -> Scene -> candidates of each lane -> reference -> findings

A lane gives candidates, generously; `reference.json` decides which are odd enough to be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import DenseFrames, read_stretches
from unreel.detector.errors import MediaError
from unreel.detector.lanes.objects import ObjectsLane
from unreel.detector.lanes.physics import PhysicsLane
from unreel.detector.lanes.residual import ResidualLane
from unreel.detector.records import Evidence, Failed, Finding, Measured, Shot, Skipped
from unreel.detector.reference import load_reference
from unreel.detector.scenes import ClipScenes, Finders, build_scene

if TYPE_CHECKING:
    from unreel.detector.media import Reader


class EvidenceLane(Protocol):
    """What a lane of evidence does."""

    name: str
    reads_paths: bool
    """Whether Scene.odd_paths is read, which takes half as long as all the rest of a scene."""

    def glance(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Look at every frame (n, h, w, 3), long side 128, as they are decoded; all in order.

        Of long videos only single frames are decoded: then this is never called.
        """

    def candidates(self, clip: ClipScenes) -> list[Finding]:
        """What might be worth a look; percentiles are filled in later."""


LANES: dict[str, Callable[[], EvidenceLane]] = {
    "objects": ObjectsLane,
    "physics": PhysicsLane,
    "residual": ResidualLane,
}
"""By name; the order of the report."""


class EvidenceLanes:
    """The chosen lanes on one clip.

    Args:
        names: Of LANES.
        reader: An open video.
        finders: Of objects, hands and faces in single frames; None = whatever moves is a thing.
        max_findings: Strongest findings of each lane that are kept.
        threads: That share the work; 0 = as many as there are cores.
    """

    def __init__(
        self,
        names: Sequence[str],
        reader: Reader,
        finders: Finders | None = None,
        max_findings: int = 8,
        threads: int = 0,
    ) -> None:
        self._lanes: dict[str, EvidenceLane] = {name: LANES[name]() for name in names}
        self._failed: dict[str, Failed] = {}
        self._reader = reader
        self._finders = finders or Finders()
        self._max_findings = max_findings
        self._threads = threads
        self.closer: DenseFrames | None = None
        if self._lanes:
            self.closer = DenseFrames.planned(reader)

    def glance(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Pass on frames of the shot pass."""
        for name, lane in self._lanes.items():
            if name not in self._failed:
                try:
                    lane.glance(positions, frames)
                except Exception as error:
                    self._fail(name, error)

    def candidates(self, shots: Sequence[Shot]) -> tuple[list[Finding], ClipScenes | None]:
        """All candidates of all lanes, however weak, and what they were found in.

        Raises:
            MediaError: The decoder is gone.
        """
        clip = self._clip(shots, self.closer) if self.closer is not None else ""
        if isinstance(clip, str):
            return [], None
        return [f for lane in self._lanes.values() for f in lane.candidates(clip)], clip

    def finish(self, shots: Sequence[Shot]) -> tuple[Evidence, ...]:
        """Judge what was seen.

        Raises:
            MediaError: The decoder is gone.
        """
        if self.closer is None:
            return ()
        clip = self._clip(shots, self.closer)
        if isinstance(clip, str):
            return tuple(Skipped(name, clip) for name in self._lanes)
        return tuple(self._evidence(name, lane, clip) for name, lane in self._lanes.items())

    def _clip(self, shots: Sequence[Shot], dense: DenseFrames) -> ClipScenes | str:
        """The scenes, or why there are none."""
        reader = self._reader
        try:
            stretches = read_stretches(reader, dense, shots)
        except MediaError as error:
            if error.code != "unreadable":
                raise
            return f"no frames in a row could be read: {error.message}"
        if not stretches:
            return "no shot with at least 6 frames in a row"
        try:
            reads_paths = any(lane.reads_paths for lane in self._lanes.values())
            scenes = tuple(
                build_scene(stretch, self._finders, self._threads, judge_paths=reads_paths)
                for stretch in stretches
            )
        except Exception as error:
            for name in self._lanes:
                self._fail(name, error)
            scenes = ()
        return ClipScenes(reader.media, tuple(shots), scenes, reader.pts_seconds, reader.is_key)

    def _evidence(self, name: str, lane: EvidenceLane, clip: ClipScenes) -> Evidence:
        if name not in self._failed:
            try:
                found = lane.candidates(clip)
                reference = load_reference("detector" if self._finders.objects else "plain")
                if self._finders.hands:
                    reference = reference.joined(load_reference("hands"))
                kept = strongest(reference.judged(found), self._max_findings)
                return Measured(name, None, (), kept)
            except Exception as error:
                self._fail(name, error)
        return self._failed[name]

    def _fail(self, name: str, error: Exception) -> None:
        reason = f"it broke, which is a defect of unreel, please report it: {error!r}"
        self._failed[name] = Failed(name, reason)


def strongest(findings: Iterable[Finding], count: int) -> tuple[Finding, ...]:
    """The rarest among camera clips, of equally rare ones the strongest; by time."""
    ranked = sorted(
        findings, key=lambda f: (-(f.percentile_among_real or 0.0), -f.value, f.t_start, f.code)
    )
    kept = ranked[:count]
    return tuple(sorted(kept, key=lambda f: (f.t_start, f.code)))
