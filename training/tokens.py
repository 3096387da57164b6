"""What a frozen encoder says of the frames of a corpus, computed once and kept.

Each clip under each condition becomes one .npz beside its frames' cache: half precision, at most
18 KB a frame. Every later fit of a head is then a matter of seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.detector.onnx_merge import merged
from unreel.detector.preprocess import squeezed
from unreel.detector.runtime import open_session
from unreel.training.cache import FrameCache
from unreel.training.clip_encoder import SIDE, reading_graph
from unreel.training.filling import make_all, missing

_FORMAT = 1
"""Raised when what an entry holds changes."""


@dataclass(frozen=True, slots=True)
class ClipTokens:
    """What is kept of one clip under one condition."""

    tokens: NDArray[np.float16]
    """(frames, layers, 768) class tokens behind each layer, levelled; empty: nothing was read."""
    places: NDArray[np.float16]
    """(frames, 768) mean of the place tokens behind one layer."""
    lengths: tuple[int, ...]
    """Frames of each window."""


def entry_of(
    folder: Path, digest: str, stride: int, map_layer: int, frames: FrameCache, clip: Clip,
    condition: str,
) -> Path:  # fmt: skip
    """File that holds, or would hold, the tokens of one clip under one condition.

    Args:
        folder: Of the entries.
        digest: sha256 of the encoder's file.
        stride: Every so many-th frame of a window is read.
        map_layer: Layer whose places are kept.
        frames: Cache of the frames.
        clip: The clip.
        condition: Its name.
    """
    settings = [_FORMAT, digest, stride, map_layer]
    key = json.dumps([settings, frames.path_of(clip, condition).parent.name])
    name = f"{condition}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    return folder / name / f"{clip.sha256[:24]}.npz"


def read_entry(path: Path) -> ClipTokens:
    """An entry.

    Raises:
        FileNotFoundError: It was not made.
    """
    with np.load(path) as found:
        lengths = tuple(int(n) for n in found["lengths"])
        return ClipTokens(found["tokens"], found["places"], lengths)


def mean_tokens(entry: ClipTokens, layers: Sequence[int]) -> NDArray[np.float64]:
    """(D,) class tokens of some layers, one behind the other, as a model's embedding has them: mean
    over windows of the mean over the frames of each."""
    chosen = entry.tokens[:, list(layers)].reshape(len(entry.tokens), -1).astype(np.float64)
    windows = np.split(chosen, np.cumsum(entry.lengths)[:-1])
    mean: NDArray[np.float64] = np.mean([window.mean(axis=0) for window in windows], axis=0)
    return mean


class TokenCache:
    """The tokens of a corpus.

    Args:
        folder: Where entries live; made when missing.
        encoder: The encoder's ONNX file.
        kind: Which of `clip_encoder.LAYERS` it is.
        frames: Filled cache of frames.
        stride: Every so many-th frame of a window is read.
        map_layer: Layer whose places are kept.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Path,
        frames: FrameCache,
        *,
        kind: str,
        stride: int,
        map_layer: int,
    ) -> None:
        self._kind = kind
        self._folder, self._encoder, self._frames = folder, encoder, frames
        self._stride, self._map_layer = stride, map_layer
        self._digest = hashlib.sha256(encoder.read_bytes()).hexdigest()

    def path_of(self, clip: Clip, condition: str) -> Path:
        """File that holds, or would hold, one clip under one condition."""
        return entry_of(
            self._folder, self._digest, self._stride, self._map_layer, self._frames, clip, condition
        )

    def load(self, clip: Clip, condition: str) -> ClipTokens:
        """An entry made before by `fill`.

        Raises:
            FileNotFoundError: It was not made.
        """
        return read_entry(self.path_of(clip, condition))

    def fill(
        self,
        clips: Sequence[Clip],
        conditions: Iterable[str],
        *,
        workers: int = 2,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make the entries that are missing; the frames must be there."""
        jobs = missing(clips, conditions, self.path_of)
        if not jobs:
            return
        graph = merged(self._encoder.read_bytes(), reading_graph(self._kind, self._map_layer))
        session = open_session(graph, 1, self._encoder)
        make_all(jobs, partial(self._make, session), what="tokens", workers=workers, tell=tell)

    def _make(self, session: Any, clip: Clip, condition: str) -> None:
        path = self.path_of(clip, condition)
        path.parent.mkdir(parents=True, exist_ok=True)
        windows = [w[:: self._stride] for w in self._frames.load(clip, condition).windows]
        tokens, places = [], []
        for frame in (frame for window in windows for frame in window):
            small = squeezed(np.ascontiguousarray(frame)[None], SIDE)
            seen = session.run(["tokens", "places"], {"frames": small})
            tokens.append(seen[0][0])
            places.append(seen[1][0])
        unfinished = path.with_suffix(".partial.npz")
        np.savez(
            unfinished,
            tokens=np.array(tokens, np.float16),
            places=np.array(places, np.float16),
            lengths=np.array([len(w) for w in windows], np.int64),
        )
        os.replace(unfinished, path)
