"""Residual lane: what is left when the picture's content is taken away: how frames keep time.

Measures: pictures that are held within motion, and sharpness or steps that repeat every 4 or 8
    frames (cadence.py), from two numbers for each frame; surfaces that are painted anew with each
    frame (boiling.py), from the dense frames.
Why generators leave it: video decoders make frames in groups; clips are stretched and joined by
    repeating frames; nothing holds the pattern of a surface from one frame to the next.
Blind: clips longer than the pass over all frames, clips of less than 25 frames, groups that an
    encoder has levelled. Streams that stall and screens that are recorded hold pictures as well.
Source: the rhythm of causal video autoencoders, cf. CaDet.
Command: unreel scan --lanes residual
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.lanes.boiling import boiling
from unreel.detector.lanes.cadence import FrameFacts
from unreel.detector.records import Finding
from unreel.detector.scenes import ClipScenes

NAME = "residual"


class ResidualLane:
    """See the module."""

    name = NAME
    reads_paths = False

    def __init__(self) -> None:
        self._facts = FrameFacts()

    def glance(self, positions: NDArray[np.int64], frames: NDArray[np.uint8]) -> None:
        """Keep two numbers of each frame."""
        self._facts.take(positions, frames)

    def candidates(self, clip: ClipScenes) -> list[Finding]:
        """What might be worth a look, shot by shot."""
        painted = [finding for scene in clip.scenes for finding in boiling(scene)]
        return self._facts.findings(clip) + painted
