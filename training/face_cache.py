"""The faces of a corpus, found once, and their numbers kept.

Each clip under each condition becomes one .npz: of each face that a scan would judge the numbers of
detector/faces/statistics.py, frame by frame, and those of embedding.py. Entries appear whole or not
at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.canonical import CONDITIONS, encode_condition
from unreel.data.manifest import Clip
from unreel.detector.config import Limits, SamplingConfig
from unreel.detector.errors import MediaError
from unreel.detector.faces.embedding import ENCODED, LOOKED_AT, load_face_embedder
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.faces.judging import numbers_of
from unreel.detector.faces.looking import FaceSearch
from unreel.detector.faces.statistics import NAMES, statistics_of
from unreel.detector.faces.tracks import FaceTrack
from unreel.detector.lanes.faces import MAX_TRACKS, MIN_FRAMES
from unreel.detector.media import open_media
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots
from unreel.training.filling import make_all, missing

_FORMAT = 2
"""Raised when what an entry holds changes."""
SAMPLING = SamplingConfig()
"""As scans read frames with the model in the package."""
LIMITS = Limits(wall_seconds_per_request=300)
"""Patient: a busy machine must not decide which clips are fitted on."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face of one clip."""

    statistics: NDArray[np.float64]
    """(m, 56) in the order of statistics.NAMES."""
    embedding: NDArray[np.float64]
    """(848,) in the order of embedding.CHANNELS."""
    size: float
    """Pixels."""

    @property
    def numbers(self) -> NDArray[np.float64]:
        """(m, 904) in the order of judging.NUMBERS."""
        return numbers_of(self.statistics, self.embedding)


@dataclass(frozen=True, slots=True)
class ClipFaces:
    """The faces of one clip under one condition, the largest first."""

    faces: tuple[Face, ...]
    facts: dict[str, float]
    """fps, frames, width and height of the encoded clip: for the probe."""


class FaceCache:
    """The faces of a corpus.

    Args:
        folder: Where entries live; made when missing.
        detector: Finds them.
        encodes: Folder of encodes made before, CONDITION/SHA256[:16].mp4; None = made anew.
    """

    def __init__(self, folder: Path, detector: FaceDetector, encodes: Path | None = None) -> None:
        self._folder, self._detector, self._encodes = folder, detector, encodes
        self._embedder = load_face_embedder()

    def path_of(self, clip: Clip, condition: str) -> Path:
        """File that holds, or would hold, one clip under one condition."""
        settings = [
            _FORMAT, NAMES, self._detector.sha256, repr(CONDITIONS[condition]),
            self._embedder.backbone_sha256, self._embedder.encoder_sha256, LOOKED_AT, ENCODED,
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        return self._folder / f"{condition}-{key}" / f"{clip.sha256[:24]}.npz"

    def load(self, clip: Clip, condition: str) -> ClipFaces:
        """An entry made before by `fill`.

        Raises:
            FileNotFoundError: It was not made.
        """
        with np.load(self.path_of(clip, condition)) as found:
            facts = dict(zip(found["names"].tolist(), found["facts"].tolist(), strict=True))
            faces = tuple(
                Face(
                    found[f"statistics{k}"],
                    found[f"embedding{k}"].astype(np.float64),
                    float(found[f"size{k}"]),
                )
                for k in range(int(found["count"]))
            )
            return ClipFaces(faces, facts)

    def fill(
        self,
        clips: Sequence[Clip],
        conditions: Iterable[str],
        *,
        workers: int = 2,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make the entries that are missing; clips that cannot be read get one without faces."""
        # Halves that are the same bytes, as blends of one burst have, are looked at once.
        once = list({clip.sha256: clip for clip in clips}.values())
        jobs = missing(once, conditions, self.path_of)
        make_all(jobs, self._make, what="faces", workers=workers, tell=tell)

    def _make(self, clip: Clip, condition: str) -> str | None:
        path = self.path_of(clip, condition)
        path.parent.mkdir(parents=True, exist_ok=True)
        problem = None
        tracks: list[FaceTrack] = []
        facts: dict[str, float] = {}
        try:
            with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
                tracks, facts = self._look(self._encoded(clip, condition, Path(scratch)))
        except MediaError as error:
            problem = f"{clip.path} ({condition}): {error.code}: {error}"
        content: dict[str, object] = {
            "count": len(tracks), "names": np.array(list(facts)), "facts": list(facts.values()),
        }  # fmt: skip
        for k, track in enumerate(tracks):
            content[f"statistics{k}"] = statistics_of(track.crops, track.pts_seconds)
            content[f"embedding{k}"] = self._embedder.embed(track.crops).astype(np.float32)
            content[f"size{k}"] = track.size
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **content)  # type: ignore[arg-type]  # the stub knows no keyword arrays
        os.replace(partial, path)
        return problem

    def _encoded(self, clip: Clip, condition: str, scratch: Path) -> Path:
        if self._encodes is not None:
            kept = self._encodes / condition / f"{clip.sha256[:16]}.mp4"
            if kept.exists():
                return kept
        return encode_condition(clip.path, scratch / "clip.mp4", CONDITIONS[condition])

    def _look(self, path: Path) -> tuple[list[FaceTrack], dict[str, float]]:
        search = FaceSearch(self._detector)
        with open_media(path, LIMITS) as reader:
            for window in plan_windows(reader.pts_seconds, find_shots(reader), SAMPLING):
                sample = reader.read(window)
                search.add(window.shot, sample.frames, sample.pts_seconds)
            media = reader.media
        facts = {
            "fps": media.fps,
            "frames": float(media.frames),
            "width": float(media.width),
            "height": float(media.height),
        }
        usable = [t for t in search.tracks() if len(t.crops) >= MIN_FRAMES]
        return usable[:MAX_TRACKS], facts
