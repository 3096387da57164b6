"""Learned lane: does the picture, and its way through time, look generated?

Measures: logits of the spatio-temporal classifier on bursts of frames (detector/network.py).
Why generators leave it: their decoders paint texture that lenses and sensors do not, and their
    embeddings move through time unlike those of footage.
Blind: where the generator is unlike all that it was trained on; heavy recompression and shrinking;
    faces swapped into camera footage; slide shows.
Source: fine-tuned image backbone with temporal differences, cf. D3 (Zheng et al. 2025) for the
    differences and CAM (Zhou et al. 2016) for the place.
Command: unreel scan
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.model import Model
from unreel.detector.preprocess import to_model_size
from unreel.detector.records import (
    Evidence,
    Measured,
    Sample,
    Skipped,
    WindowPictures,
    WindowScore,
)
from unreel.detector.runtime import WindowLogits

NAME = "learned"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of a window: small frames only, whatever the video's size."""

    shot: int
    frames: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]


class LearnedLane:
    """Collects windows as they are decoded, then judges them.

    Args:
        model: From `load_model`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._kept: list[_Kept] = []
        self._too_few = 0
        self._judged: list[WindowLogits] = []

    def add(self, sample: Sample) -> None:
        """Take in the frames of one window; those with too few frames only count."""
        if len(sample.frames) < self._model.sampling.min_frames:
            self._too_few += 1
            return
        stride = self._model.frame_stride
        small = to_model_size(sample.frames[::stride], short_side=self._model.short_side)
        self._kept.append(_Kept(sample.window.shot, small, sample.pts_seconds[::stride]))

    def finish(self) -> Evidence:
        """Judge what was taken in."""
        if not self._kept:
            least = self._model.sampling.min_frames
            return Skipped(NAME, f"no stretch with at least {least} readable frames in one shot")
        self._judged = [self._model.judge(kept.frames) for kept in self._kept]
        windows = tuple(
            WindowScore(
                kept.shot, float(kept.pts_seconds[0]), float(kept.pts_seconds[-1]), logits.clip
            )
            for kept, logits in zip(self._kept, self._judged, strict=True)
        )
        return Measured(NAME, float(np.mean([w.logit for w in windows])), windows)

    def pictures(self) -> tuple[WindowPictures, ...]:
        """What was judged by `finish`, frame by frame and place by place."""
        return tuple(
            WindowPictures(k.shot, k.pts_seconds, k.frames, logits.frames, logits.patches)
            for k, logits in zip(self._kept, self._judged, strict=False)
        )

    def recheck(self, crf: int) -> float | None:
        """The clip's logit after the windows went through H.264 once more; None without windows.

        What holds only until the next upload is no ground for a verdict.
        """
        from unreel.detector.encode import reencode

        if not self._kept:
            return None
        logits = [
            self._model.judge(reencode(k.frames, k.pts_seconds, crf=crf)).clip for k in self._kept
        ]
        return float(np.mean(logits))
