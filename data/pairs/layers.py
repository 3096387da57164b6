"""Scenes as layers: a ground that a camera moves over, and bodies that lie on it in order of depth.

A planted event is an edit of a layer, so that what happens, when and where is known to the pixel:
cut-outs of real footage, textured shapes laid over it and simulated bodies all take this form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Look = NDArray[np.uint8]
"""(h, w, 4) RGB and coverage."""
Place = tuple[slice, slice]
"""Rows and columns of a frame."""
X, Y, SCALE, ANGLE, OPACITY = range(5)
"""Columns of `Body.poses`."""
BLUR_STEPS = 7
_EDGE_COVERAGE = 24
"""Of 255: fainter pixels of a look do not count for its box."""


@dataclass(frozen=True, slots=True)
class Body:
    """One thing in a scene."""

    name: str
    looks: tuple[Look, ...]
    """One for all frames, or one for each."""
    poses: NDArray[np.float64]
    """(T, 5): centre x, y in pixels of the world (the first frame), scale, degrees clockwise,
    opacity 0..1."""
    depth: float = 0.0
    """Larger = nearer to the camera."""

    def look(self, frame: int) -> Look:
        """What it looks like in one frame."""
        return self.looks[frame] if len(self.looks) > 1 else self.looks[0]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the first look at scale 1, pixels."""
        height, width = self.looks[0].shape[:2]
        return float(width), float(height)


@dataclass(frozen=True, slots=True)
class Scene:
    """A few seconds of video, taken apart."""

    kind: str
    """cut-out, overlay or simulated."""
    seconds: NDArray[np.float64]
    """(T,)"""
    ground: NDArray[np.uint8]
    """(T, H, W, 3) RGB without the bodies."""
    camera: NDArray[np.float64]
    """(T, 2, 3): from the world to the pixels of each frame."""
    bodies: tuple[Body, ...]
    blur: float = 0.0
    """Share of the frame interval that the shutter is open, for bodies."""

    def swapped(self, *bodies: Body) -> Scene:
        """The same with bodies of these names in place of the old ones; new names are added."""
        new = {body.name: body for body in bodies}
        kept = [new.pop(body.name, body) for body in self.bodies]
        return replace(self, bodies=(*kept, *new.values()))

    def body(self, name: str) -> Body:
        """Look a body up; KeyError when there is none."""
        return {body.name: body for body in self.bodies}[name]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A scene as pictures, with where everything is."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    boxes: dict[str, NDArray[np.float64]]
    """Body -> (T, 4): x, y, w, h in pixels inside the frame; zeros where it is outside."""
    seen: dict[str, NDArray[np.float64]]
    """Body -> (T,): share of it that is inside the frame and not behind another, 0..1."""


def still_camera(frames: int) -> NDArray[np.float64]:
    """(T, 2, 3) of a camera that does not move."""
    return np.repeat(np.eye(2, 3)[None], frames, axis=0)


def steady(x: float, y: float, frames: int) -> NDArray[np.float64]:
    """(T, 5) poses of something that stays where it is."""
    return np.tile(np.array([x, y, 1.0, 0.0, 1.0]), (frames, 1))


def render(scene: Scene) -> Rendered:
    """Paint a scene, far bodies first."""
    frames = scene.ground.copy()
    count, height, width = frames.shape[:3]
    order = sorted(scene.bodies, key=lambda body: body.depth)
    boxes = {body.name: np.zeros((count, 4)) for body in order}
    seen = {body.name: np.zeros(count) for body in order}
    for index in range(count):
        free = np.ones((height, width), np.float32)
        covers = [(body, _paint(frames[index], body, scene, index)) for body in order]
        for body, cover in reversed(covers):
            if cover is None:
                continue
            place, covered = cover
            whole = float(body.look(index)[..., 3].sum()) / 255
            whole *= float(body.poses[index, SCALE] ** 2) * _zoom(scene.camera[index])
            seen[body.name][index] = min(1.0, float((covered * free[place]).sum()) / max(whole, 1))
            boxes[body.name][index] = _box(place, covered)
            free[place] *= 1 - covered
    return Rendered(frames, boxes, seen)


def placement(body: Body, scene: Scene, index: float) -> NDArray[np.float64]:
    """(2, 3): from pixels of the look to pixels of the frame, between frames too."""
    low = int(np.clip(np.floor(index), 0, len(body.poses) - 1))
    high, share = min(low + 1, len(body.poses) - 1), index - low
    pose = (1 - share) * body.poses[low] + share * body.poses[high]
    turn = np.deg2rad(pose[ANGLE])
    height, width = body.look(low).shape[:2]
    linear = pose[SCALE] * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = pose[[X, Y]] - linear @ [(width - 1) / 2, (height - 1) / 2]
    camera = scene.camera[low]
    return np.column_stack(  # camera after pose
        (camera[:, :2] @ linear, camera[:, :2] @ offset + camera[:, 2])
    )


def _paint(
    frame: NDArray[np.uint8], body: Body, scene: Scene, index: int
) -> tuple[Place, NDArray[np.float32]] | None:
    """Lay one body over a frame; returns where, and its coverage there, or None."""
    opacity = float(body.poses[index, OPACITY])
    if opacity <= 0.01:
        return None
    steps = [float(index)]
    if scene.blur and index:
        steps = list(index - np.linspace(0, scene.blur, BLUR_STEPS))
    matrices = [placement(body, scene, step) for step in steps]
    look = body.look(index)
    place = _reach(matrices, look.shape, frame.shape)
    if place is None:
        return None
    rows, columns = place
    size = (columns.stop - columns.start, rows.stop - rows.start)
    coloured = look.astype(np.float32) / 255
    coloured[..., :3] *= coloured[..., 3:]  # so that blending at the rim does not darken it
    layer = np.zeros((size[1], size[0], 4), np.float32)
    for matrix in matrices:
        matrix[:, 2] -= columns.start, rows.start
        layer += cv2.warpAffine(coloured, matrix, size, flags=cv2.INTER_LINEAR) / len(steps)
    layer *= opacity
    covered = layer[..., 3]
    if covered.max() < 0.05:
        return None
    mixed = frame[place] * (1 - covered[..., None]) + 255 * layer[..., :3] + 0.5
    frame[place] = np.clip(mixed, 0, 255).astype(np.uint8)
    return place, covered


def _reach(
    matrices: list[NDArray[np.float64]], look: tuple[int, ...], frame: tuple[int, ...]
) -> Place | None:
    """The part of a frame that a look can touch."""
    corners = np.array([[-1, -1, 1], [look[1], -1, 1], [-1, look[0], 1], [look[1], look[0], 1]])
    points = np.concatenate([corners @ matrix.T for matrix in matrices])
    low = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0)) + 2, [frame[1], frame[0]]).astype(int)
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _box(place: Place, covered: NDArray[np.float32]) -> tuple[float, float, float, float]:
    solid = covered > _EDGE_COVERAGE / 255
    if not solid.any():
        return 0.0, 0.0, 0.0, 0.0
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    left, top = float(columns[0]), float(rows[0])
    wide, tall = float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top
    return place[1].start + left, place[0].start + top, wide, tall


def _zoom(camera: NDArray[np.float64]) -> float:
    return float(abs(np.linalg.det(camera[:, :2])))
