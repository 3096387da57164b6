"""Frames of a corpus as the model sees them, decoded once and kept on disk.

Each clip under each condition becomes one .npz: the windows that a scan would read, at the size at
which a scan would judge them. Entries are keyed by content, condition and sampling settings, appear
whole or not at all, and are reused by every later run.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.codec_chain import encode_as, settings_of
from unreel.data.manifest import Clip
from unreel.detector.config import Limits, SamplingConfig
from unreel.detector.errors import MediaError
from unreel.detector.media import open_media
from unreel.detector.preprocess import to_model_size
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots

_FORMAT = 1
"""Raised when what an entry holds changes."""


@dataclass(frozen=True, slots=True)
class CachedClip:
    """What is kept of one clip under one condition."""

    windows: tuple[NDArray[np.uint8], ...]
    """Each (T, h, w, 3) RGB; memory-mapped, read-only. Empty when nothing could be sampled."""
    facts: dict[str, float]
    """fps, frames, width, height, duration, bytes, pixels of the encoded clip: for the probes."""


class FrameCache:
    """The cache folder.

    Args:
        folder: Where entries live; made when missing.
        sampling: How windows are chosen.
        short_side: Pixels at which frames are judged.
    """

    def __init__(self, folder: Path, sampling: SamplingConfig, short_side: int) -> None:
        self.folder, self.sampling, self.short_side = folder, sampling, short_side

    def path_of(self, clip: Clip, condition: str) -> Path:
        """File that holds, or would hold, one clip under one condition."""
        settings = {
            "format": _FORMAT,
            "condition": settings_of(condition),
            "sampling": asdict(self.sampling),
            "short_side": self.short_side,
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        if not clip.sha256:
            raise ValueError(f"{clip.path} has no sha256: write the manifest with hashes first")
        return self.folder / f"{condition}-{digest}" / f"{clip.sha256[:24]}.npy"

    def load(self, clip: Clip, condition: str) -> CachedClip:
        """An entry made before by `fill`.

        Raises:
            FileNotFoundError: It was not made.
        """
        path = self.path_of(clip, condition)
        index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if not index["lengths"]:
            return CachedClip((), index["facts"])
        frames = np.load(path, mmap_mode="r")  # (sum of T, h, w, 3)
        ends = np.cumsum(index["lengths"])
        return CachedClip(tuple(np.split(frames, ends[:-1])), index["facts"])

    def fill(
        self,
        clips: Sequence[Clip],
        conditions: Iterable[str],
        *,
        workers: int = 2,
        tell: Callable[[str], None] = lambda _: None,
    ) -> list[str]:
        """Make the entries that are missing.

        Returns:
            Sentences on clips that could not be read; they have an empty entry.
        """
        jobs = [
            (self, clip, name)
            for name in conditions
            for clip in clips
            if not self.path_of(clip, name).with_suffix(".json").exists()
        ]
        if not jobs:
            return []
        problems = []
        with ProcessPoolExecutor(workers) as pool:
            for done, problem in enumerate(pool.map(_make_entry, jobs, chunksize=2), start=1):
                if problem:
                    problems.append(problem)
                if done % 50 == 0 or done == len(jobs):
                    tell(f"cache: {done} of {len(jobs)} clips")
        return problems


def _make_entry(job: tuple[FrameCache, Clip, str]) -> str | None:
    cache, clip, name = job
    path = cache.path_of(clip, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    problem = None
    windows: list[NDArray[np.uint8]] = []
    facts: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            encoded = encode_as(clip, name, Path(scratch) / "clip.mp4")
            windows, facts = _sample(encoded, cache)
    except MediaError as error:
        problem = f"{clip.path} ({name}): {error.code}: {error}"
    if windows:
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.concatenate(windows))
        os.replace(partial, path)
    index = {"lengths": [len(w) for w in windows], "facts": facts}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(index), encoding="utf-8")
    os.replace(partial, path.with_suffix(".json"))  # last: its presence says that all is there
    return problem


def _sample(path: Path, cache: FrameCache) -> tuple[list[NDArray[np.uint8]], dict[str, float]]:
    # Patient: a busy machine must not decide which clips are trained on.
    with open_media(path, Limits(wall_seconds_per_request=300)) as reader:
        plan = plan_windows(reader.pts_seconds, find_shots(reader), cache.sampling)
        windows = []
        for window in plan:
            sample = reader.read(window)
            if len(sample.frames) >= cache.sampling.min_frames:
                windows.append(to_model_size(sample.frames, short_side=cache.short_side))
        media = reader.media
    facts = {
        "fps": media.fps,
        "frames": float(media.frames),
        "width": float(media.width),
        "height": float(media.height),
        "duration_seconds": media.duration_seconds,
        "bits_per_pixel": media.bits_per_pixel,
    }
    return windows, facts
