"""Searches the frames of a clip for faces: whole frames now and then, and where faces just were.

A whole frame once a second costs four times what the surroundings of one face cost, so between two
of them only the surroundings are searched. A face that is not found there sends the search over the
whole frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.faces.finding import Face, FaceDetector
from unreel.detector.faces.tracks import FaceTrack, FaceTracker

WHOLE_EVERY = 4
"""Frames of one burst."""
SURROUNDINGS = 2.4
"""Side of what is searched around a face, in its larger side."""
NEAR_SIDE = 256
"""Pixels at which surroundings are searched."""
FEW = 3
"""With more faces than this the whole frame is cheaper."""


class FaceSearch:
    """Looks at bursts of frames, by time.

    Args:
        detector: Finds faces.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._tracker = FaceTracker()
        self.searched = 0
        """Frames so far."""

    def add(self, shot: int, frames: NDArray[np.uint8], pts_seconds: NDArray[np.float64]) -> None:
        """Search a burst (T, H, W, 3) RGB of one shot."""
        first = self.searched
        for number, frame in enumerate(frames):
            before = self._tracker.last(shot, self.searched - 1) if number % WHOLE_EVERY else []
            found = self._nearby(frame, before) if 0 < len(before) <= FEW else []
            if len(found) < len(before) or not before:
                found = self._detector.detect(frame)
            self._tracker.add(self.searched, shot, float(pts_seconds[number]), frame, found)
            self.searched += 1
        self._tracker.cut(first, frames)

    def tracks(self) -> list[FaceTrack]:
        """What was found so far."""
        return self._tracker.tracks()

    def _nearby(self, frame: NDArray[np.uint8], before: list[Face]) -> list[Face]:
        """The surest face around each of those of the frame before."""
        found: list[Face] = []
        for face in before:
            x, y, w, h = face.box
            half = SURROUNDINGS * max(w, h) / 2
            height, width = frame.shape[:2]
            left, right = (
                round(v) for v in np.clip([x + w / 2 - half, x + w / 2 + half], 0, width)
            )
            top, bottom = (
                round(v) for v in np.clip([y + h / 2 - half, y + h / 2 + half], 0, height)
            )
            if min(right - left, bottom - top) < 16:
                return []
            seen = self._detector.detect(frame[top:bottom, left:right], NEAR_SIDE)
            if not seen:
                return []
            best = seen[0]
            bx, by, bw, bh = best.box
            at = np.array([left, top])
            found.append(Face(best.confidence, (bx + left, by + top, bw, bh), best.points + at))
        return found
