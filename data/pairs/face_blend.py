"""`unreel pairs face-blend`: faces of camera clips blended into themselves, with masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.canonical import condition
from unreel.data.manifest import Clip
from unreel.data.pairs.encoding import Encodings, checked, encode, masks_as_encoded, write_masks
from unreel.data.pairs.face_mixing import KINDS, blend_face, surroundings
from unreel.data.pairs.footage import MIN_FRAMES, Burst, read_burst
from unreel.data.pairs.latents import Autoencoder, Strength
from unreel.data.pairs.pair_folder import Job, Outcome, PairFolder, described, write
from unreel.data.pairs.sources import camera_clips
from unreel.data.seeds import rng_of
from unreel.detector.errors import MediaError, UsageError
from unreel.detector.faces.crops import smoothed
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.faces.looking import FaceSearch
from unreel.detector.faces.tracks import MIN_SIZE

MASK = "mask.mkv"
FAMILY = "face-blend"


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a blend, beside the clip and the detector."""

    frames: int = 48
    """Neighbouring frames of a pair."""
    long_side: int = 960
    """Larger frames are shrunk to this before they are blended; 0 = never."""
    close: bool = False
    """Encode the surroundings of the face alone, as large as they would be in the whole frame; all
    variants of a clip are made of the same burst. Many blends then cost little."""
    kinds: tuple[str, ...] = KINDS
    variants: int = 1
    """Pairs from each clip."""
    encodings: Encodings = Encodings()  # noqa: RUF009  # frozen
    seed: int = 0

    def recipe(self, detector: str, autoencoder: str | None) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": "face-blend", "kinds": list(self.kinds), "frames": self.frames,
            "long_side": self.long_side, "detector": detector, "autoencoder": autoencoder,
            "codecs": list(self.encodings.codecs), "condition": self.encodings.condition,
            "crf": [self.encodings.crf_low, self.encodings.crf_high], "seed": self.seed,
            **({"close": True} if self.close else {}),
        }  # fmt: skip


def blend_faces(
    source: Path,
    out: Path,
    detector: FaceDetector,
    settings: Settings,
    *,
    autoencoder: Autoencoder | None = None,
    follow: Callable[[list[Job]], Iterable[Job]] = lambda jobs: jobs,
) -> Outcome:
    """Make a pair of each camera clip and variant that has none yet.

    Args:
        source: A manifest, of which the clips labelled `real` are taken, a folder or a video.
        out: The folder of pairs; the same call takes it up where it stopped.
        detector: Finds the face.
        settings: The recipe.
        autoencoder: Draws mouths anew; None = the clip's own components do.
        follow: Wraps the list of jobs, for a progress bar.

    Raises:
        UsageError: A setting is off, or `out` holds other pairs.
    """
    checked(settings.encodings)
    if not settings.kinds or not set(settings.kinds) <= set(KINDS):
        raise UsageError(f"kinds {', '.join(settings.kinds)}: allowed are {', '.join(KINDS)}")
    if settings.close and not _can_be_close(settings.encodings.condition):
        raise UsageError(
            f"condition {settings.encodings.condition} changes more than the size of frames, so "
            "that their parts cannot be encoded alone: allowed with --close are a codec, "
            "canonical, native23 and hard"
        )
    if settings.frames < 5 or settings.variants < 1 or 0 < settings.long_side < 128:
        raise UsageError(
            "allowed are 5 frames or more, 1 variant or more, a long side of 0 or 128 or more"
        )
    name = autoencoder.name if autoencoder else None
    folder = PairFolder(out, settings.recipe(detector.sha256[:16], name))
    seen = _SeenOnce(detector, settings)

    def add(clip: Clip, variant: int) -> None:
        _add(folder, clip, variant, seen.footage(clip, variant), autoencoder, settings)

    return folder.add_all(camera_clips(source), settings.variants, add, follow)


@dataclass(frozen=True, slots=True)
class Footage:
    """Neighbouring frames of a clip with its largest face."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB, even sides."""
    pts_seconds: NDArray[np.float64]
    """(T,) from the first of them."""
    points: NDArray[np.float64]
    """(T, 5, 2)"""
    begins_seconds: float
    """Presentation time of the first frame in the clip."""
    sha256: str
    """Of the clip."""
    size: tuple[int, int] | None
    """(width, height) to which both halves are brought before they are encoded; None = as is."""


class _SeenOnce:
    """Reads what variants share once, also where there is nothing to read."""

    def __init__(self, detector: FaceDetector, settings: Settings) -> None:
        self._detector, self._settings = detector, settings
        self._last: tuple[Path, int] | None = None
        self._found: Footage | MediaError | None = None

    def footage(self, clip: Clip, variant: int) -> Footage:
        """Raises MediaError where no face is large and long enough."""
        wanted = (clip.path, 0 if self._settings.close else variant)
        if self._found is None or self._last != wanted:
            self._last = wanted
            try:
                self._found = _footage(clip, wanted[1], self._detector, self._settings)
            except MediaError as error:
                self._found = error
        if isinstance(self._found, MediaError):
            raise self._found
        return self._found


def _footage(clip: Clip, variant: int, detector: FaceDetector, settings: Settings) -> Footage:
    rng = rng_of("burst", settings.seed, clip.sha256, variant)
    burst = read_burst(
        str(clip.path), sha256=clip.sha256, frames=settings.frames, crop=0, multiple=2, rng=rng
    )
    frames = _shrunk(burst.frames, settings.long_side)
    rows, points, face = _largest_face(frames, burst, detector, clip)
    begins = burst.begins_seconds + float(burst.pts_seconds[rows[0]])
    times = burst.pts_seconds[rows] - burst.pts_seconds[rows[0]]
    frames, size = frames[rows], None
    if settings.close:
        scale = _scale_of(settings.encodings.condition, *burst.frames.shape[1:3])
        scale = min(1.0, scale * burst.frames.shape[1] / frames.shape[1])
        if face * scale < MIN_SIZE:
            raise MediaError(
                "unreadable",
                f"{clip.path}: the face is {face * scale:.0f} pixels as encoded, "
                f"{MIN_SIZE:.0f} are needed",
            )
        kept = _as_many(times, settings.encodings.condition)
        frames, times, points = frames[kept], times[kept], points[kept]
        if len(frames) < MIN_FRAMES:
            raise MediaError(
                "unreadable", f"{clip.path}: {len(frames)} frames with a face are left"
            )
        top, left, frames = surroundings(frames, points)
        frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
        points = points - [left, top]
        height, width = (max(2, round(side * scale / 2) * 2) for side in frames.shape[1:3])
        size = (width, height)
    return Footage(frames, times, points, begins, burst.sha256, size)


def _add(
    folder: PairFolder,
    clip: Clip,
    variant: int,
    footage: Footage,
    autoencoder: Autoencoder | None,
    settings: Settings,
) -> None:
    rng = rng_of("face-blend", settings.seed, clip.sha256, variant)
    frames, times = footage.frames, footage.pts_seconds
    # Clips begin with different kinds, so that few variants of many clips hold all of them.
    kind = settings.kinds[(int(footage.sha256[:4], 16) + variant) % len(settings.kinds)]
    how = settings.encodings.draw(rng)
    redraw = None
    if autoencoder is not None:
        strength, seed = Strength(), int(rng.integers(2**31))

        def redraw(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return autoencoder.reconstruct(small, strength, seed)

    mixed, masks, drawn = blend_face(frames, footage.points, times, kind, rng, redraw)
    pair_id = folder.name(footage.sha256, variant)
    facts = json.dumps(
        {
            "kind": f"face-{kind}", **drawn, "source_sha256": footage.sha256,
            "begins_seconds": round(footage.begins_seconds, 4),
            "frames": len(frames), "encoding": how.as_dict(), "source_label": clip.label,
        },
        sort_keys=True,
    )  # fmt: skip
    common = {"pair_id": pair_id, "group": clip.group, "source": clip.source, "recipe": facts}
    with folder.adding(pair_id) as scratch:
        path = encode(_sized(frames, footage.size), times.tolist(), scratch, "real", how)
        clips = [described(path, label="real", family=clip.family or "camera", **common)]
        path = encode(_sized(mixed, footage.size), times.tolist(), scratch, "blended", how)
        placed, at = masks_as_encoded(masks, times.tolist(), path, how)
        write_masks(placed, at, scratch / MASK)
        made = described(path, label="manipulated", family=FAMILY, generator=kind, **common)
        clips.append(replace(made, mask=f"pairs/{pair_id}/{MASK}"))
        write(scratch, clips)


def _can_be_close(name: str | None) -> bool:
    """Whether a condition does to a part of a frame what it does to all of it."""
    steps = condition(name).passes if name else ()
    return not any(step.long_side or step.crop != 1 or step.rescale != 1 for step in steps)


def _scale_of(name: str | None, height: int, width: int) -> float:
    """What a condition makes of a frame's sides; 1 without one."""
    scale = 1.0
    for step in condition(name).passes if name else ():
        if step.short_side:
            scale = min(scale, step.short_side / min(height, width))
    return scale


def _as_many(times: NDArray[np.float64], name: str | None) -> NDArray[np.int64]:
    """Positions of the frames that a condition keeps: the others need not be blended."""
    rates = [step.max_fps for step in (condition(name).passes if name else ()) if step.max_fps]
    if not rates:
        return np.arange(len(times))
    slots = np.floor(times * min(rates) + 1e-3)
    return np.flatnonzero(np.diff(slots, prepend=-1.0) > 0)


def _sized(frames: NDArray[np.uint8], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    import cv2

    if size is None or size == (frames.shape[2], frames.shape[1]):
        return frames
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def _shrunk(frames: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """Frames with even sides, the longer one at most `long_side`."""
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, long_side / max(height, width)) if long_side else 1.0
    if scale == 1:
        return frames
    size = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def _largest_face(
    frames: NDArray[np.uint8], burst: Burst, detector: FaceDetector, clip: Clip
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Frames in a row in which the clip's largest face is seen, its points in them, its size.

    Raises:
        MediaError: There is none that is large and long enough.
    """
    search = FaceSearch(detector)
    search.add(0, frames, burst.pts_seconds)
    for track in search.tracks():
        rows = _longest_row(track.indices)
        if len(track.crops) and len(rows) >= 5 and track.size >= MIN_SIZE:
            indices = track.indices[rows]
            points = smoothed(track.points[rows], burst.pts_seconds[indices])
            return indices, points, track.size
    raise MediaError(
        "unreadable", f"{clip.path}: no face of {MIN_SIZE:.0f} pixels in 5 frames in a row"
    )


def _longest_row(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the longest stretch of neighbouring frames."""
    parts = np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1)
    return max(parts, key=len)
