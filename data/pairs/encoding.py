"""The last step of every pair: both halves through the same encoder, with the same settings.

One half that is encoded otherwise than the other would teach the encoder instead of the decoder
traces. Codec and strength are drawn once a pair, from the pair's own seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.canonical import condition, encode_condition
from unreel.data.codecs import CODECS, LOSSLESS, MASK, PICTURE_CODECS, write_video
from unreel.detector.errors import UsageError


@dataclass(frozen=True, slots=True)
class Encodings:
    """What may be drawn for a pair; with a condition nothing is."""

    codecs: tuple[str, ...] = ("h264",)
    crf_low: int = 18
    crf_high: int = 32
    """On x264's scale, whatever the codec."""
    condition: str | None = None
    """Name of a condition of unreel.data.canonical."""

    def draw(self, rng: np.random.Generator) -> Encoding:
        """One of them."""
        if self.condition is not None:
            return Encoding(self.condition, None)
        codec = self.codecs[int(rng.integers(len(self.codecs)))]
        crf = int(rng.integers(self.crf_low, self.crf_high + 1))
        return Encoding(codec, None if codec == LOSSLESS else crf)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What both halves of one pair went through."""

    name: str
    """A codec, or a condition."""
    crf: int | None
    """On x264's scale; None where the name says it all."""

    def as_dict(self) -> dict[str, Any]:
        """For the recipe of a pair."""
        return {k: v for k, v in asdict(self).items() if v is not None}


def checked(encodings: Encodings) -> Encodings:
    """The same, once it is clear that it can be served.

    Raises:
        UsageError: A codec, a crf or a condition is none that is known.
    """
    unknown = set(encodings.codecs) - set(PICTURE_CODECS)
    if unknown or not encodings.codecs:
        raise UsageError(f"codecs {sorted(unknown)}: allowed are {', '.join(PICTURE_CODECS)}")
    if not 0 <= encodings.crf_low <= encodings.crf_high <= 51:
        raise UsageError(
            f"crf {encodings.crf_low} to {encodings.crf_high}: allowed is LOW <= HIGH within 0..51"
        )
    if encodings.condition is not None and not condition(encodings.condition).passes:
        raise UsageError("condition raw encodes nothing; --codec lossless keeps pixels as made")
    return encodings


def encode(
    frames: NDArray[np.uint8], pts_seconds: Sequence[float], folder: Path, stem: str, how: Encoding
) -> Path:
    """Write one half.

    Args:
        frames: (T, H, W, 3) RGB, even sides.
        pts_seconds: (T,) ascending.
        folder: Where to.
        stem: Name of the file without its suffix, which is the codec's.
        how: The same for both halves.

    Returns:
        The file.
    """
    if how.name in CODECS:
        path = folder / (stem + CODECS[how.name].suffix)
        write_video(zip(frames, pts_seconds, strict=True), path, how.name, how.crf)
        return path
    between = folder / f".{stem}.lossless.mkv"
    write_video(zip(frames, pts_seconds, strict=True), between, LOSSLESS)
    path = encode_condition(between, folder / f"{stem}.mp4", condition(how.name))
    between.unlink()
    return path


def write_masks(masks: NDArray[np.uint8], pts_seconds: Sequence[float], path: Path) -> None:
    """Masks (T, H, W) as a grey FFV1 video: every value comes back as it was."""
    write_video(zip(masks, pts_seconds, strict=True), path, MASK)


def read_clip(path: Path) -> tuple[NDArray[np.uint8], list[float]]:
    """Frames (T, H, W, 3), or masks (T, H, W), and seconds from the first.

    Decoding happens in this process: for files that a command of this package wrote.
    """
    import av

    frames, times = [], []
    with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
        for frame in container.decode(video=0):
            grey = frame.format.name == "gray"
            frames.append(frame.to_ndarray(format="gray" if grey else "rgb24"))
            times.append(float(frame.time or 0.0))
    return np.stack(frames), [t - times[0] for t in times]


def masks_as_encoded(
    masks: NDArray[np.uint8], pts_seconds: Sequence[float], clip: Path, how: Encoding
) -> tuple[NDArray[np.uint8], list[float]]:
    """Masks that lie on the frames of an encoded clip: cropped, shrunk and thinned out like it.

    Args:
        masks: (T, H, W), on the frames before they were encoded.
        pts_seconds: (T,) of these frames.
        clip: What the encoder made of them.
        how: Which encoder that was.

    Returns:
        (t, h, w) and the times of the clip's frames.
    """
    import cv2

    frames, times = read_clip(clip)
    height, width = frames.shape[1:3]
    nearest = np.abs(np.asarray(pts_seconds)[None] - np.asarray(times)[:, None]).argmin(axis=1)
    chosen = masks[nearest]
    for step in condition(how.name).passes if how.name not in CODECS else ():
        top, left = (round(side * (1 - step.crop) / 2) for side in chosen.shape[1:3])
        chosen = chosen[:, top : chosen.shape[1] - top, left : chosen.shape[2] - left]
    if chosen.shape[1:3] != (height, width):
        chosen = np.stack(
            [cv2.resize(m, (width, height), interpolation=cv2.INTER_AREA) for m in chosen]
        )
    return chosen, times
