"""One small frame of each clip, decoded in killable processes as a scan decodes, several at a time.

A clip whose bytes are no longer those that were judged gets none: the picture would be of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.detector.archive.rows import ArchiveRow
from unreel.detector.config import Limits
from unreel.detector.errors import MediaError
from unreel.detector.gallery import picture_size
from unreel.detector.media import open_media
from unreel.detector.records import Window

LONG_SIDE = 160
"""Pixels."""
JPEG_QUALITY = 72
_LIMITS = Limits(threads=1)


def make_thumbnails(
    rows: Iterable[ArchiveRow],
    folder: Path,
    *,
    workers: int,
    told: Callable[[int], None] = lambda done: None,
) -> set[str]:
    """Write FOLDER/SHA256.jpg for each content that was judged; those that are there stay.

    Args:
        rows: Of the archive.
        folder: Is made.
        workers: Decoders at the same time.
        told: How many contents are done.

    Returns:
        SHA-256 of all contents that have a picture now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = {
        row.sha256: row for row in reversed(list(rows)) if row.sha256 and row.score is not None
    }
    with ThreadPoolExecutor(workers) as pool:
        made: set[str] = set()
        for done, (sha256, has) in enumerate(
            pool.map(lambda item: (item[0], _make(item[1], folder)), first.items()), start=1
        ):
            if has and sha256:
                made.add(sha256)
            told(done)
    return made


def _make(row: ArchiveRow, folder: Path) -> bool:
    target = folder / f"{row.sha256}.jpg"
    if target.is_file():
        return True
    frame = _frame(row)
    if frame is None:
        return False
    target.write_bytes(_jpeg(frame))
    return True


def _frame(row: ArchiveRow) -> NDArray[np.uint8] | None:
    try:
        with open_media(row.path, _LIMITS) as reader:
            if reader.media.sha256 != row.sha256:
                return None
            last = len(reader.pts_seconds) - 1
            at = min(last, int(np.searchsorted(reader.pts_seconds, row.strongest_seconds)))
            t = float(reader.pts_seconds[at])
            frames: NDArray[np.uint8] = reader.read(Window(0, (at,), t, t)).frames
            return np.array(frames[0])
    except MediaError:
        return None


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    import cv2

    size = picture_size(frame.shape[1], frame.shape[0], LONG_SIDE)
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = np.ascontiguousarray(small[..., ::-1])
    coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return bytes(coded.tobytes())
