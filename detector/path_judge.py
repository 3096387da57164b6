"""Judges the ways of places: which look like one of a few events that no camera records.

    numbers of a way (path_numbers.py) -> two hidden layers -> a logit for each event
    logits over the places of a moment -> smoothed in space and time -> peaks

The head was trained on planted events, their lawful twins and camera clips (`unreel train-paths`);
`models/paths/head.npz` holds its weights, which are read as plain arrays. What a logit is worth is
said by the reference, as for every statistic: how many camera clips show one as strong.

Source: our own; that each place is judged by itself follows Chai et al. 2020 ("What makes fake
images detectable?").
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import Stretch
from unreel.detector.errors import ModelError
from unreel.detector.path_numbers import NAMES, path_numbers
from unreel.detector.step_maps import CELL, StepMaps
from unreel.detector.tracking import CameraMotion
from unreel.detector.trajectories import STRIDE, Floats, field_of, follow_places

EVENTS = (
    "identity-morph", "rigidity-break", "scale-drift", "impossible-acceleration",
    "dissolve", "emerge",
)  # fmt: skip
"""What the head tells apart, in the order of its outputs."""
HEAD = Path(__file__).parent / "models" / "paths" / "head.npz"
FLOOR = -4.0
"""Weaker peaks are not kept."""
FALL = 3.0
"""A peak reaches as far in space and time as its logit falls by less."""
PEAKS = 4
"""Of one event in one stretch."""
_NEARBY = 6
"""Places around a peak in which the same event is not looked for again at the same time."""
CLIP = 4.0
"""Spreads beyond which a number is taken as this far out."""
_ARRAYS = ("mean", "spread", "w1", "b1", "w2", "b2", "w3", "b3")


@dataclass(frozen=True, slots=True)
class PathPeak:
    """One place and time that looks like an event."""

    event: str
    logit: float
    first: int
    """The first moment's frame of the stretch."""
    last: int
    boxes: tuple[tuple[int, float, float, float, float], ...]
    """Frame of the stretch, then x, y, w, h in small pixels: where the place is at each moment."""


@dataclass(frozen=True, slots=True)
class PathHead:
    """A small network over the numbers of a way."""

    arrays: dict[str, Floats]

    def logits(self, numbers: Floats) -> Floats:
        """(P, len(NAMES)) to (P, len(EVENTS))."""
        a = self.arrays
        squashed = np.sign(numbers) * np.log1p(np.abs(numbers))
        x = np.clip((squashed - a["mean"]) / a["spread"], -CLIP, CLIP)
        for number in ("1", "2"):
            x = np.maximum(x @ a["w" + number].T + a["b" + number], 0)
        return np.asarray(x @ a["w3"].T + a["b3"], np.float32)


@cache
def load_path_head(path: Path = HEAD) -> PathHead:
    """Read a head.

    Raises:
        ModelError: It is not there, or not a head over these numbers.
    """
    wanted = f"the head of {path} cannot be used: "
    again = "; install unreel anew, or make one with unreel train-paths"
    try:
        # From memory: numpy leaves the file open when it turns out to be broken.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in _ARRAYS}
            names, events = (tuple(map(str, file[name])) for name in ("names", "events"))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{wanted}{error}{again}") from error
    if names != NAMES or events != EVENTS:
        raise ModelError(f"{wanted}it was trained on other numbers or events{again}")
    return PathHead(arrays)


def path_peaks(
    stretch: Stretch, steps: tuple[StepMaps, ...], camera: CameraMotion, head: PathHead
) -> tuple[PathPeak, ...]:
    """Where and when a stretch looks like one of the events.

    Args:
        stretch: Frames in a row.
        steps: Of the same frames.
        camera: Of the same frames.
        head: Judges.

    Returns:
        Up to PEAKS of each event, the strongest first.
    """
    field = field_of(stretch, steps, camera)
    if field is None:
        return ()
    frames, maps = [], []
    for ways in follow_places(field):
        logits = head.logits(path_numbers(field, ways, camera))
        frames.append(ways.frame)
        maps.append(logits.reshape(*ways.grid, len(EVENTS)))
    if not maps:
        return ()
    of_events = np.moveaxis(np.stack(maps), -1, 0)
    peaks = (_peaks(event, of_events[i], frames) for i, event in enumerate(EVENTS))
    return tuple(peak for of_event in peaks for peak in of_event)


def _peaks(event: str, logits: Floats, frames: list[int]) -> list[PathPeak]:
    """Peaks of (t, rows, columns), smoothed over three places and moments."""
    import cv2

    border = cv2.BORDER_REPLICATE
    flat = np.stack([cv2.blur(moment, (3, 3), borderType=border) for moment in logits])
    padded = np.pad(flat, ((1, 1), (0, 0), (0, 0)), mode="edge")
    smoothed = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    left, found = smoothed.copy(), []
    for _ in range(PEAKS):
        value = float(left.max())
        if value < FLOOR:
            break
        at, row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        part = (slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3))
        strong = smoothed[:, part[0], part[1]].max(axis=(1, 2)) > value - FALL
        first = last = at
        while first > 0 and strong[first - 1]:
            first -= 1
        while last < len(strong) - 1 and strong[last + 1]:
            last += 1
        rows, columns = _around(smoothed[at] > value - FALL, row, column)
        boxes = tuple((frames[i], *_box(rows, columns)) for i in range(first, last + 1))
        found.append(PathPeak(event, value, frames[first], frames[last], boxes))
        # The same event is strong nearby too, wherever the thing goes meanwhile.
        left[max(0, first - 2) : last + 3, _wider(rows), _wider(columns)] = -np.inf
    return found


def _around(strong: NDArray[np.bool_], row: int, column: int) -> tuple[slice, slice]:
    """Rows and columns of the places that hang together with the peak."""
    import cv2

    _, labels = cv2.connectedComponents(strong.astype(np.uint8))
    mask = labels == labels[row, column]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _wider(part: slice) -> slice:
    return slice(max(0, part.start - _NEARBY), part.stop + _NEARBY)


def _box(rows: slice, columns: slice) -> tuple[float, float, float, float]:
    """(x, y, w, h) small pixels."""
    x, y = columns.start, rows.start
    wide, tall = columns.stop - x, rows.stop - y
    place = float(STRIDE * CELL)
    return place * x, place * y, place * wide, place * tall
