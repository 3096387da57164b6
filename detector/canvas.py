"""Where the pictures of one window go, straight from the decoder's pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import MediaError


class Canvas:
    """Frames (T, H, W, 3) that are filled one by one.

    Args:
        wanted: Positions of the frames, in order.
        height: Pixels.
        width: Pixels.
    """

    def __init__(self, wanted: Sequence[int], height: int, width: int) -> None:
        self.frames: NDArray[np.uint8] = np.empty((len(wanted), height, width, 3), np.uint8)
        self.filled: NDArray[np.bool_] = np.zeros(len(wanted), np.bool_)
        self._row = {position: row for row, position in enumerate(wanted)}

    def place(self, header: dict[str, Any], payload_bytes: int) -> memoryview:
        """The row of a picture; a size that was not announced is an error."""
        row = self._row.get(header["position"])
        if row is None or payload_bytes != self.frames[0].nbytes:
            raise MediaError("unreadable", "the decoder gave a frame that was not asked for")
        if (header["height"], header["width"]) != self.frames.shape[1:3]:
            raise MediaError("unreadable", "the picture size changes within the video")
        self.filled[row] = True
        return memoryview(self.frames[row]).cast("B")
