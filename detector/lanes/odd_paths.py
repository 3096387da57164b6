"""Events that the head over the ways of places sees, as findings of the lanes objects and physics.

Measures: how a place moves, grows, bends and changes its look along its way (path_numbers.py),
    judged by a small network that was trained on planted events and their lawful twins.
Why generators leave it: nothing keeps the shape, size, speed and identity of what they paint.
Blind: what is smaller than about 16 of 320 pixels, changes over more than a second, or is lost by
    optical flow; events unlike those that were planted.
Source: path_judge.py
Command: unreel scan --lanes objects,physics
"""

from __future__ import annotations

from dataclasses import dataclass

from unreel.detector.path_judge import FLOOR, PathPeak
from unreel.detector.records import Finding
from unreel.detector.scenes import Scene

STATISTIC = "logit of the head over ways, above -4"
_WIDER_SECONDS = 0.1
"""Half the time between two moments: an event lasts that much longer than its moments."""


@dataclass(frozen=True, slots=True)
class _Kind:
    lane: str
    said: str
    checked: tuple[str, ...]


_CAMERA = "the camera's motion and zoom are taken out"
_KINDS = {
    "identity-morph": _Kind(
        "objects",
        "what is there turns into something else while it is watched",
        (_CAMERA, "things that turn, dart or pass behind others were shown as lawful",
         "not excluded: a screen, a lamp or a shadow that changes what is seen"),
    ),
    "rigidity-break": _Kind(
        "physics",
        "a thing ripples or bends as nothing stiff does",
        (_CAMERA, "things that turn in the plane were shown as lawful",
         "not excluded: cloth, water, flames and living things of a kind not seen in training"),
    ),
    "scale-drift": _Kind(
        "physics",
        "a thing grows or shrinks on the spot while the camera does not zoom",
        (_CAMERA, "things that come nearer are in the camera clips it was trained on",
         "not excluded: it comes straight towards the camera or goes away from it"),
    ),
    "impossible-acceleration": _Kind(
        "physics",
        "a thing is thrown to and fro by nothing",
        (_CAMERA, "bounces and darting things were shown as lawful",
         "not excluded: hands, tools and strings that are shaken do the same"),
    ),
}  # fmt: skip
"""By event of the head, which is the code of the finding. `dissolve` and `emerge` are not said:
what comes out from behind a thing of its own colour looks like them (docs/evidence.md)."""


def odd_paths(scene: Scene, lane: str) -> list[Finding]:
    """Candidates of one lane.

    Args:
        scene: With its peaks.
        lane: objects or physics.
    """
    said = [peak for peak in scene.odd_paths if peak.event in _KINDS]
    return [_finding(scene, peak) for peak in said if _KINDS[peak.event].lane == lane]


def _finding(scene: Scene, peak: PathPeak) -> Finding:
    kind, times = _KINDS[peak.event], scene.stretch.pts_seconds
    start = max(float(times[0]), float(times[peak.first]) - _WIDER_SECONDS)
    end = min(float(times[-1]), float(times[peak.last]) + _WIDER_SECONDS)
    boxes = tuple(scene.displayed(index, box) for index, *box in peak.boxes)
    said = (
        f"Between {start:.2f} and {end:.2f} s {kind.said}: so a network has it that was trained "
        "on such events."
    )
    return Finding(
        peak.event, kind.lane, start, end, boxes, STATISTIC, peak.logit - FLOOR, None,
        kind.checked, said,
    )  # fmt: skip
