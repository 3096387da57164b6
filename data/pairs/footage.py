"""Bursts of neighbouring frames out of camera clips, at native size.

Decoder traces live at native resolution and, in time, from one frame to the next: a burst is never
resized and never thinned out. Decoding happens in the killable decoder process of a scan, so that
anybody's footage may be named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.config import Limits
from unreel.detector.errors import MediaError
from unreel.detector.media import open_media
from unreel.detector.records import Shot, Window
from unreel.detector.shots import find_shots

LIMITS = Limits(wall_seconds_per_request=120)
"""Patient: a busy machine must not decide which clips become pairs."""
MIN_FRAMES = 5
"""Fewer hold no motion, and no second group of a video autoencoder."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Neighbouring frames of one clip."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    pts_seconds: NDArray[np.float64]
    """(T,) from the first frame of the burst."""
    begins_seconds: float
    """Presentation time of the first frame in the clip."""
    left: int
    top: int
    """Where the crop begins in the clip's frame, pixels."""
    sha256: str
    """Of the clip."""


def read_burst(
    path: str,
    *,
    frames: int,
    crop: int,
    multiple: int,
    rng: np.random.Generator,
    sha256: str | None = None,
) -> Burst:
    """Read neighbouring frames at a random place in the longest shot.

    Args:
        path: A video.
        frames: How many; fewer where the shot is shorter.
        crop: Side of the square, pixels; 0 = the whole frame. Smaller frames are taken whole.
        multiple: Sides are cut down to multiples of this.
        rng: Chooses when and where.
        sha256: Of the file that is meant; None = whatever is there.

    Raises:
        MediaError: It cannot be used, is not the file that is meant, or holds fewer than
            MIN_FRAMES neighbouring frames.
    """
    with open_media(path, LIMITS) as reader:
        digest = reader.media.sha256
        if sha256 is not None and digest != sha256:
            raise MediaError("changed", f"{path} is not the file that the manifest lists")
        longest = max(find_shots(reader), key=lambda shot: shot.t_end - shot.t_start)
        first, last = _positions(reader.pts_seconds, longest)
        begin = first + int(rng.integers(max(1, last - first - frames + 1)))
        wanted = tuple(range(begin, min(begin + frames, last)))
        if len(wanted) < MIN_FRAMES:
            raise MediaError(
                "unreadable", f"{path} holds {len(wanted)} neighbouring frames, {MIN_FRAMES} needed"
            )
        times = reader.pts_seconds
        window = Window(longest.index, wanted, float(times[begin]), float(times[wanted[-1]]))
        sample = reader.read(window)
    kept = _unbroken(np.asarray(sample.window.frame_indices))
    if kept < MIN_FRAMES:
        raise MediaError("unreadable", f"{path}: {kept} neighbouring frames could be decoded")
    height, width = sample.frames.shape[1:3]
    sides = [_side(full, crop, multiple) for full in (height, width)]
    if min(sides) < 2 * multiple:
        raise MediaError("unreadable", f"{path}: frames of {width}x{height} pixels are too small")
    top, left = (
        int(rng.integers(full - side + 1)) for full, side in ((height, sides[0]), (width, sides[1]))
    )
    area = sample.frames[:kept, top : top + sides[0], left : left + sides[1]]
    pts = sample.pts_seconds[:kept]
    return Burst(np.ascontiguousarray(area), pts - pts[0], float(pts[0]), left, top, digest)


def _positions(pts: NDArray[np.float64], shot: Shot) -> tuple[int, int]:
    """First frame of a shot and one past its last; cuts stand at a frame's own time."""
    first, last = np.searchsorted(pts, [shot.t_start - 5e-4, shot.t_end - 5e-4])
    return int(first), int(last)


def _unbroken(positions: NDArray[np.int64]) -> int:
    """How many frames follow each other without a gap, from the first on."""
    gaps = np.flatnonzero(np.diff(positions) != 1)
    return int(gaps[0]) + 1 if len(gaps) else len(positions)


def _side(full: int, crop: int, multiple: int) -> int:
    wanted = min(full, crop) if crop else full
    return wanted // multiple * multiple
