"""What can be told of a clip without looking at what it shows: the material of shortcuts.

    measure_clip("clip.mp4") -> numbers and words, hashes of frames, what the file claims

A detector that reads these instead of the pictures looks good on the set that it was trained on and
nowhere else (Torralba & Efros 2011 on the bias of data sets).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unreel.data.perceptual_hash import Hashes, clip_hashes
from unreel.detector.config import Limits
from unreel.detector.lanes.provenance import look_at
from unreel.detector.media import Reader, open_media
from unreel.detector.provenance.records import Provenance
from unreel.detector.shots import is_seen_whole

SHORTCUTS: dict[str, tuple[str, ...]] = {
    "frame rate": ("fps",),
    "length": ("seconds", "frames"),
    "frame size": ("width", "height", "aspect"),
    "codec": ("codec", "pixel format"),
    "bitrate": ("kilobits a second", "bits per pixel"),
    "key frames": ("frames a key frame", "key frames"),
    "container": ("container", "brands"),
    "sound": ("sound",),
    "encoder tag": ("muxer", "encoder", "handler", "crf"),
    "brightness": ("luma mean", "luma spread", "saturation"),
    "motion": ("change a frame", "change a second"),
}
"""What may tell the classes apart, and the columns that say so."""
CONTENT = frozenset({"brightness", "motion"})
"""Of these, what belongs to the picture: no re-encode changes it."""
SMALL_SIDE = 64
"""Pixels of the long side at which brightness, motion and hashes are taken."""
_SPREAD = 16
"""Frames that are looked at of a video too long for all of them."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """One clip under one condition."""

    numbers: dict[str, float]
    """By column; what is not known is absent."""
    words: dict[str, str]
    hashes: Hashes
    claims_generated: tuple[str, ...] = ()
    """What the file says of itself that speaks of a generator, as sentences."""
    claims_camera: tuple[str, ...] = ()
    """What speaks of a camera: names of models, telemetry."""


def measure_clip(path: str | os.PathLike[str]) -> ClipFacts:
    """Open a clip and take its facts.

    Raises:
        MediaError: It cannot be read.
    """
    said = look_at(path)
    crf, words = _crf(said), _words_of(said)
    # Patient: a busy machine must not decide which clips count.
    with open_media(path, Limits(wall_seconds_per_request=300)) as reader:
        frames, seconds = _small_frames(reader)
        media, keys = reader.media, int(reader.is_key.sum())
    numbers = {
        "fps": media.fps,
        "seconds": media.duration_seconds,
        "frames": float(media.frames),
        "width": float(media.width),
        "height": float(media.height),
        "aspect": media.width / media.height,
        "kilobits a second": media.bytes * 8e-3 / max(media.duration_seconds, 1e-3),
        "bits per pixel": media.bits_per_pixel,
        "frames a key frame": media.frames / max(keys, 1),
        "key frames": float(keys),
        "sound": float(media.has_audio),
        **_picture_numbers(frames, seconds),
    }
    if crf is not None:
        numbers["crf"] = crf
    words |= {
        "codec": media.codec,
        "pixel format": media.pixel_format,
        "container": media.container,
    }
    return ClipFacts(numbers, words, clip_hashes(frames), *_claims(said))


def _small_frames(reader: Reader) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Frames (n, h, w, 3) and their seconds: all of a short clip, some neighbours of a long one."""
    wanted: list[int] | None = None
    if not is_seen_whole(reader.media):
        last = max(len(reader.pts_seconds) - 2, 0)
        starts = np.unique(np.linspace(0, last, _SPREAD // 2).astype(int))
        wanted = sorted({*starts.tolist(), *(starts + 1).tolist()})
        wanted = [p for p in wanted if p < len(reader.pts_seconds)]
    found, where = [], []
    for positions, frames in reader.small_frames(wanted, SMALL_SIDE):
        found.append(frames)
        where.append(positions)
    if not found:
        return np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0)
    positions = np.concatenate(where)
    order = np.argsort(positions)
    return np.concatenate(found)[order], reader.pts_seconds[positions[order]]


def _picture_numbers(frames: NDArray[np.uint8], seconds: NDArray[np.float64]) -> dict[str, float]:
    if not len(frames):
        return {}
    luma = frames @ np.array([0.299, 0.587, 0.114], np.float32)  # (n, h, w)
    numbers = {
        "luma mean": float(luma.mean()),
        "luma spread": float(luma.std(axis=(1, 2)).mean()),
        "saturation": float(np.ptp(frames, axis=-1).mean()),
    }
    changes = [
        (float(np.abs(luma[j] - luma[i]).mean()), float(seconds[j] - seconds[i]))
        for i, j in pairwise(range(len(luma)))
    ]
    # Of a long video only neighbours count: between two of them lie minutes.
    near = [(change, gap) for change, gap in changes if 0 < gap <= 1.0]
    if near:
        numbers["change a frame"] = float(np.median([c for c, _ in near]))
        numbers["change a second"] = float(np.median([c / g for c, g in near]))
    return numbers


def _claims(said: Provenance) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What names a generator, and what a camera; sizes and handlers are too common to count."""
    generated = [
        o.says
        for o in said.observations
        if o.kind == "generator" and not o.code.startswith(("size-", "frames-"))
    ]
    manifest = said.c2pa.manifest
    if manifest is not None and "trainedAlgorithmicMedia" in manifest.source_types:
        generated.append(f"C2PA ({said.c2pa.state}): made by a trained model")
    camera = [
        o.says
        for o in said.observations
        if o.kind == "camera" and (o.code == "camera-model" or o.code.endswith("-telemetry"))
    ]
    return tuple(generated), tuple(camera)


def _words_of(said: Provenance) -> dict[str, str]:
    facts = said.container
    if facts is None:
        return {}
    muxers = [t.value for t in facts.tags if t.where != "stream" and t.name == "encoder"]
    encoders = [t.value for t in facts.tags if t.where == "stream" and t.name == "encoder"]
    video = [t for t in facts.tracks if t.kind == "video"]
    return {
        "brands": " ".join(facts.brands),
        "muxer": " ".join(muxers),
        "encoder": " ".join([*encoders, *(t.compressor for t in video)]).strip(),
        "handler": " ".join(t.handler for t in video),
    }


def _crf(said: Provenance) -> float | None:
    """Quality factor out of x264's or x265's settings."""
    for tag in said.container.tags if said.container else ():
        if tag.name == "encoder settings":
            for part in tag.value.split():
                name, _, value = part.partition("=")
                if name == "crf":
                    try:
                        return float(value)
                    except ValueError:
                        return None
    return None
