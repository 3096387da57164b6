"""Pictures that a scan keeps for a report: gathered only when one is asked for, and few.

One frame of each window, with what the network said of its places, and a burst around each
finding. Whatever the length of the video, this stays below about 60 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import MediaError
from unreel.detector.media import Reader
from unreel.detector.records import FacePicture, Finding, Reference, Report, Window, WindowPictures

MAX_WINDOWS = 24
"""Windows with a picture; of more, those spread most evenly."""
MAX_SCENES = 8
"""Findings with pictures; the first ones by time."""
LONG_SIDE = 480
"""Pixels of a kept picture."""
SCENE_FRAMES = 24
MARGIN_SECONDS = 0.5
"""Shown before and after a finding."""
LONGEST_SCENE_SECONDS = 4.0
_READ_AT_ONCE = 4
"""Frames at native resolution that are held while a scene is read."""


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """The frame of a window that speaks loudest for generation."""

    shot: int
    t: float
    """Seconds."""
    frame: NDArray[np.uint8]
    """(h, w, 3) RGB in the proportions of the video."""
    patch_logits: NDArray[np.float32] | None
    """(gh, gw): a grid over the frame; None = nothing was judged."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Frames from before to after a finding."""

    pts_seconds: NDArray[np.float64]
    """(n,)"""
    frames: NDArray[np.uint8]
    """(n, h, w, 3) RGB in the proportions of the video."""


@dataclass(slots=True)
class Gallery:
    """What a report shows besides the record; filled by scan_video, or left empty."""

    key_frames: tuple[KeyFrame, ...] = ()
    frame_logits: tuple[tuple[float, float], ...] = ()
    """(seconds, logit) of every frame that was judged, by time."""
    scenes: tuple[Scene | None, ...] = ()
    """For each of Report.findings; None = beyond MAX_SCENES, or not readable."""
    reference: Reference | None = None
    faces: tuple[FacePicture, ...] = ()
    """Those that the faces lane judged, as it saw them."""

    def take(
        self,
        report: Report,
        reader: Reader,
        windows: Sequence[WindowPictures],
        reference: Reference,
    ) -> None:
        """Choose and shrink.

        Args:
            report: Its findings and the size of its frames say what is kept.
            reader: Still open; asked for the frames around findings.
            windows: What the learned lane judged.
            reference: Of the quality bucket of the clip.
        """
        size = picture_size(reader.media.width, reader.media.height)
        self.reference = reference
        self.key_frames = tuple(_key_frame(w, size) for w in _spread(windows))
        if not windows:
            self.key_frames = _first_frame(reader, size)
        logits = ((w.pts_seconds, w.frame_logits) for w in windows)
        points = ((float(t), float(x)) for ts, xs in logits for t, x in zip(ts, xs, strict=True))
        self.frame_logits = tuple(sorted(points))
        self.scenes = tuple(
            _scene(reader, finding, size) if number < MAX_SCENES else None
            for number, finding in enumerate(report.findings)
        )


def picture_size(width: int, height: int, long_side: int = LONG_SIDE) -> tuple[int, int]:
    """(width, height) in even pixels, the longer one at most `long_side`, never enlarged."""
    scale = min(1.0, long_side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _spread(windows: Sequence[WindowPictures]) -> list[WindowPictures]:
    if len(windows) <= MAX_WINDOWS:
        return list(windows)
    return [windows[i] for i in np.linspace(0, len(windows) - 1, MAX_WINDOWS).round().astype(int)]


def _key_frame(window: WindowPictures, size: tuple[int, int]) -> KeyFrame:
    loudest = int(np.argmax(window.frame_logits))
    return KeyFrame(
        window.shot,
        float(window.pts_seconds[loudest]),
        _resized(window.frames[loudest], size),
        window.patch_logits[loudest].copy(),
    )


def _resized(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    import cv2  # here: 0.1 s that only a report should pay

    # The copy lets go of the array that the frame is a part of.
    return np.array(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _first_frame(reader: Reader, size: tuple[int, int]) -> tuple[KeyFrame, ...]:
    """Where nothing could be judged, a reader still wants to see which clip it was."""
    found = _frames(reader, [0], size)
    return (KeyFrame(0, 0.0, found.frames[0], None),) if found is not None else ()


def _scene(reader: Reader, finding: Finding, size: tuple[int, int]) -> Scene | None:
    begin = finding.t_start - MARGIN_SECONDS
    end = min(finding.t_end, finding.t_start + LONGEST_SCENE_SECONDS) + MARGIN_SECONDS
    first, last = np.searchsorted(reader.pts_seconds, [begin, end])
    if last <= first:
        return None
    count = min(SCENE_FRAMES, int(last - first))
    wanted = np.unique(np.linspace(first, last - 1, count).round().astype(int)).tolist()
    return _frames(reader, wanted, size)


def _frames(reader: Reader, wanted: Sequence[int], size: tuple[int, int]) -> Scene | None:
    """Read a few frames at a time and shrink them at once; None when none can be read."""
    frames: list[NDArray[np.uint8]] = []
    times: list[float] = []
    for start in range(0, len(wanted), _READ_AT_ONCE):
        part = tuple(int(p) for p in wanted[start : start + _READ_AT_ONCE])
        t_start, t_end = (float(reader.pts_seconds[p]) for p in (part[0], part[-1]))
        try:
            sample = reader.read(Window(0, part, t_start, t_end))
        except MediaError:
            continue  # what the report says does not rest on these pictures
        frames += [_resized(frame, size) for frame in sample.frames]
        times += sample.pts_seconds.tolist()
    return Scene(np.array(times), np.stack(frames)) if frames else None
