"""Perceptual hashes: the same pictures found again after another encode, size or cut.

A frame becomes 64 bits: the signs of its low frequencies around their median (pHash, Zauner 2010).
Re-encoding and scaling move a few bits, another picture moves half of them. A clip is known by
the hashes of eight frames spread over it: 64 bytes, so that the hashes of a training set can travel
with the model when its clips cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAMES = 8
"""Of each clip."""
SAME_BITS = 8
"""Two clips whose frames differ in at most so many of 64 bits, in the median, show the same."""
_SIDE = 32
_LOW = 8
_FLAT = 4.0
"""Standard deviation of grey levels below which a frame shows nothing: its signs are noise."""
_CHUNK = 2048

Hashes = NDArray[np.uint64]
"""(2, k): of the frames as they are and mirrored; k <= FRAMES, 0 = nothing to know it by."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two clips that show the same."""

    first: int
    second: int
    bits: float
    """Median distance of their frames, of 64."""


def frame_hash(grey: NDArray[np.float32]) -> int:
    """64 bits of one picture.

    Args:
        grey: (32, 32) grey levels.
    """
    import cv2

    low = cv2.dct(np.ascontiguousarray(grey, np.float32))[:_LOW, :_LOW].ravel()  # (64,)
    # The first value is the brightness: it would move the median.
    signs = low > np.median(low[1:])
    return int(np.packbits(signs).view(">u8")[0])


def clip_hashes(frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Hashes:
    """Hashes of a clip.

    Args:
        frames: (n, h, w, 3) RGB of any size, in order; eight of them are taken.

    Returns:
        (2, k): as they are, and mirrored. Frames without contrast are left out.
    """
    import cv2

    plain, mirrored = [], []
    picked = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
    for position in picked if len(frames) else ():
        grey = cv2.cvtColor(frames[position], cv2.COLOR_RGB2GRAY)
        if grey.std() < _FLAT:
            continue
        small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        plain.append(frame_hash(small))
        mirrored.append(frame_hash(small[:, ::-1]))
    return np.array([plain, mirrored], np.uint64).reshape(2, -1)


def find_matches(
    asked: Sequence[Hashes], known: Sequence[Hashes], at_most: float = SAME_BITS
) -> list[Match]:
    """Clips that show what a known one shows, mirrored or not.

    Each frame of one clip is held against all frames of the other, both ways round, so that a part
    of a longer clip is found. The work grows with the product of the two counts: ten thousand clips
    among themselves take about a minute.

    Args:
        asked: Hashes of the clips in question.
        known: Hashes of the clips to look among; the same object as `asked` looks for pairs, each
            once.
        at_most: Bits of 64.

    Returns:
        `first` counts in `asked`, `second` in `known`; nearest first.
    """
    among_themselves = asked is known
    found: list[Match] = []
    for start in range(0, len(known), _CHUNK):
        part = known[start : start + _CHUNK]
        wide = _padded([h[0] for h in part])  # (n, FRAMES), with a mask of what is there
        for first, own in enumerate(asked):
            if not own.shape[1]:
                continue
            bits = np.minimum(_distance(own[0], *wide), _distance(own[1], *wide))
            found += [
                Match(first, int(start + second), float(bits[second]))
                for second in np.flatnonzero(bits <= at_most)
                if not among_themselves or first < start + second
            ]
    return sorted(found, key=lambda m: (m.bits, m.first, m.second))


def _padded(rows: Sequence[NDArray[np.uint64]]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    values = np.zeros((len(rows), FRAMES), np.uint64)
    there = np.zeros((len(rows), FRAMES), np.bool_)
    for row, hashes in enumerate(rows):
        values[row, : len(hashes)] = hashes
        there[row, : len(hashes)] = True
    return values, there


def _distance(
    own: NDArray[np.uint64], values: NDArray[np.uint64], there: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n,) of one clip to n others: the nearer of the two ways round; 64 = nothing to compare."""
    apart = np.bitwise_count(own[:, None, None] ^ values[None]).astype(np.float64)  # (k, n, F)
    apart[:, ~there] = 64
    from_own = np.median(apart.min(axis=2), axis=0)
    nearest = np.where(there, apart.min(axis=0), np.nan)  # (n, F)
    counted = there.any(axis=1)
    from_other = np.full(len(values), 64.0)
    from_other[counted] = np.nanmedian(nearest[counted], axis=1)
    return np.minimum(from_own, from_other)
