"""`unreel pairs face-blend`: faces of camera clips blended into themselves, with masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.data.pairs.encoding import Encodings, checked, encode, masks_as_encoded, write_masks
from unreel.data.pairs.face_mixing import KINDS, blend_face
from unreel.data.pairs.footage import Burst, read_burst
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
    if settings.frames < 5 or settings.variants < 1 or 0 < settings.long_side < 128:
        raise UsageError(
            "allowed are 5 frames or more, 1 variant or more, a long side of 0 or 128 or more"
        )
    name = autoencoder.name if autoencoder else None
    folder = PairFolder(out, settings.recipe(detector.sha256[:16], name))
    return folder.add_all(
        camera_clips(source), settings.variants,
        lambda clip, variant: _add(folder, clip, variant, detector, autoencoder, settings), follow,
    )  # fmt: skip


def _add(
    folder: PairFolder,
    clip: Clip,
    variant: int,
    detector: FaceDetector,
    autoencoder: Autoencoder | None,
    settings: Settings,
) -> None:
    draw = (settings.seed, clip.sha256, variant)
    burst = read_burst(
        str(clip.path), sha256=clip.sha256, frames=settings.frames, crop=0, multiple=2,
        rng=rng_of("burst", *draw),
    )  # fmt: skip
    rng = rng_of("face-blend", *draw)
    frames = _shrunk(burst.frames, settings.long_side)
    rows, points = _largest_face(frames, burst, detector, clip)
    frames, times = frames[rows], burst.pts_seconds[rows] - burst.pts_seconds[rows[0]]
    # Clips begin with different kinds, so that few variants of many clips hold all of them.
    kind = settings.kinds[(int(burst.sha256[:4], 16) + variant) % len(settings.kinds)]
    how = settings.encodings.draw(rng)
    redraw = None
    if autoencoder is not None:
        strength, seed = Strength(), int(rng.integers(2**31))

        def redraw(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return autoencoder.reconstruct(small, strength, seed)

    mixed, masks, drawn = blend_face(frames, points, times, kind, rng, redraw)
    pair_id = folder.name(burst.sha256, variant)
    facts = json.dumps(
        {
            "kind": f"face-{kind}", **drawn, "source_sha256": burst.sha256,
            "begins_seconds": round(burst.begins_seconds + float(burst.pts_seconds[rows[0]]), 4),
            "frames": len(frames), "encoding": how.as_dict(), "source_label": clip.label,
        },
        sort_keys=True,
    )  # fmt: skip
    common = {"pair_id": pair_id, "group": clip.group, "source": clip.source, "recipe": facts}
    with folder.adding(pair_id) as scratch:
        path = encode(frames, times.tolist(), scratch, "real", how)
        clips = [described(path, label="real", family=clip.family or "camera", **common)]
        path = encode(mixed, times.tolist(), scratch, "blended", how)
        placed, at = masks_as_encoded(masks, times.tolist(), path, how)
        write_masks(placed, at, scratch / MASK)
        made = described(path, label="manipulated", family=FAMILY, generator=kind, **common)
        clips.append(replace(made, mask=f"pairs/{pair_id}/{MASK}"))
        write(scratch, clips)


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
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Frames in a row in which the clip's largest face is seen, and its points in them.

    Raises:
        MediaError: There is none that is large and long enough.
    """
    search = FaceSearch(detector)
    search.add(0, frames, burst.pts_seconds)
    for track in search.tracks():
        rows = _longest_row(track.indices)
        if len(track.crops) and len(rows) >= 5 and track.size >= MIN_SIZE:
            indices = track.indices[rows]
            return indices, smoothed(track.points[rows], burst.pts_seconds[indices])
    raise MediaError(
        "unreadable", f"{clip.path}: no face of {MIN_SIZE:.0f} pixels in 5 frames in a row"
    )


def _longest_row(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the longest stretch of neighbouring frames."""
    parts = np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1)
    return max(parts, key=len)
