"""Mixtures of the two halves of a pair, with the share of the generated one at each pixel.

* bands     some bands of a Haar transform from the reconstruction, the others from the camera: a
            classifier must not lean on one band that all decoders get wrong (WaveRep, Corvi et al.
            2025, swap bands of wavelets to that end)
* region    a soft-edged area that drifts, from the reconstruction: what inpainting leaves
* stretch   some seconds from the reconstruction: what interpolation or a cut-in shot leaves

Pure functions on frames (T, H, W, 3) uint8; masks are (T, H, W) uint8, 255 = all generated.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
LEVELS = 3
BANDS = ("low", *(f"{kind}{level}" for level in (1, 2, 3) for kind in ("across", "down", "both")))
"""Bands of a Haar transform of three levels; level 1 is the finest."""
KINDS = ("bands", "region", "stretch")


def mix(
    real: Frames, generated: Frames, kind: str, rng: np.random.Generator
) -> tuple[Frames, NDArray[np.uint8], dict[str, Any]]:
    """A mixture drawn by `rng`.

    Args:
        real: (T, H, W, 3)
        generated: (T, H, W, 3), the same scene.
        kind: One of KINDS.
        rng: Draws bands, place, size, drift and time.

    Returns:
        The mixture, its mask, and what was drawn.
    """
    if real.shape != generated.shape:
        raise ValueError(f"halves differ in shape: {real.shape} and {generated.shape}")
    if kind == "bands":
        count = int(rng.integers(1, len(BANDS)))
        bands = sorted(rng.choice(BANDS, count, replace=False).tolist())
        mask = np.full(real.shape[:3], 255, np.uint8)
        return mix_bands(real, generated, bands), mask, {"bands": bands}
    if kind == "region":
        share, drawn = _drifting_region(real.shape, rng)
    elif kind == "stretch":
        share, drawn = _stretch(real.shape, rng)
    else:
        raise ValueError(f"unknown kind of mixture {kind!r}, allowed are {KINDS}")
    return mix_region(real, generated, share), share, drawn


def mix_region(real: Frames, generated: Frames, mask: NDArray[np.uint8]) -> Frames:
    """Pixel by pixel, `mask`/255 of the generated half."""
    share = mask[..., None].astype(np.float32) / 255
    mixed = share * generated + (1 - share) * real
    return np.rint(mixed).astype(np.uint8)


def mix_bands(real: Frames, generated: Frames, bands: Collection[str]) -> Frames:
    """The bands named from the generated half, the others from the real one.

    Raises:
        ValueError: A band that does not exist.
    """
    if unknown := set(bands) - set(BANDS):
        raise ValueError(f"unknown bands {sorted(unknown)}, allowed are {BANDS}")
    step = 2**LEVELS
    height, width = real.shape[1:3]
    edges = ((0, 0), (0, -height % step), (0, -width % step), (0, 0))
    mixed = []
    for a, b in zip(real, generated, strict=True):  # one at a time: a stack of floats is large
        first, second = (np.pad(f[None], edges, mode="edge").astype(np.float32) for f in (a, b))
        ours, theirs = haar(first[0]), haar(second[0])
        chosen = {name: (theirs if name in bands else ours)[name] for name in BANDS}
        mixed.append(inverse_haar(chosen)[:height, :width])
    return np.rint(np.clip(np.stack(mixed), 0, 255)).astype(np.uint8)


def haar(picture: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.floating[Any]]]:
    """Orthonormal Haar transform of three levels of (H, W, C), sides multiples of eight."""
    found = {}
    for level in range(1, LEVELS + 1):
        a, b = picture[0::2, 0::2], picture[0::2, 1::2]
        c, d = picture[1::2, 0::2], picture[1::2, 1::2]
        found[f"across{level}"] = (a - b + c - d) / 2
        found[f"down{level}"] = (a + b - c - d) / 2
        found[f"both{level}"] = (a - b - c + d) / 2
        picture = (a + b + c + d) / 2
    return {"low": picture, **found}


def inverse_haar(bands: dict[str, NDArray[np.floating[Any]]]) -> NDArray[np.floating[Any]]:
    """What `haar` took apart."""
    picture = bands["low"]
    for level in range(LEVELS, 0, -1):
        across, down, both = (bands[f"{kind}{level}"] for kind in ("across", "down", "both"))
        whole = np.empty((2 * picture.shape[0], 2 * picture.shape[1], picture.shape[2]), np.float32)
        whole[0::2, 0::2] = (picture + across + down + both) / 2
        whole[0::2, 1::2] = (picture - across + down - both) / 2
        whole[1::2, 0::2] = (picture + across - down - both) / 2
        whole[1::2, 1::2] = (picture - across - down + both) / 2
        picture = whole
    return picture


def _drifting_region(
    shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """A soft ellipse or rectangle of a tenth to four tenths of the frame that moves evenly."""
    import cv2

    count, height, width = shape[:3]
    area = float(rng.uniform(0.1, 0.4))
    aspect = float(np.exp(rng.uniform(-0.7, 0.7)))
    form = ("ellipse", "rectangle")[int(rng.integers(2))]
    fill = np.pi / 4 if form == "ellipse" else 1.0
    half_h = min(np.sqrt(area / fill * aspect) / 2, 0.48) * height
    half_w = min(np.sqrt(area / fill / aspect) / 2, 0.48) * width
    begin, end = rng.uniform((half_h, half_w), (height - half_h, width - half_w), (2, 2))
    feather = float(rng.uniform(0.5, 6.0))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    masks = np.empty((count, height, width), np.uint8)
    for t in range(count):
        y, x = begin + (end - begin) * (t / max(1, count - 1))
        dy, dx = np.abs(rows - y) / half_h, np.abs(columns - x) / half_w
        inside = (dy**2 + dx**2 if form == "ellipse" else np.maximum(dy, dx)) <= 1
        masks[t] = np.rint(cv2.GaussianBlur(inside.astype(np.float32) * 255, (0, 0), feather))
    return masks, {"shape": form, "area": round(area, 3), "feather_pixels": round(feather, 2)}


def _stretch(
    shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """A third to two thirds of the frames, neighbours of each other."""
    count, height, width = shape[:3]
    length = int(rng.integers(max(1, count // 3), max(2, 2 * count // 3 + 1)))
    begin = int(rng.integers(count - length + 1))
    masks = np.zeros((count, height, width), np.uint8)
    masks[begin : begin + length] = 255
    return masks, {"first_frame": begin, "frames": length}
