"""Ways of all places of a stretch: what is at a place now is followed a good half second each way.

    dense flow of each step -> places followed back and forth -> what each step does along the way

No object is looked for: whatever is at a place of a coarse grid is followed by the dense flow that
the scene has anyway, and along its way motion against the camera, growth, bending and what motion
leaves unexplained are read off. path_numbers.py turns a way into numbers, path_judge.py judges it.

Source: the ways are dense trajectories (Wang et al. 2011) in both directions of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch
from unreel.detector.step_maps import CELL, StepMaps, cell_centres
from unreel.detector.tracking import CameraMotion, shifts

REACH_SECONDS = 0.56
"""Followed so long before and after."""
EVERY_SECONDS = 0.2
"""Between moments that ways are followed from."""
STRIDE = 2
"""Cells between places that ways are followed from."""
MIN_STEPS = 4
"""Ways of fewer steps say nothing: frames too far apart."""
MIN_SECONDS = 0.6
"""Shorter stretches have no way that is worth judging."""

GO_X, GO_Y, GROWTH, TURN, SHEAR_1, SHEAR_2, UNEVEN, CONTRAST, LOST, NEW = range(10)
"""Channels of `Field.steps`: velocity against the camera in long sides of the frame a second;
growth, turning and the two shears of the velocity field, a second; how uneven the velocity is
nearby; by how much it differs from the wider surroundings; and what motion leaves unexplained of
the earlier frame and of the later one, grey levels."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of every cell of a stretch."""

    seconds: NDArray[np.float64]
    """(n,)"""
    steps: Floats
    """(n - 1, gh, gw, 10), see the channels above; at the earlier frame of each step."""
    speed: Floats
    """(n - 1, gh, gw) against the camera, not smoothed; long sides a second."""
    ahead: Floats
    """(n - 1, gh, gw, 2) cells from the earlier frame to the later one."""
    back: Floats
    """(n - 1, gh, gw, 2) cells from the later frame to the earlier one."""
    colours: NDArray[np.uint8]
    """(n, gh, gw, 3) mean of each cell."""
    fine: NDArray[np.uint8]
    """(n, 2 gh, 2 gw) luma at two pixels a cell."""
    unexplained: NDArray[np.float64]
    """(n - 1,) mean over the frame of what is lost, grey levels."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways through one moment, one for each place of a grid."""

    frame: int
    first: int
    """The first frame of the ways; places are given from here to `last`."""
    last: int
    places: Floats
    """(last - first + 1, P, 2) x and y in cells."""
    grid: tuple[int, int]
    """Rows and columns of the grid that the P places are."""

    def at(self, frames: int | NDArray[np.intp]) -> Floats:
        """(..., P, 2) x and y in cells at frames of the stretch from `first` to `last`."""
        return np.asarray(self.places[frames - self.first])


def field_of(stretch: Stretch, steps: tuple[StepMaps, ...], camera: CameraMotion) -> Field | None:
    """Read every cell of a stretch; None when the stretch is too short."""
    import cv2

    clock = stretch.pts_seconds
    if len(clock) < 6 or clock[-1] - clock[0] < MIN_SECONDS:
        return None
    own = _against_camera(stretch, steps, camera)
    gh, gw = own.shape[1:3]
    size = (gw, gh)
    inside = stretch.frames[:, : gh * CELL, : gw * CELL]
    lumas = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in inside)
    area = cv2.INTER_AREA
    fine = [cv2.resize(luma, (2 * gw, 2 * gh), interpolation=area) for luma in lumas]
    return Field(
        seconds=clock,
        steps=_channels(stretch, own, steps),
        speed=np.linalg.norm(own, axis=-1),
        ahead=np.stack([smooth(step.ahead, 3) for step in steps]) / np.float32(CELL),
        back=np.stack([smooth(step.flow, 3) for step in steps]) / np.float32(CELL),
        colours=np.stack([cv2.resize(f, size, interpolation=area) for f in inside]),
        fine=np.stack(fine),
        unexplained=np.array([float(step.lost.mean()) for step in steps]),
    )


def follow_places(field: Field) -> Iterator[Ways]:
    """Follow the places of a grid through moments of a stretch, in order of time.

    Moments with too few frames around them are passed over.
    """
    clock = field.seconds
    gh, gw = field.steps.shape[1:3]
    rows, columns = range(1, gh - 1, STRIDE), range(1, gw - 1, STRIDE)
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    start = np.stack([x, y], axis=-1).astype(np.float32)
    for moment in _moments(clock):
        at = int(np.argmin(np.abs(clock - moment)))
        first = max(0, int(np.searchsorted(clock, clock[at] - REACH_SECONDS)))
        last = int(np.searchsorted(clock, clock[at] + REACH_SECONDS, side="right")) - 1
        if last - first < MIN_STEPS:
            continue
        places = np.zeros((last - first + 1, len(start), 2), np.float32)
        places[at - first] = start
        for index in range(at + 1, last + 1):
            before = places[index - 1 - first]
            places[index - first] = before + at_places(field.ahead[index - 1], before)
        for index in range(at - 1, first - 1, -1):
            after = places[index + 1 - first]
            places[index - first] = after + at_places(field.back[index], after)
        yield Ways(at, first, last, places, (len(rows), len(columns)))


def at_places(pictures: Floats, places: Floats) -> Floats:
    """(..., P, c) the cells of maps (..., gh, gw, c) nearest to places (..., P, 2) x, y.

    Maps of one number for each cell have no c.
    """
    lead = places.ndim - 2
    height, width = pictures.shape[lead : lead + 2]
    rows = np.clip(np.rint(places[..., 1]), 0, height - 1).astype(np.intp)
    columns = np.clip(np.rint(places[..., 0]), 0, width - 1).astype(np.intp)
    if lead:
        rows += height * np.arange(len(pictures))[:, None]
    flat = pictures.reshape(-1, *pictures.shape[lead + 2 :])
    return np.asarray(flat.take(rows * width + columns, axis=0))


def around_places(pictures: Floats | NDArray[np.uint8], places: Floats, reach: int) -> Floats:
    """(n, P, k) the cells of n pictures (n, h, w, ...) within so many of places (n, P, 2).

    Beyond the rim is as at the rim, and places further out are taken as `reach` beyond it.
    """
    height, width = pictures.shape[1:3]
    beside = np.arange(-reach, reach + 1)
    x = np.clip(np.rint(places[..., 0]), -reach, width - 1 + reach).astype(np.intp)
    y = np.clip(np.rint(places[..., 1]), -reach, height - 1 + reach).astype(np.intp)
    rows = np.clip(y[..., None] + beside, 0, height - 1)
    columns = np.clip(x[..., None] + beside, 0, width - 1)
    rows += height * np.arange(len(pictures))[:, None, None]
    cells = (rows[..., :, None] * width + columns[..., None, :]).reshape(*x.shape, -1)
    flat = pictures.reshape(-1, *pictures.shape[3:])
    return np.asarray(flat.take(cells, axis=0).reshape(*x.shape, -1), np.float32)


def smooth(picture: Floats, side: int) -> Floats:
    """The mean over a square of so many cells."""
    import cv2

    smoothed = cv2.blur(picture, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smoothed, np.float32)


def _moments(clock: NDArray[np.float64]) -> NDArray[np.float64]:
    if clock[-1] - clock[0] <= 0.7:
        return np.array([(clock[0] + clock[-1]) / 2])
    return np.arange(clock[0] + 0.3, clock[-1] - 0.3 + 1e-6, EVERY_SECONDS)


def _against_camera(stretch: Stretch, steps: tuple[StepMaps, ...], camera: CameraMotion) -> Floats:
    """(n - 1, gh, gw, 2) velocity against the camera, long sides a second."""
    clock, side = stretch.pts_seconds, max(stretch.frames.shape[1:3])
    gh, gw = steps[0].ahead.shape[:2]
    places = cell_centres(gh, gw)
    out = []
    for index, step in enumerate(steps, start=1):
        seconds = max(clock[index] - clock[index - 1], 1e-3)
        out.append((step.ahead - shifts(camera.step(index), places)) / side / seconds)
    return np.stack(out).astype(np.float32)


def _channels(stretch: Stretch, own: Floats, steps: tuple[StepMaps, ...]) -> Floats:
    """(n - 1, gh, gw, 10)"""
    cell = CELL / max(stretch.frames.shape[1:3])  # long sides
    out = np.empty((*own.shape[:3], NEW + 1), np.float32)
    for channels, go, step in zip(out, own, steps, strict=True):
        x_by_y, x_by_x = (part / cell for part in np.gradient(go[..., 0]))
        y_by_y, y_by_x = (part / cell for part in np.gradient(go[..., 1]))
        near, wide = smooth(go, 3), smooth(go, 15)
        bends = [(x_by_x + y_by_y) / 2, (y_by_x - x_by_y) / 2]
        bends += [(x_by_x - y_by_y) / 2, (x_by_y + y_by_x) / 2]
        uneven = smooth(np.linalg.norm(go - near, axis=-1), 5)
        contrast = np.linalg.norm(near - wide, axis=-1)
        maps = [*(smooth(bend, 5) for bend in bends), uneven, contrast]
        channels[:] = np.dstack([near, *maps, smooth(step.lost, 3), smooth(step.new, 3)])
    return out
