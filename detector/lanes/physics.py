"""Physics lane: do things move as things with mass do?

Measures: jumps from one place to another (jumps.py); turning round in free flight, uneven falls
    and jerks (flight.py); growth without zoom or approach (growth.py); two things at one place
    (passing.py); all on groups of points that keep together (rigid_bodies.py), with the camera's
    motion taken out; snow that turns round (particles.py) and places whose way looks like a planted
    event (odd_paths.py), without points.
Why generators leave it: they paint what usually comes next; no mass, contact or gravity is kept.
Blind: soft and small things, few corners, motion blur, fast cameras, what is out of the frame.
    Ways in the picture are not ways in the world: what comes straight at the camera only grows.
Source: free flight as a test without units, cf. Physics-IQ and Morpheus, which test generators.
Command: unreel scan --lanes physics
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.lanes.flight import inverted_gravity, jerks, uneven_fall
from unreel.detector.lanes.growth import scale_drifts
from unreel.detector.lanes.jumps import teleports
from unreel.detector.lanes.odd_paths import odd_paths
from unreel.detector.lanes.particles import rising_particles
from unreel.detector.lanes.passing import interpenetrations
from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import find_bodies
from unreel.detector.scenes import ClipScenes, Scene

NAME = "physics"
MIN_STEADINESS = 0.3
"""Share of points that agree on the camera's motion; below, ways against it are not known."""


class PhysicsLane:
    """See the module."""

    name = NAME
    reads_paths = True

    def glance(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Nothing: the dense frames are enough."""

    def candidates(self, clip: ClipScenes) -> list[Finding]:
        """What might be worth a look, of all scenes."""
        return [finding for scene in clip.scenes for finding in _of_scene(scene)]


def _of_scene(scene: Scene) -> list[Finding]:
    found = teleports(scene) + odd_paths(scene, NAME)
    if float(np.median(scene.camera.steadiness)) < MIN_STEADINESS:
        return found
    height, width = scene.stretch.frames.shape[1:3]
    bodies = find_bodies(scene.points, max(height, width))
    found += inverted_gravity(scene, bodies)
    found += uneven_fall(scene, bodies)
    found += jerks(scene, bodies)
    found += scale_drifts(scene, bodies)
    found += interpenetrations(scene, bodies)
    found += rising_particles(scene)
    return found
