"""Each way of a place as numbers: how it moves, grows, bends and changes its look.

The numbers are without units of the picture's size: speeds in long sides of the frame a second,
growth and bending a second, looks in grey levels. NAMES gives them in order; a head that is trained
on other numbers is refused (path_judge.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.tracking import CameraMotion
from unreel.detector.trajectories import (
    CONTRAST,
    GO_X,
    GO_Y,
    GROWTH,
    LOST,
    NEW,
    SHEAR_1,
    SHEAR_2,
    TURN,
    UNEVEN,
    Field,
    Floats,
    Ways,
    around_places,
    at_places,
    smooth,
)

NEAR_SECONDS = 0.2
"""Steps so near to the moment say what happens in it."""
_OFFSETS = np.arange(-8, 9) / 15
"""Seconds at which looks are compared."""
_TURN_SPEED = 0.08
"""Slower than this, a way that turns back is noise."""
_KINDS = (
    "speed", "growth", "turn", "shear 1", "shear 2", "uneven", "contrast", "lost", "new", "shear",
)  # fmt: skip
NAMES = (
    *(f"{kind} {part}" for kind in _KINDS for part in ("mean", "spread", "most", "near")),
    "acceleration mean", "acceleration most", "acceleration near", "turns back", "turned back",
    "echo 2", "echo 3", "echo 4", "gone", "way", "straightness", "grown", "grown size",
    "grown most", "sheared", "sheared and back", "grown and back",
    "look change", "look way", "look steadiness", "look mixture", "look step", "look half",
    "look early", "look late", "look distance", "look rest", "likeness next", "likeness next least",
    "likeness ends", "likeness half", "likeness inner", "texture", "texture first", "texture last",
    "rim", "rim first", "rim last", "inside",
    "frame speed", "frame speed 90", "frame uneven 90", "frame lost", "steadiness", "step seconds",
    "camera zoom", "speed to frame", "lost to frame", "uneven to frame", "frame moving",
)  # fmt: skip
"""What the columns of `path_numbers` are."""


@dataclass(frozen=True, slots=True)
class _Along:
    """What is met along the ways, step by step."""

    values: Floats
    """(10, m, P), the channels of Field.steps first: each is read as a whole."""
    seconds: Floats
    """(m,) length of each step."""
    near: NDArray[np.bool_]
    """(m,)"""


def path_numbers(field: Field, ways: Ways, camera: CameraMotion) -> Floats:
    """Numbers of all ways through one moment.

    Args:
        field: Of the stretch.
        ways: From follow_places.
        camera: Of the stretch.

    Returns:
        (P, len(NAMES))
    """
    steps = np.arange(ways.first, ways.last)
    places = ways.places
    clock = field.seconds
    values = at_places(field.steps[steps], ways.at(steps))
    near = np.abs(clock[steps] - clock[ways.frame]) < NEAR_SECONDS
    values = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    along = _Along(values, np.diff(clock)[steps].astype(np.float32), near)
    speed = np.hypot(values[GO_X], values[GO_Y])
    columns: list[Floats | float] = []
    columns += [*_levels(along, speed), *_turning(along, speed), *_form(along)]
    looked_at = np.clip(
        np.searchsorted(clock, clock[ways.frame] + _OFFSETS - 0.02), ways.first, ways.last
    )
    columns += _looks(field, ways, looked_at)
    columns += _likeness(field, ways, looked_at[::2])
    columns += _rims(field, ways, looked_at)
    gh, gw = field.steps.shape[1:3]
    x, y = places[..., 0], places[..., 1]
    columns.append(((x >= 0) & (x <= gw - 1) & (y >= 0) & (y <= gh - 1)).mean(axis=0))
    columns += _of_frame(field, ways, camera, along, speed)
    count = places.shape[1]
    wide = [np.broadcast_to(np.asarray(column, np.float32), (count,)) for column in columns]
    return np.stack(wide, axis=-1)


def _mean_near(values: Floats, near: NDArray[np.bool_]) -> Floats:
    return np.asarray(values[near].mean(axis=0) if near.any() else values.mean(axis=0))


def _levels(along: _Along, speed: Floats) -> list[Floats]:
    v = along.values
    shear = np.hypot(v[SHEAR_1], v[SHEAR_2])
    kinds = (GROWTH, TURN, SHEAR_1, SHEAR_2, UNEVEN, CONTRAST, LOST, NEW)
    columns: list[Floats] = []
    for series in (speed, *(v[kind] for kind in kinds), shear):
        columns += [series.mean(axis=0), series.std(axis=0), np.abs(series).max(axis=0)]
        columns.append(_mean_near(series, along.near))
    return columns


def _turning(along: _Along, speed: Floats) -> list[Floats]:
    """How the velocity changes: at once, back and forth, in a rhythm."""
    x, y = along.values[GO_X], along.values[GO_Y]
    jumps = np.hypot(np.diff(x, axis=0), np.diff(y, axis=0))
    along_way = x[1:] * x[:-1] + y[1:] * y[:-1]
    back = (along_way < 0) & (np.minimum(speed[1:], speed[:-1]) > _TURN_SPEED)
    columns = [jumps.mean(axis=0), jumps.max(axis=0), _mean_near(jumps, along.near[1:])]
    columns += [back.sum(axis=0), np.sqrt(np.maximum(-along_way, 0)).sum(axis=0)]
    x_swing, y_swing = x - x.mean(axis=0), y - y.mean(axis=0)
    power = (x_swing**2 + y_swing**2).sum(axis=0) + 1e-3
    for lag in (2, 3, 4):
        echo = (x_swing[lag:] * x_swing[:-lag] + y_swing[lag:] * y_swing[:-lag]).sum(axis=0)
        columns.append(echo / power if len(x) > lag else np.zeros_like(power))
    seconds = along.seconds[:, None]
    gone = np.hypot((x * seconds).sum(axis=0), (y * seconds).sum(axis=0))
    way = (speed * seconds).sum(axis=0)
    return [*columns, gone, way, gone / (way + 0.01)]


def _form(along: _Along) -> list[Floats]:
    """Growth and bending summed along the way, and what of them is taken back."""
    v, seconds = along.values, along.seconds[:, None]
    grown = np.cumsum(v[GROWTH] * seconds, axis=0)
    sheared = np.hypot(*((v[k] * seconds).sum(axis=0) for k in (SHEAR_1, SHEAR_2)))
    shear_way = (np.hypot(v[SHEAR_1], v[SHEAR_2]) * seconds).sum(axis=0)
    growth_way = (np.abs(v[GROWTH]) * seconds).sum(axis=0)
    end = grown[-1]
    return [
        end, np.abs(end), np.abs(grown).max(axis=0),
        sheared, shear_way - sheared, growth_way - np.abs(end),
    ]  # fmt: skip


def _looks(field: Field, ways: Ways, frames: NDArray[np.intp]) -> list[Floats]:
    """Colours around a place, from the beginning of its way to the end: do they mix?"""
    looks = around_places(field.colours[frames], ways.at(frames), 1)  # (17, P, 27)
    first, last = looks[:3].mean(axis=0), looks[-3:].mean(axis=0)
    so_far, change = looks - first, last - first
    size = np.einsum("pc,pc->p", change, change) + 27.0
    share = np.einsum("tpc,pc->tp", so_far, change) / size  # 0 = as in the beginning, 1 = the end
    rest = _squares(so_far - share[..., None] * change)
    spread = _squares(looks - looks.mean(axis=0)) + 27.0 * len(frames)
    steps = np.abs(np.diff(looks, axis=0)).mean(axis=-1)
    return [
        np.abs(change).mean(axis=-1), steps.sum(axis=0),
        1 / (np.abs(np.diff(share, axis=0)).sum(axis=0) + 0.5), 1 - rest / spread,
        steps.max(axis=0), share[8], share[5] - share[0], share[-1] - share[11],
        np.sqrt(size), np.sqrt(rest / len(frames)),
    ]  # fmt: skip


def _squares(values: Floats) -> Floats:
    """(P,) the sum of the squares of (t, P, c)."""
    return np.asarray(np.einsum("tpc,tpc->p", values, values))


def _likeness(field: Field, ways: Ways, frames: NDArray[np.intp]) -> list[Floats]:
    """Correlation of small patches along the way, and how much texture they have."""
    patches = around_places(field.fine[frames], 2 * ways.at(frames), 3)  # (9, P, 49)
    patches -= patches.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.einsum("tpc,tpc->tp", patches, patches) + 49 * 4.0)

    def alike(one: int, other: int) -> Floats:
        product = np.einsum("pc,pc->p", patches[one], patches[other])
        return np.asarray(product / size[one] / size[other])

    following = np.stack([alike(i + 1, i) for i in range(len(frames) - 1)])
    return [
        following.mean(axis=0), following.min(axis=0), alike(0, -1), alike(4, 0), alike(2, 6),
        size[4] / 7, size[0] / 7, size[-1] / 7,
    ]  # fmt: skip


def _rims(field: Field, ways: Ways, frames: NDArray[np.intp]) -> list[Floats]:
    """By how much a place differs from its wider surroundings: at the moment, first and last."""
    columns = []
    for index in (ways.frame, int(frames[0]), int(frames[-1])):
        colours = field.colours[index].astype(np.float32)
        rim = np.abs(smooth(colours, 3) - smooth(colours, 13)).mean(axis=-1)
        columns.append(at_places(rim, ways.at(index)))
    return columns


def _of_frame(
    field: Field, ways: Ways, camera: CameraMotion, along: _Along, speed: Floats
) -> list[Floats | float]:
    """The whole frame over the same time: what is odd in a calm frame is not in a wild one."""
    steps = slice(ways.first, ways.last)
    speeds, uneven = field.speed[steps], field.steps[steps, ..., UNEVEN]
    usual, uneven_90 = float(np.median(speeds)), float(np.quantile(uneven, 0.9))
    lost = float(field.unexplained[steps].mean())
    zoom = float(np.log(camera.zoom[ways.last] / camera.zoom[ways.first]))
    return [
        usual, float(np.quantile(speeds, 0.9)), uneven_90, lost,
        float(np.median(camera.steadiness[ways.first : ways.last + 1])),
        float(np.median(along.seconds)), zoom,
        speed.mean(axis=0) / (usual + 0.02),
        along.values[LOST].mean(axis=0) / (lost + 1),
        along.values[UNEVEN].mean(axis=0) / (uneven_90 + 0.02),
        float((speeds.mean(axis=0) > 0.05).mean()),
    ]  # fmt: skip
