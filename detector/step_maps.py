"""What motion does not explain between neighbouring frames, cell by cell.

    before -> after by dense flow, and back      what motion explains is taken away

Each frame is drawn from its neighbour along the optical flow; what differs is left over. The flow
is found once and serves all: points are followed from where it says that they are (tracking.py),
things that move are told by it (detecting.py). Steps do not depend on each other, so that as many
are looked at in parallel as there are threads, with the same result.

Source: DIS flow, Kroeger et al. 2016.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL = 4
"""Small pixels of a cell of the maps."""
_STEPS_AT_ONCE = 8
"""Of one thread, so that none is done long before the others."""


@dataclass(frozen=True, slots=True)
class StepMaps:
    """What motion does not explain between two neighbouring frames, by cell."""

    lost: NDArray[np.float32]
    """(gh, gw) of the earlier frame, not found in the later one; grey levels."""
    new: NDArray[np.float32]
    """(gh, gw) of the later frame, not found in the earlier one."""
    flow: NDArray[np.float32]
    """(gh, gw, 2) small pixels from the later frame to the earlier one."""
    ahead: NDArray[np.float32]
    """(gh, gw, 2) small pixels from the earlier frame to the later one."""


class StepMapper:
    """Turns neighbouring frames into StepMaps; keeps the flow engine and its buffers."""

    def __init__(self) -> None:
        import cv2

        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._places = _every_place(0, 0)

    def maps(
        self,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        grey_before: NDArray[np.uint8],
        grey_after: NDArray[np.uint8],
    ) -> StepMaps:
        """Maps of one step.

        Args:
            before: (h, w, 3) RGB.
            after: (h, w, 3) RGB.
            grey_before: (h, w) its luma.
            grey_after: (h, w) its luma.
        """
        back = self._flow.calc(grey_after, grey_before, None)  # type: ignore[call-overload]  # stubs lack None
        forth = self._flow.calc(grey_before, grey_after, None)  # type: ignore[call-overload]  # as above
        if self._places.shape != back.shape:
            self._places = _every_place(*grey_after.shape)
        return StepMaps(
            lost=cells_of(_left_over(before, after, self._places + forth)),
            new=cells_of(_left_over(after, before, self._places + back)),
            flow=cells_of(back),
            ahead=cells_of(forth),
        )


def map_steps(
    frames: NDArray[np.uint8], grey: NDArray[np.uint8], threads: int = 0
) -> tuple[StepMaps, ...]:
    """Maps of all steps of a stretch.

    Args:
        frames: (n, h, w, 3) RGB.
        grey: (n, h, w) their luma.
        threads: That share the work; 0 = as many as there are cores.

    Returns:
        (n - 1): the first is of frames 0 and 1.
    """

    def part(first: int) -> list[StepMaps]:
        mapper = StepMapper()
        last = min(first + _STEPS_AT_ONCE, len(frames))
        return [
            mapper.maps(frames[i - 1], frames[i], grey[i - 1], grey[i]) for i in range(first, last)
        ]

    starts = range(1, len(frames), _STEPS_AT_ONCE)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        return tuple(maps for maps_of_part in pool.map(part, starts) for maps in maps_of_part)


def cell_centres(rows: int, columns: int) -> NDArray[np.float64]:
    """(rows, columns, 2) x and y of the middle of each cell, small pixels."""
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.asarray(np.stack([x, y], axis=-1) * CELL + (CELL - 1) / 2, np.float64)


def _every_place(height: int, width: int) -> NDArray[np.float32]:
    """(h, w, 2) the x and y of each pixel."""
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    return np.stack([columns, rows], axis=-1)


def _left_over(
    wanted: NDArray[np.uint8], source: NDArray[np.uint8], places: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(h, w) grey levels by which `wanted` differs from `source` at `places` (h, w, 2)."""
    import cv2

    drawn = cv2.remap(  # type: ignore[call-overload]  # stubs lack None
        source, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # A pixel this way or that is no change: flow is not that exact.
    kernel = np.ones((3, 3), np.uint8)
    above = cv2.subtract(wanted, cv2.dilate(drawn, kernel))
    below = cv2.subtract(cv2.erode(drawn, kernel), wanted)
    red, green, blue = cv2.split(cv2.max(above, below))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.float32)


def cells_of(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) or (h, w, 2) -> (h // CELL, w // CELL), means."""
    import cv2

    gh, gw = picture.shape[0] // CELL, picture.shape[1] // CELL
    inside = picture[: gh * CELL, : gw * CELL]
    return np.asarray(cv2.resize(inside, (gw, gh), interpolation=cv2.INTER_AREA), np.float32)
