"""Cuts: an edited video may be generated in part, so each uncut shot is judged on its own.

Up to a minute every frame is looked at once, small. The change between neighbouring frames is the
mean difference in hue, saturation and value, as in PySceneDetect's content detector, and a cut is
a change that stands out from its neighbours, as in its adaptive detector (that package itself
takes 0.6 s to import and pulls in a decoder, so the two formulas are written out here and a test
holds them against it). A flash or a dropped frame stands out as well, but the picture comes back:
such cuts are taken away again.

    change    . . : . | . . . . . ! ! . . . .
                      cut         flash: the same picture before and after

Longer videos: cuts between key frames only, and `split_at_cut` for the windows that are read.
Dissolves and fades are not found; each side of one stays in the same shot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unreel.detector.dense import DenseFrames
from unreel.detector.media import Reader
from unreel.detector.records import Media, Sample, Shot

Glance = Callable[[NDArray[np.int64], NDArray[np.uint8]], None]

FULL_PASS_SECONDS = 60.0
FULL_PASS_GIGAPIXELS = 4.0
"""Longer or larger videos (a minute of 1080p is 3.7) are looked at by key frame."""
MAX_KEY_FRAMES = 240
MIN_SHOT_SECONDS = 0.3
"""Nearer cuts are flashes or strobes; of two, the stronger one stays."""
MIN_CHANGE = 14.0
"""Mean difference of hue, saturation and value, 0..255, below which nothing is a cut."""
MIN_PICTURE_CHANGE = 8.0
"""Mean difference of red, green and blue: the hue of grey and dark pictures jumps without a cut."""
STANDS_OUT = 3.0
"""So many times the change of its neighbours is a cut."""
RETURN_SHARE = 0.6
"""A picture nearer than this share of the change to the one before the cut has come back."""
_STILL = 0.3
"""Smaller changes are repeated frames; they say nothing about how much moves."""
_THUMB = (32, 18)


def find_shots(
    reader: Reader,
    likely: Sequence[int] = (),
    *,
    closer: DenseFrames | None = None,
    glance: Glance | None = None,
) -> tuple[Shot, ...]:
    """Split a video at its cuts.

    Args:
        reader: An open video.
        likely: Frames that will probably be read after this (see Reader.small_frames).
        closer: Takes some frames at a larger size while all are looked at; of videos that are
            not seen whole it gets none here.
        glance: Told the positions (n,) and small frames (n, h, w, 3) of a pass over all frames.

    Returns:
        At least one shot; together they cover the video, in order.

    Raises:
        MediaError: When the low-resolution pass fails.
    """
    cuts: list[int] = []
    frames = len(reader.pts_seconds)
    if frames > 1 and is_seen_whole(reader.media):
        cuts, seen = _cuts_of_pass(reader, likely, closer, glance)
        if seen < frames - 1:
            later = [c for c in _cuts_of_keys(reader) if c > seen]
            cuts = cuts + later
    elif frames > 1:
        cuts = _cuts_of_keys(reader)
    return shots_of(cuts, reader.pts_seconds, reader.media.duration_seconds)


def is_seen_whole(media: Media) -> bool:
    """Whether find_shots looks at every frame; if not, windows need split_at_cut."""
    gigapixels = media.width * media.height * media.frames / 1e9
    return media.duration_seconds <= FULL_PASS_SECONDS and gigapixels <= FULL_PASS_GIGAPIXELS


def shots_of(
    cuts: Sequence[int], pts_seconds: NDArray[np.float64], duration_seconds: float
) -> tuple[Shot, ...]:
    """Shots from the positions of the first frames after each cut."""
    starts = [0.0, *(float(pts_seconds[c]) for c in cuts)]
    ends = [*starts[1:], max(duration_seconds, starts[-1])]
    spans = zip(starts, ends, strict=True)
    return tuple(Shot(index, start, end) for index, (start, end) in enumerate(spans))


def split_at_cut(sample: Sample) -> Sample:
    """Trim a window to the longer side of a cut inside it.

    Args:
        sample: Frames (T, H, W, 3) of one window of a video whose cuts are known roughly.

    Returns:
        The same sample, or fewer of its frames, uncut.
    """
    import cv2

    height, width = sample.frames.shape[1:3]
    scale = 128 / max(height, width, 128)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in sample.frames]
    changes = change_scores(np.stack(small), None)
    cuts = cuts_of_changes(changes, sample.pts_seconds, thumbnails(np.stack(small)))
    if not cuts:
        return sample
    edges = [0, *cuts, len(small)]
    start, end = max(pairwise(edges), key=lambda e: (e[1] - e[0], -e[0]))
    times = sample.pts_seconds[start:end]
    window = replace(
        sample.window,
        frame_indices=sample.window.frame_indices[start:end],
        t_start=float(times[0]),
        t_end=float(times[-1]),
    )
    return Sample(window, sample.frames[start:end], times)


def change_scores(
    frames: NDArray[np.uint8], before: NDArray[np.uint8] | None
) -> NDArray[np.float64]:
    """How much each frame differs from the one before it.

    Args:
        frames: (n, h, w, 3) RGB.
        before: (h, w, 3) the frame before the first, or None at the start (its change is 0).

    Returns:
        (n,) mean absolute difference of hue, saturation and value, 0..255.
    """
    import cv2

    last = None if before is None else cv2.cvtColor(before, cv2.COLOR_RGB2HSV)
    scores = np.zeros(len(frames))
    for row, frame in enumerate(frames):
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        if last is not None:
            scores[row] = cv2.absdiff(hsv, last).mean()
        last = hsv
    return scores


def thumbnails(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, h, w, 3) RGB -> (n, 18, 32, 3), enough to see whether a picture has come back."""
    import cv2

    return np.stack([cv2.resize(f, _THUMB, interpolation=cv2.INTER_AREA) for f in frames])


def cuts_of_changes(
    changes: NDArray[np.float64],
    pts_seconds: NDArray[np.float64],
    thumbs: NDArray[np.uint8],
) -> list[int]:
    """Positions of the first frames after a cut.

    Args:
        changes: (n,) change_scores of neighbouring frames.
        pts_seconds: (n,) their times.
        thumbs: (n, 18, 32, 3) their thumbnails.
    """
    candidates = [
        int(i)
        for i in np.flatnonzero(changes >= MIN_CHANGE)
        if changes[i] >= STANDS_OUT * _neighbours(changes, int(i))
        and _distance(thumbs[i - 1], thumbs[i]) >= MIN_PICTURE_CHANGE
    ]
    kept = [i for i in candidates if not _comes_back(i, pts_seconds, thumbs)]
    return _far_enough(kept, changes, pts_seconds)


def _neighbours(changes: NDArray[np.float64], at: int) -> float:
    """Mean change of the nearest two moving frames on each side."""
    moving = np.flatnonzero(changes > _STILL)
    left = moving[moving < at][-2:]
    right = moving[moving > at][:2]
    near = changes[np.r_[left, right]]
    return float(near.mean()) if len(near) else 0.0


def _comes_back(at: int, pts: NDArray[np.float64], thumbs: NDArray[np.uint8]) -> bool:
    """Within a third of a second after (or before) a change the old picture stands there again."""
    after = np.flatnonzero((pts > pts[at]) & (pts <= pts[at] + MIN_SHOT_SECONDS))
    before = np.flatnonzero((pts < pts[at - 1]) & (pts >= pts[at - 1] - MIN_SHOT_SECONDS))
    jump = _distance(thumbs[at - 1], thumbs[at])
    back = [_distance(thumbs[at - 1], thumbs[j]) for j in after]
    forth = [_distance(thumbs[at], thumbs[j]) for j in before]
    return min([*back, *forth, np.inf]) < RETURN_SHARE * jump


def _distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


def _far_enough(
    cuts: list[int], changes: NDArray[np.float64], pts: NDArray[np.float64]
) -> list[int]:
    """The strongest first; no shot shorter than MIN_SHOT_SECONDS."""
    kept: list[int] = []
    for cut in sorted(cuts, key=lambda c: (-changes[c], c)):
        bounds = [pts[0], *(pts[k] for k in kept)]
        if min(abs(pts[cut] - b) for b in bounds) >= MIN_SHOT_SECONDS and (
            pts[-1] - pts[cut] >= MIN_SHOT_SECONDS / 2
        ):
            kept.append(cut)
    return sorted(kept)


def _cuts_of_pass(
    reader: Reader,
    likely: Sequence[int],
    closer: DenseFrames | None,
    glance: Glance | None,
) -> tuple[list[int], int]:
    """Look at every frame; returns the cuts and the last position seen."""
    changes: list[NDArray[np.float64]] = []
    thumbs: list[NDArray[np.uint8]] = []
    places: list[NDArray[np.int64]] = []
    last: NDArray[np.uint8] | None = None
    for positions, frames in reader.small_frames(likely=likely, closer=closer):
        if glance is not None:
            glance(positions, frames)
        changes.append(change_scores(frames, last))
        thumbs.append(thumbnails(frames))
        places.append(positions)
        last = frames[-1]
    if not places:
        return [], len(reader.pts_seconds)
    where = np.concatenate(places)
    cuts = cuts_of_changes(
        np.concatenate(changes), reader.pts_seconds[where], np.concatenate(thumbs)
    )
    # A damaged picture differs from its neighbours as after a cut.
    sound = reader.is_sound
    found = [int(where[c]) for c in cuts]
    return [c for c in found if sound[c] and sound[c - 1]], int(where[-1])


def _cuts_of_keys(reader: Reader) -> list[int]:
    """Compare key frames, evenly spread; encoders put one at most cuts."""
    keys = np.flatnonzero(reader.is_key)
    if len(keys) > MAX_KEY_FRAMES:
        keys = keys[np.linspace(0, len(keys) - 1, MAX_KEY_FRAMES).round().astype(int)]
    cuts: list[int] = []
    last: NDArray[np.float64] | None = None
    for positions, frames in reader.small_frames(keys.tolist()):
        for position, frame in zip(positions, frames, strict=True):
            colours = _colours(frame)
            if last is not None and _colour_change(last, colours) > 0.5:
                cuts.append(int(position))
            last = colours
    return cuts


def _colours(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histogram of hue, saturation and value, (8*4*4,), sum 1: indifferent to motion."""
    import cv2

    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    found = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256])
    share: NDArray[np.float64] = np.asarray(found, np.float64).ravel() / found.sum()
    return share


def _colour_change(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Share of pixels whose colour is not there in the other picture, 0..1."""
    return float(np.abs(a - b).sum() / 2)
