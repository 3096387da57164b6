"""What is blended into a face: the face itself, changed as a swap or a lip-sync tool changes one.

* shifted     colours, contrast and sharpness moved, seen through another encoder and at another
              size, a little out of place: the copy of self-blended images
* borrowed    the same face at another moment, brought onto this one: other words
* resynthesised   the face at few pixels through an autoencoder: what draws a mouth anew leaves

Pure functions on the surroundings of one face, (T, h, w, 3) uint8 RGB.

Source: self-blended images (Shiohara & Yamasaki 2022); sizes of faces in lip-sync networks from
Wav2Lip (Prajwal et al. 2020), 96 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.face_regions import eye_distance
from unreel.detector.encode import reencode
from unreel.detector.faces.crops import MEAN_FACE, cut_out, inverse, similarity

Frames = NDArray[np.uint8]
Reconstruct = Callable[[Frames], Frames]
"""(T, s, s, 3) to the same through an autoencoder."""
FACE_SIDE = (64, 96, 128)
"""Pixels across at which mouths are drawn anew."""
KEPT = (0.75, 0.97)
"""Share of the variance that the built-in autoencoder keeps, from and to."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How the copy differs from the face."""

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    """Grey levels."""
    contrast: float
    shrink: float
    """Seen at this share of its size; 1 = as it is."""
    sharpen: float
    """Share of an unsharp mask; 0 = none."""
    scale: float
    move: tuple[float, float]
    """Distances between the eyes."""
    crf: int
    """Of an H.264 round trip; 0 = none."""

    def as_dict(self) -> dict[str, Any]:
        """For the recipe."""
        return {k: np.round(v, 3).tolist() for k, v in asdict(self).items()}


def draw_shift(rng: np.random.Generator) -> Shift:
    """A difference that can be seen, and one that can hardly be."""
    strength = float(rng.choice([0.4, 1.0, 1.6]))
    blurs = bool(rng.integers(2))
    return Shift(
        gain=_three(1 + strength * rng.uniform(-0.06, 0.06, 3)),
        offset=_three(strength * rng.uniform(-8, 8, 3)),
        contrast=float(1 + strength * rng.uniform(-0.1, 0.1)),
        shrink=float(rng.uniform(0.35, 0.8)) if blurs else 1.0,
        sharpen=0.0 if blurs else float(rng.uniform(0, 0.8)),
        scale=float(1 + rng.uniform(-0.04, 0.04)),
        move=(float(rng.uniform(-0.06, 0.06)), float(rng.uniform(-0.06, 0.06))),
        crf=int(rng.choice([0, 24, 30, 36])),
    )


def redrawn(shift: Shift, rng: np.random.Generator) -> Shift:
    """Nearly the same: of the next frame, where each is made by itself."""
    across, down = rng.normal(0, 0.015, 2)
    return replace(
        shift,
        gain=_three(np.array(shift.gain) + rng.normal(0, 0.012, 3)),
        offset=_three(np.array(shift.offset) + rng.normal(0, 1.5, 3)),
        scale=shift.scale + float(rng.normal(0, 0.006)),
        move=(shift.move[0] + float(across), shift.move[1] + float(down)),
    )


def shifted(
    frames: Frames, points: NDArray[np.float64], pts_seconds: NDArray[np.float64], each: list[Shift]
) -> Frames:
    """The copy; `each` holds one Shift a frame, of which the first one's crf counts."""
    source = frames
    if each[0].crf:
        even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
        source = frames.copy()
        source[:, : even.shape[1], : even.shape[2]] = reencode(even, pts_seconds, crf=each[0].crf)
    made = [_one(f, p, shift) for f, p, shift in zip(source, points, each, strict=True)]
    return np.stack(made)


def _one(frame: Frames, points: NDArray[np.float64], shift: Shift) -> Frames:
    import cv2

    height, width = frame.shape[:2]
    centre = points.mean(axis=0)
    onto = np.column_stack(
        [
            np.eye(2) * shift.scale,
            centre * (1 - shift.scale) + np.array(shift.move) * eye_distance(points),
        ]
    )
    picture: Any = cv2.warpAffine(frame, onto, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if shift.shrink < 1:
        small = (max(2, round(width * shift.shrink)), max(2, round(height * shift.shrink)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    values = picture.astype(np.float32)
    if shift.sharpen:
        values += shift.sharpen * (values - cv2.GaussianBlur(values, (0, 0), 1.5))
    level = values.mean()
    values = (values - level) * shift.contrast + level
    values = values * np.array(shift.gain, np.float32) + np.array(shift.offset, np.float32)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def borrowed(frames: Frames, points: NDArray[np.float64], lag: int, side: int) -> Frames:
    """Each face from `lag` frames on, round and round, brought onto this one by its five points.

    Args:
        frames: (T, h, w, 3)
        points: (T, 5, 2)
        lag: Frames.
        side: Pixels across at which it is seen on the way.
    """
    places = [_crop_matrix(p, side) for p in points]
    order = (np.arange(len(frames)) + lag) % len(frames)
    return np.stack(
        [
            _back(frames[now], cut_out(frames[then], places[then], side), places[now])
            for now, then in enumerate(order)
        ]
    )


def resynthesised(
    frames: Frames, points: NDArray[np.float64], side: int, reconstruct: Reconstruct
) -> Frames:
    """Each face at `side` pixels through an autoencoder and back."""
    places = [_crop_matrix(p, side) for p in points]
    small = np.stack([cut_out(f, m, side) for f, m in zip(frames, places, strict=True)])
    made = reconstruct(small)
    return np.stack([_back(f, s, m) for f, s, m in zip(frames, made, places, strict=True)])


def linear_autoencoder(kept: float) -> Reconstruct:
    """An autoencoder without weights: the clip's own strongest components (PCA) that hold `kept`
    of what changes in it. What moves fast or seldom, like teeth, comes back smeared."""

    def reconstruct(frames: Frames) -> Frames:
        flat = frames.reshape(len(frames), -1).astype(np.float32)
        mean = flat.mean(axis=0)
        left, strength, right = np.linalg.svd(flat - mean, full_matrices=False)
        share = np.cumsum(strength**2) / max(float((strength**2).sum()), 1e-9)
        count = int(np.searchsorted(share, kept)) + 1
        made = (left[:, :count] * strength[:count]) @ right[:count] + mean
        return np.rint(np.clip(made, 0, 255)).astype(np.uint8).reshape(frames.shape)

    return reconstruct


def _crop_matrix(points: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """To a crop that holds no more than the face."""
    return similarity(points, (MEAN_FACE * 0.4 + [0.5, 0.3]) * side)


def _back(frame: Frames, crop: Frames, matrix: NDArray[np.float64]) -> Frames:
    """A frame with the crop where it came from."""
    import cv2

    size = (frame.shape[1], frame.shape[0])
    back = inverse(matrix)
    laid: Any = cv2.warpAffine(
        crop, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    inside: Any = cv2.warpAffine(np.full(crop.shape[:2], 255, np.uint8), back, size)
    return np.asarray(np.where(inside[..., None] == 255, laid, frame), np.uint8)


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c
