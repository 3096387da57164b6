"""Scale drift: things that grow or shrink while neither they come nearer nor the camera zooms.

Size is that of the distances between a body's points, the camera's zoom taken out. What comes
nearer grows as well, but it mostly moves over the picture while it does; growth on the spot counts
for more. Camera footage is full of approaching things: the code speaks only beyond what it shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.lanes.body_findings import body_finding
from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import Body
from unreel.detector.scenes import Scene

STATISTIC = "log growth"
GROWTH_SECONDS = 1.3
FLOOR = 0.05
"""Weaker candidates are not kept."""
MIN_SUPPORT = 5
"""Points that must be followed throughout."""


def scale_drifts(scene: Scene, bodies: tuple[Body, ...]) -> list[Finding]:
    """Bodies that change their size within a moment."""
    found = []
    for body in bodies:
        clock = scene.stretch.pts_seconds[body.indices]
        first, last, change = _largest_change(clock, body.growth, GROWTH_SECONDS)
        if last <= first or body.support[first + 1 : last + 1].min() < MIN_SUPPORT:
            continue
        if np.median(scene.camera.steadiness[body.indices[first : last + 1]]) < 0.5:
            continue
        unrest = float(np.median(body.bending[first + 1 : last + 1]))
        moved = float(np.linalg.norm(body.centres[last] - body.centres[first]))
        # Coming nearer moves a thing over the picture; growing on the spot does not.
        value = abs(change) / (1 + moved / max(body.size, 1.0)) / (0.3 + unrest) * 0.3
        if value < FLOOR:
            continue
        word = "grows" if change > 0 else "shrinks"
        said = (
            f"a thing {word} to {np.exp(change):.2f} of its size between {clock[first]:.2f} and "
            f"{clock[last]:.2f} s while the camera does not zoom"
        )
        checked = (
            "the camera's zoom is taken out",
            "the thing stays stiff: its points keep their shape",
            "not excluded: it comes straight towards the camera or goes away from it",
        )
        found.append(
            body_finding(scene, ((body, first, last),), "scale-drift", STATISTIC,
                         value, checked, said)
        )  # fmt: skip
    return found


def _largest_change(
    clock: NDArray[np.float64], level: NDArray[np.float64], seconds: float
) -> tuple[int, int, float]:
    """Where a level changes most within some seconds: first, last position and the change."""
    best = (0, 0, 0.0)
    for first in range(len(clock) - 1):
        inside = np.flatnonzero(clock[first:] <= clock[first] + seconds) + first
        changes = level[inside] - level[first]
        last = int(inside[int(np.abs(changes).argmax())])
        change = float(level[last] - level[first])
        if abs(change) > abs(best[2]):
            best = (first, last, change)
    return best
