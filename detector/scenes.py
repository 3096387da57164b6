"""What is known of each stretch of a clip before any lane judges it: motion, objects, changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch
from unreel.detector.detecting import Detection, ObjectDetector, moving_things
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.hands.finding import HandDetector
from unreel.detector.hands.following import HandSeries, face_boxes, follow_hands
from unreel.detector.local_changes import LocalChange, find_changes
from unreel.detector.object_tracks import ObjectTrack, track_objects
from unreel.detector.path_judge import PathHead, PathPeak, load_path_head, path_peaks
from unreel.detector.records import Media, Shot
from unreel.detector.step_maps import StepMaps, map_steps
from unreel.detector.tracking import CameraMotion, PointTracks, follow, greys


@dataclass(frozen=True, slots=True)
class Finders:
    """What finds things in single frames; None = is not looked for."""

    objects: ObjectDetector | None = None
    """Names objects; None = whatever moves is a thing."""
    hands: HandDetector | None = None
    faces: FaceDetector | None = None
    """Tells how many people there are, where hands are counted."""
    paths: PathHead | None = None
    """Judges the ways of places; None = the head of the package."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One stretch of one shot; coordinates in its small pixels."""

    stretch: Stretch
    points: PointTracks
    camera: CameraMotion
    steps: tuple[StepMaps, ...]
    """(n - 1): the first is of frames 0 and 1."""
    changes: tuple[LocalChange, ...]
    objects: tuple[ObjectTrack, ...]
    """Of a detector, or what moves against the camera."""
    has_names: bool
    """Objects come from a detector and have classes."""
    hands: HandSeries | None = None
    """None = they were not looked for."""
    odd_paths: tuple[PathPeak, ...] = ()
    """Places whose way looks like an event that no camera records."""

    def displayed(
        self, index: int, box: Sequence[float]
    ) -> tuple[float, float, float, float, float]:
        """A box (x, y, w, h) of a frame as findings have it: seconds, then displayed pixels."""
        x, y, w, h = (float(side) * self.stretch.scale for side in box)
        return float(self.stretch.pts_seconds[index]), x, y, w, h


@dataclass(frozen=True, slots=True)
class ClipScenes:
    """All that the evidence lanes know of a clip."""

    media: Media
    shots: tuple[Shot, ...]
    scenes: tuple[Scene, ...]
    pts_seconds: NDArray[np.float64]
    """(F,) of all frames, not only those of the scenes."""
    is_key: NDArray[np.bool_]
    """(F,)"""


def build_scene(
    stretch: Stretch,
    finders: Finders | None = None,
    threads: int = 0,
    *,
    judge_paths: bool = True,
) -> Scene:
    """Follow points, camera and objects through a stretch and find what changes at once.

    Args:
        stretch: Frames in a row.
        finders: Of objects, hands, faces; None = whatever moves is a thing, and no more.
        threads: That share the work; 0 = as many as there are cores. They change no result.
        judge_paths: Whether the head over ways is run; else the scene has no odd paths.

    Raises:
        ModelError: The head of the package cannot be used.
    """
    finders = finders or Finders()
    detector = finders.objects
    grey, frames = greys(stretch), stretch.frames
    steps = map_steps(frames, grey, threads)
    points, camera = follow(grey, steps)
    found: list[list[Detection]]
    if detector is not None:
        found = [detector.detect(frame) for frame in frames]
    else:
        found = [[], *(moving_things(step, camera, i) for i, step in enumerate(steps, start=1))]
    objects = track_objects(found, stretch.pts_seconds, frames, camera)
    changes = find_changes(steps, frames)
    hands = None
    if finders.hands is not None:
        find_faces = None if finders.faces is None else face_boxes(finders.faces)
        hands = follow_hands(stretch, steps, finders.hands, find_faces)
    odd: tuple[PathPeak, ...] = ()
    if judge_paths:
        odd = path_peaks(stretch, steps, camera, finders.paths or load_path_head())
    named = detector is not None
    return Scene(stretch, points, camera, steps, changes, objects, named, hands, odd)
