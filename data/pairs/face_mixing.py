"""Faces blended into themselves, with the share of what was blended in at each pixel.

* self          the face, shifted, through a mask that stays as it is: a face swap
* jitter        the same through a mask whose outline trembles from frame to frame
* framewise     each frame shifted by itself: a swap without memory
* mouth         the mouth of another moment, through fewer pixels: lip-sync
* resynthesis   the mouth at few pixels through an autoencoder: lip-sync that draws it anew

Pure functions on frames (T, H, W, 3) uint8; masks are (T, H, W) uint8, 255 = all blended in.

Source: self-blended images (Shiohara & Yamasaki 2022); blending of videos through time after
Ciamarra et al. and FakeSTormer (Nguyen et al. 2025); Poisson blending: Perez et al. 2003.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.face_donors import (
    FACE_SIDE,
    KEPT,
    Reconstruct,
    borrowed,
    draw_shift,
    linear_autoencoder,
    redrawn,
    resynthesised,
    shifted,
)
from unreel.data.pairs.face_regions import drawn, eye_distance, outline

Frames = NDArray[np.uint8]
KINDS = ("self", "jitter", "framewise", "mouth", "resynthesis")
MOUTHS = ("mouth", "resynthesis")
"""Kinds that change nothing but what speaks."""
SHARES = (0.5, 0.75, 1.0, 1.0, 1.0)
"""How much of the donor is blended in, drawn from these."""
WIDEST_SHIFT = 0.09
"""Distances between the eyes by which corners of an outline are moved."""


def blend_face(
    frames: Frames,
    points: NDArray[np.float64],
    pts_seconds: NDArray[np.float64],
    kind: str,
    rng: np.random.Generator,
    reconstruct: Reconstruct | None = None,
) -> tuple[Frames, NDArray[np.uint8], dict[str, Any]]:
    """One blend drawn by `rng`.

    Args:
        frames: (T, H, W, 3) RGB, T >= 4.
        points: (T, 5, 2) of the face in each frame.
        pts_seconds: (T,)
        kind: One of KINDS.
        rng: Draws region, shifts, mask and the way of blending.
        reconstruct: Autoencoder of `resynthesis`; None = the clip's own components.

    Returns:
        The frames with the face blended, its mask, and what was drawn.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of face blend {kind!r}, allowed are {KINDS}")
    top, left, area = surroundings(frames, points)
    inside = points - [left, top]
    donor, facts = _donor(area, inside, pts_seconds, kind, rng, reconstruct)
    regions = ("mouth", "lower") if kind in MOUTHS else ("face", "inner", "lower", "eyes")
    weights = (0.5, 0.5) if kind in MOUTHS else (0.4, 0.35, 0.15, 0.1)
    region = str(rng.choice(regions, p=weights))
    soft = float(rng.uniform(0.02, 0.18))
    edge = outline(region) + rng.uniform(-WIDEST_SHIFT, WIDEST_SHIFT, (len(outline(region)), 2))
    tremble = float(rng.uniform(0.02, 0.06)) if kind == "jitter" else 0.0
    share = float(rng.choice(SHARES))
    poisson = kind not in MOUTHS and bool(rng.random() < 0.3)
    facts |= {"region": region, "soft": round(soft, 3), "tremble": round(tremble, 3)}
    facts |= {"share": share, "poisson": poisson}
    mixed, masks = frames.copy(), np.zeros(frames.shape[:3], np.uint8)
    window = (slice(top, top + area.shape[1]), slice(left, left + area.shape[2]))
    for t, (own, other) in enumerate(zip(area, donor, strict=True)):
        trembling = edge + rng.normal(0, tremble, edge.shape) if tremble else edge
        mask = drawn(own.shape[:2], inside[t], trembling, soft) * np.float32(share)
        mixed[(t, *window)] = _poisson(own, other, mask) if poisson else _alpha(own, other, mask)
        masks[(t, *window)] = np.rint(255 * mask)
    return mixed, masks, facts


def _donor(
    area: Frames,
    points: NDArray[np.float64],
    pts_seconds: NDArray[np.float64],
    kind: str,
    rng: np.random.Generator,
    reconstruct: Reconstruct | None,
) -> tuple[Frames, dict[str, Any]]:
    count = len(area)
    if kind in MOUTHS:
        side = int(rng.choice(FACE_SIDE))
        if kind == "mouth":
            lag = int(rng.integers(count // 4, max(count // 4 + 1, 3 * count // 4)))
            return borrowed(area, points, lag, side), {"lag": lag, "side": side}
        kept = float(rng.uniform(*KEPT))
        made = resynthesised(area, points, side, reconstruct or linear_autoencoder(kept))
        facts = {"side": side} if reconstruct else {"side": side, "kept": round(kept, 3)}
        return made, facts
    shift = draw_shift(rng)
    each = [redrawn(shift, rng) if kind == "framewise" else shift for _ in range(count)]
    return shifted(area, points, pts_seconds, each), {"shift": shift.as_dict()}


def surroundings(frames: Frames, points: NDArray[np.float64]) -> tuple[int, int, Frames]:
    """Where the face is over all frames, with room around it: (top, left, frames of it)."""
    room = 2.2 * max(eye_distance(p) for p in points)
    low, high = points.min(axis=(0, 1)) - room, points.max(axis=(0, 1)) + room
    height, width = frames.shape[1:3]
    left, top = (int(v) for v in np.clip(np.floor(low), 0, [width - 2, height - 2]))
    right, bottom = (int(v) for v in np.clip(np.ceil(high), [left + 2, top + 2], [width, height]))
    return top, left, frames[:, top:bottom, left:right]


def _alpha(own: Frames, other: Frames, mask: NDArray[np.float32]) -> Frames:
    mixed = mask[..., None] * other + (1 - mask[..., None]) * own
    return np.rint(mixed).astype(np.uint8)


def _poisson(own: Frames, other: Frames, mask: NDArray[np.float32]) -> Frames:
    """Gradients of the donor, colours of the frame; then soft at the rim like the others."""
    import cv2

    hard = (mask > 0.1 * mask.max()).astype(np.uint8) * 255
    hard[[0, -1]] = hard[:, [0, -1]] = 0  # it may not touch the edge
    x, y, w, h = cv2.boundingRect(hard)
    if min(w, h) < 4:
        return _alpha(own, other, mask)
    centre = (x + w // 2, y + h // 2)
    cloned = cv2.seamlessClone(
        np.ascontiguousarray(other), np.ascontiguousarray(own), hard, centre, cv2.NORMAL_CLONE
    )
    return _alpha(own, np.asarray(cloned, np.uint8), mask)
