"""The clip with boxes, labels, score and timeline drawn in; its own times and its own sound.

Frames come from the decoder process, a few at a time, whatever the length of the clip. They are
drawn on and encoded here; the sound never touches this process: sound_worker.py joins it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unreel.detector.encode import H264Writer
from unreel.detector.errors import MediaError
from unreel.detector.media import Reader, open_media
from unreel.detector.records import Report, Sample, Window
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.report.drawing import Overlay
from unreel.detector.report.sound import join_sound

if TYPE_CHECKING:
    from unreel.detector.report.page import PageOptions

CRF = 20
PRESET = "veryfast"
_BYTES_AT_ONCE = 48 * 1024**2
_FRAMES_AT_ONCE = 32


def write_overlay(report: Report, target: Path, options: PageOptions) -> str:
    """Write the overlay video.

    Args:
        report: Of a file that was judged; the file is opened again and must still be the same.
        target: An MP4 to be written; it is overwritten.
        options: Language, limits of the decoder.

    Returns:
        A sentence on what is missing (the sound, damaged frames), or an empty text.

    Raises:
        MediaError: The file cannot be read any more, or is another one.
    """
    limits = options.config.limits
    with open_media(report.path, limits) as reader:
        if reader.media.sha256 != report.sha256:
            raise MediaError("changed", f"{report.path} is not the file that was judged")
        overlay = Overlay(report, Catalogue(options.language))
        with tempfile.TemporaryDirectory(prefix="unreel-", dir=target.parent) as folder:
            silent = Path(folder) / "silent.mp4"
            lost = _write_pictures(reader, overlay, silent)
            notes = (
                [f"{lost} of {len(reader.pts_seconds)} frames could not be read for the overlay"]
                if lost
                else []
            )
            if reader.media.has_audio:
                problem = join_sound(report.path, reader.media, silent, target, limits)
                if problem:
                    notes.append(f"the overlay has no sound: {problem}")
                    os.replace(silent, target)
            else:
                os.replace(silent, target)
    return "; ".join(notes)


def _write_pictures(reader: Reader, overlay: Overlay, target: Path) -> int:
    """Decode, draw, encode; returns how many frames could not be read."""
    layout, done, times = overlay.layout, 0, reader.pts_seconds
    ends = np.append(times[1:], max(reader.media.duration_seconds, times[-1]))
    with H264Writer(
        str(target),
        width=layout.width,
        height=layout.height,
        crf=CRF,
        preset=PRESET,
        threads=0,
        durations=True,
    ) as writer:
        for sample in _samples(reader):
            positions = sample.window.frame_indices
            for frame, position in zip(sample.frames, positions, strict=True):
                t = float(times[position])
                writer.write(overlay.draw(frame, t), t, float(ends[position]) - t)
                done += 1
        if not done:
            raise MediaError("unreadable", "not one frame could be decoded for the overlay")
    return len(times) - done


def _samples(reader: Reader) -> Iterator[Sample]:
    """All frames in order, few at a time; parts that cannot be read are passed over."""
    each = max(1, reader.media.width * reader.media.height * 3)
    step = int(np.clip(_BYTES_AT_ONCE // each, 1, _FRAMES_AT_ONCE))
    times = reader.pts_seconds
    for start in range(0, len(times), step):
        part = tuple(range(start, min(start + step, len(times))))
        window = Window(0, part, float(times[part[0]]), float(times[part[-1]]))
        try:
            yield reader.read(window)
        except MediaError as error:
            if error.code != "unreadable":
                raise
