"""A finding about a moving body, as all tests of the lane `physics` report it."""

from __future__ import annotations

from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import Body
from unreel.detector.scenes import Scene

Way = tuple[Body, int, int]
"""A body, and the first and last place in its way."""


def body_finding(
    scene: Scene,
    ways: tuple[Way, ...],
    code: str,
    statistic: str,
    value: float,
    checked: tuple[str, ...],
    said: str,
) -> Finding:
    """A finding with the boxes of one body or of several.

    Args:
        scene: The stretch that they move in.
        ways: The first says from when to when.
        code: Of codes.toml.
        statistic: What was measured.
        value: Of it.
        checked: Confounders that were ruled out.
        said: A sentence for a person.
    """
    boxes = [
        scene.displayed(int(body.indices[i]), body.boxes[i])
        for body, first, last in ways
        for i in range(first, last + 1)
    ]
    body, first, last = ways[0]
    start, end = (float(scene.stretch.pts_seconds[body.indices[i]]) for i in (first, last))
    return Finding(
        code, "physics", start, end, tuple(sorted(boxes)), statistic, value, None, checked, said
    )
