"""Random trips through real encoders, as clips make them on the way to an archive.

`chain0`, `chain1`, ... stand beside the conditions of canonical.py where a network is trained, and
never where it is tested: what a clip goes through is drawn for it from the number of the chain and
its content. Both halves of a pair go through the same, so that nothing but their making tells them
apart. That codecs are the augmentation that carries over: Wang et al., CVPR 2020, for images; for
video Vahdati et al., CVPR workshops 2024.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.canonical import CONDITIONS, condition, decoded, encode_condition
from unreel.data.codecs import CODECS, write_video
from unreel.data.manifest import Clip
from unreel.data.seeds import rng_of
from unreel.detector.errors import MediaError, UsageError

_FORMAT = 1
"""Raised when the same number draws something else."""
MAX_SECONDS = 6.0
LOSSY = ("h264", "h265", "av1", "vp9")
_NAME = re.compile(r"chain(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Chain:
    """What one clip goes through, in this order."""

    long_side: int
    """Shrunk to this, pixels; never enlarged."""
    max_fps: float | None
    """By dropping frames; None = kept."""
    blur_sigma: float
    """Gaussian, pixels; 0 = none."""
    sharpen: float
    """Share of an unsharp mask of one pixel; 0 = none."""
    noise: float
    """Standard deviation of what is added to each frame anew, levels; 0 = none."""
    logo: str
    """"paste", "erase" or "": a mark in a corner, or a corner painted with what lies around it."""
    trips: tuple[tuple[str, int], ...]
    """(codec, crf on x264's scale), one or two."""
    seed: int
    """Of noise and logo."""


Timed = tuple[NDArray[np.uint8], float]
"""An RGB picture and its time in seconds."""


def is_chain(name: str) -> bool:
    """`chain0` and its like."""
    return _NAME.fullmatch(name) is not None


def check_names(names: Iterable[str]) -> None:
    """Say so where one is neither a condition nor a chain.

    Raises:
        UsageError: There is one.
    """
    for name in names:
        if not is_chain(name) and name not in CONDITIONS:
            raise UsageError(
                f"unknown condition {name!r}, allowed are {', '.join(CONDITIONS)}, and for "
                "training chain0 to chain999"
            )


def settings_of(name: str) -> str:
    """What decides how a clip looks under a condition or chain: for the keys of caches."""
    return f"{name}/{_FORMAT}" if is_chain(name) else repr(condition(name))


def draw_chain(rng: np.random.Generator) -> Chain:
    """One of them."""
    long_side = int(rng.choice([480, 640, 854, 1280]))
    max_fps = float(rng.choice([10.0, 15.0, 24.0])) if rng.random() < 0.4 else None
    finish = rng.random()  # blurred, sharpened, or neither
    blur = float(rng.uniform(0.3, 1.2)) if finish < 0.2 else 0.0
    sharpen = float(rng.uniform(0.2, 1.0)) if finish > 0.8 else 0.0
    noise = float(rng.uniform(1.0, 5.0)) if rng.random() < 0.2 else 0.0
    logo = str(rng.choice(["paste", "erase"])) if rng.random() < 0.3 else ""
    count = 2 if rng.random() < 0.35 else 1
    trips = tuple((str(rng.choice(LOSSY)), int(rng.integers(18, 41))) for _ in range(count))
    seed = int(rng.integers(2**31))
    return Chain(long_side, max_fps, blur, sharpen, noise, logo, trips, seed)


def encode_as(clip: Clip, name: str, target: Path) -> Path:
    """A clip under a condition, or through a chain.

    Args:
        clip: Halves of a pair are told by its pair_id.
        name: A condition or `chainN`.
        target: Its suffix may be changed to that of the codec.

    Returns:
        What was written, or the clip's own path for `raw`.

    Raises:
        MediaError: No frame could be decoded.
        UsageError: No such condition.
    """
    if not is_chain(name):
        return encode_condition(clip.path, target, condition(name))
    chain = draw_chain(rng_of(_FORMAT, name, clip.pair_id or clip.sha256))
    return encode_chain(clip.path, target, chain)


def encode_chain(source: Path, target: Path, chain: Chain) -> Path:
    """Send a clip through a chain; it appears whole or not at all.

    Decoding happens in this process: meant for corpora that somebody chose.

    Returns:
        What was written: `target` with the last codec's suffix.

    Raises:
        MediaError: No frame could be decoded.
    """
    pictures, last = _changed(source, chain), source
    for number, (codec, crf) in enumerate(chain.trips):
        path = target.with_name(f"{target.stem}.{number}.partial{CODECS[codec].suffix}")
        if not write_video(_of_one_size(pictures), path, codec, crf):
            path.unlink(missing_ok=True)
            raise MediaError("unreadable", f"no frame of {source} could be decoded")
        if last != source:
            last.unlink()
        pictures, last = _as_written(path), path
    finished = target.with_suffix(last.suffix)
    os.replace(last, finished)
    return finished


def _of_one_size(pictures: Iterator[Timed]) -> Iterator[Timed]:
    """Those of the first one's size: a stream that changes size half-way is cut there."""
    sides = None
    for picture, seconds in pictures:
        sides = sides or picture.shape
        if picture.shape == sides:
            yield picture, seconds


def _as_written(path: Path) -> Iterator[Timed]:
    for frame, seconds in decoded(path, None, MAX_SECONDS):
        yield frame.to_ndarray(format="rgb24"), seconds


def _changed(source: Path, chain: Chain) -> Iterator[Timed]:
    """Pictures before the first encoder, upright, RGB."""
    rng = np.random.default_rng(chain.seed)
    mark = _Mark(chain.logo, rng) if chain.logo else None
    for frame, seconds in decoded(source, chain.max_fps, MAX_SECONDS):
        scale = min(1.0, chain.long_side / max(frame.height, frame.width))
        height, width = (
            max(2, round(side * scale / 2) * 2) for side in (frame.height, frame.width)
        )
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
        picture = np.rot90(small.to_ndarray(), k=round(int(frame.rotation or 0) / 90))
        picture = _finished(np.ascontiguousarray(picture), chain, rng)
        yield mark.on(picture) if mark else picture, seconds


def _finished(picture: NDArray[np.uint8], chain: Chain, rng: np.random.Generator) -> Any:
    """Blurred or sharpened, then noisy."""
    import cv2

    if chain.blur_sigma:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), chain.blur_sigma), np.uint8)
    if chain.sharpen:
        smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = np.asarray(
            cv2.addWeighted(picture, 1 + chain.sharpen, smooth, -chain.sharpen, 0), np.uint8
        )
    if chain.noise:
        noise = rng.normal(0, chain.noise, picture.shape[:2])[..., None]
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return picture


class _Mark:
    """A mark in a corner of all frames of a clip.

    Args:
        kind: "paste": a half-transparent block with bars, as channels and generators set; "erase":
            the corner filled smoothly from its rim, as people take such marks away.
        rng: Draws where and how.
    """

    def __init__(self, kind: str, rng: np.random.Generator) -> None:
        self._kind = kind
        self._tall, self._wide = rng.uniform(0.05, 0.14), rng.uniform(0.1, 0.3)
        self._low, self._right = rng.random(2) < 0.5
        self._level, self._opacity = rng.uniform(0, 255, 3), rng.uniform(0.4, 1.0)
        self._bars = rng.random(12) < 0.6

    def on(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture with the mark, a new array."""
        import cv2

        height, width = picture.shape[:2]
        tall, wide = max(4, round(height * self._tall)), max(4, round(width * self._wide))
        gap = max(2, height // 40)
        top = height - tall - gap if self._low else gap
        left = width - wide - gap if self._right else gap
        out = picture.copy()
        area = out[top : top + tall, left : left + wide]
        if self._kind == "erase":
            rim = np.concatenate([area[0], area[-1], area[:, 0], area[:, -1]]).mean(axis=0)
            small = cv2.resize(area, (4, 2), interpolation=cv2.INTER_AREA) * 0.3 + rim * 0.7
            area[:] = cv2.resize(small, (wide, tall), interpolation=cv2.INTER_LINEAR).astype(
                np.uint8
            )
            return out
        bars = self._bars[(np.arange(wide) * len(self._bars)) // wide]
        blended = area[:, bars] * (1 - self._opacity) + self._level * self._opacity
        area[:, bars] = blended.astype(np.uint8)
        return out
