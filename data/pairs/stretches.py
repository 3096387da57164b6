"""Real footage, read small: a steady stretch of it, how its camera moves, and what moves in it.

A moving thing is cut out where the camera rests or can be brought to rest: the median of the
aligned frames is the ground without it, what differs from that is the thing. Where the ground was
never free it is painted in (Telea, "An image inpainting technique based on the fast marching
method", 2004).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.layers import Body, Scene, steady
from unreel.detector.config import Limits
from unreel.detector.media import open_media
from unreel.detector.shots import MIN_CHANGE

MAX_PAN = 0.12
"""A camera that moves further than this share of the width has no ground that is seen again."""
MIN_AREA, MAX_AREA = 0.0025, 0.25
"""Share of the frame that a thing covers for it to be cut out."""
MIN_SHARE = 0.6
"""Of the seconds asked for: shorter stretches are not used."""
MIN_SIDE = 64
"""Pixels of the shorter side: in smaller footage nothing can be planted that a person would see."""
_GROW = 5
"""Pixels that a cut-out is larger than what differs: shadows and compression at the rim."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A few seconds of one shot."""

    name: str
    sha256: str
    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB, even sides."""
    seconds: NDArray[np.float64]
    """(T,) from its first frame."""


def read_stretch(
    path: Path, *, seconds: float, short_side: int, max_fps: float, limits: Limits | None = None
) -> Stretch | None:
    """The first uncut stretch of a video that is long enough, or the longest.

    Args:
        path: Untrusted: it is decoded in a process of its own.
        seconds: How much of it; at least MIN_SHARE of this.
        short_side: Pixels to shrink to.
        max_fps: Faster footage is thinned.
        limits: Of the decoder; None = the defaults of a scan.

    Returns:
        None when no stretch is that long, or the footage is too small.

    Raises:
        MediaError: The file cannot be read.
    """
    with open_media(path, limits or Limits()) as reader:
        media = reader.media
        if media.short_side < MIN_SIDE:
            return None
        long_side = round(max(media.width, media.height) / media.short_side * short_side)
        times: list[float] = []
        pictures: list[NDArray[np.uint8]] = []
        cuts = [0]
        for positions, frames in reader.small_frames(long_side=min(long_side, 1024)):
            for position, frame in zip(positions, frames, strict=True):
                now = float(reader.pts_seconds[position])
                if times and now - times[-1] < 1 / max_fps - 1e-3:
                    continue
                if pictures and _is_cut(pictures[-1], frame):
                    cuts.append(len(pictures))
                times.append(now)
                pictures.append(frame)
            if (times and times[-1] - times[cuts[-1]] >= seconds) or (times and times[-1] > 60):
                break
    spans = list(zip(cuts, [*cuts[1:], len(times)], strict=True))
    full = [span for span in spans if _length(times, span) >= seconds]
    first, last = full[0] if full else max(spans, key=lambda span: _length(times, span))
    if _length(times, (first, last)) < MIN_SHARE * seconds:
        return None
    last = first + int(np.searchsorted(times[first:last], times[first] + seconds - 1e-6))
    turned = np.rot90(np.stack(pictures[first:last]), -media.rotation_degrees // 90, axes=(1, 2))
    height, width = (side // 2 * 2 for side in turned.shape[1:3])
    clock = np.array(times[first:last])
    even = np.ascontiguousarray(turned[:, :height, :width])
    return Stretch(path.name, media.sha256, even, clock - clock[0])


def _length(times: list[float], span: tuple[int, int]) -> float:
    return times[span[1] - 1] - times[span[0]] if span[1] > span[0] else 0.0


def _is_cut(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    small = [cv2.resize(f, (32, 18), interpolation=cv2.INTER_AREA) for f in (before, after)]
    return float(np.abs(small[0].astype(float) - small[1]).mean()) > 1.5 * MIN_CHANGE


def camera_of(frames: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """How the ground moves in the picture.

    Corners are followed by Lucas and Kanade's method (1981) and checked backwards; a similarity is
    fitted by RANSAC. Steps are joined, so errors add up: meant for seconds, not minutes.

    Returns:
        (T, 2, 3) from the pixels of the first frame to those of each; None when it is lost.
    """
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
    total, path = np.eye(3), [np.eye(2, 3)]
    for before, after in itertools.pairwise(grey):
        step = _step(before, after)
        if step is None:
            return None
        total = np.vstack([step, [0, 0, 1]]) @ total
        path.append(total[:2].copy())
    return np.stack(path)


def _step(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """(2, 3) from one frame to the next."""
    points = cv2.goodFeaturesToTrack(before, 250, 0.01, 7)
    if points is not None and len(points) >= 12:
        moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None)  # type: ignore[call-overload]  # stubs lack defaults
        back, again, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None)  # type: ignore[call-overload]  # as above
        good = (found & again).ravel().astype(bool)
        good &= np.linalg.norm((back - points).reshape(-1, 2), axis=1) < 0.7
        if good.sum() >= 12:
            step, inliers = cv2.estimateAffinePartial2D(
                points[good], moved[good], ransacReprojThreshold=1.5
            )
            if step is not None and inliers.mean() >= 0.5:
                ground = points[good].reshape(-1, 2)[inliers.ravel() > 0]
                # Corners on one thing alone tell how it moves, not how the ground does.
                if (ground.std(axis=0) > 0.14 * np.array(before.shape[::-1])).all():
                    return np.asarray(step)
    # A plain wall has no corners; where most of the picture stays as it is, nothing moved.
    is_still = float(np.median(cv2.absdiff(before, after))) <= 1.0
    return np.eye(2, 3) if is_still else None


def cut_out(stretch: Stretch, camera: NDArray[np.float64]) -> Scene | None:
    """The footage with its one clearly moving thing as a body.

    Returns:
        None when the camera pans too far, nothing moves by itself, or too much does.
    """
    count, height, width = stretch.frames.shape[:3]
    if np.abs(camera[:, :, 2]).max() > MAX_PAN * width:
        return None
    aligned = np.stack([_warp(f, camera[i], back=True) for i, f in enumerate(stretch.frames)])
    ground = np.median(aligned, axis=0).astype(np.uint8)
    masks = [_moving(frame, ground) for frame in aligned]
    chain = _chain(masks)
    if chain is None:
        return None
    looks, poses, grounds = [], steady(0, 0, count), np.empty_like(stretch.frames)
    union = np.zeros((height, width), np.uint8)
    for mask in chain:
        union |= mask
    never = (np.mean([mask > 0 for mask in chain], axis=0) > 0.45).astype(np.uint8)
    if never.any():
        ground = cv2.inpaint(ground, cv2.dilate(never, np.ones((3, 3))), 5, cv2.INPAINT_TELEA)
    for index, mask in enumerate(chain):
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)
        clean = aligned[index] * (1 - soft[..., None]) + ground * soft[..., None]
        back = _warp(clean.astype(np.uint8), camera[index], back=False)
        inside = _warp(np.full((height, width), 255, np.uint8), camera[index], back=False) > 250
        grounds[index] = np.where(inside[..., None], back, stretch.frames[index])
        x, y, w, h = cv2.boundingRect(mask)
        x0, y0 = max(0, x - 4), max(0, y - 4)
        x1, y1 = min(width, x + w + 4), min(height, y + h + 4)
        cover = (255 * soft[y0:y1, x0:x1]).astype(np.uint8)
        looks.append(np.dstack([aligned[index][y0:y1, x0:x1], cover]))
        poses[index, :2] = (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2
    body = Body("thing", tuple(looks), poses)
    return Scene("cut-out", stretch.seconds, grounds, camera, (body,))


def _warp(
    picture: NDArray[np.uint8], camera: NDArray[np.float64], *, back: bool
) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    flags = cv2.INTER_LINEAR | (cv2.WARP_INVERSE_MAP if back else 0)
    mode = cv2.BORDER_REPLICATE if picture.ndim == 3 else cv2.BORDER_CONSTANT
    warped = cv2.warpAffine(picture, camera, (width, height), flags=flags, borderMode=mode)
    return np.asarray(warped, np.uint8)


def _moving(frame: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) 0/1: what differs from the ground by more than its noise."""
    smooth = [cv2.GaussianBlur(p, (0, 0), 1.5).astype(np.int16) for p in (frame, ground)]
    change = np.abs(smooth[0] - smooth[1]).max(axis=2).astype(np.uint8)
    noise = float(np.median(change))
    mask = (change > max(16.0, 5 * noise)).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8))
    return np.asarray(closed, np.uint8)


def _chain(masks: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]] | None:
    """The largest thing of each frame, grown; None unless it is one thing, always there."""
    area = masks[0].size
    found: list[NDArray[np.uint8]] = []
    before: tuple[NDArray[np.float64], float] | None = None
    for mask in masks:
        count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
        if count < 2:
            return None
        sizes = stats[1:, cv2.CC_STAT_AREA]
        best = int(sizes.argmax()) + 1
        if before is not None:
            far = np.linalg.norm(centres - before[0], axis=1)
            far[np.append(True, sizes <= 0.4 * before[1])] = np.inf  # 0 is the ground
            best = int(far.argmin())
            if far[best] > 0.08 * mask.shape[1]:
                return None
        size = float(stats[best, cv2.CC_STAT_AREA])
        rest = float(sizes.sum()) - size
        if not MIN_AREA * area < size < MAX_AREA * area or rest > 2 * size:
            return None
        before = (centres[best], size)
        one = (labels == best).astype(np.uint8)
        outline, _ = cv2.findContours(one, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(one, outline, -1, 1, cv2.FILLED)
        grown = cv2.dilate(one, np.ones((_GROW, _GROW), np.uint8))
        found.append(np.asarray(grown, np.uint8))
    return found
