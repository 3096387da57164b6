"""Open a video, know what it is, read windows of frames: the parent's side of decoding.

    with open_media("clip.mp4") as reader:
        reader.media                       # size, codec, duration, sha256
        sample = reader.read(window)       # (T, H, W, 3) RGB at native resolution

No decoder is imported here. The file is opened once, hashed here and decoded in a child process
from the same descriptor, so that what is judged is what was hashed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.canvas import Canvas
from unreel.detector.config import Limits
from unreel.detector.decoder_process import DecoderProcess, Message, Place
from unreel.detector.dense import LONG_SIDE, DenseFrames
from unreel.detector.errors import MediaError
from unreel.detector.records import Media, Sample, Window
from unreel.detector.sniff import open_regular, sniff_container

_BYTES_PER_SECOND = 20e6
"""A slow disk; the index of a large file may take as long as reading it from there."""


def open_media(path: str | os.PathLike[str], limits: Limits = Limits()) -> Reader:  # noqa: B008
    """Open a video file.

    Args:
        path: A regular file or a symbolic link to one.
        limits: What is refused before, or stopped while, it is decoded.

    Returns:
        A Reader, to be closed (it is a context manager).

    Raises:
        MediaError: With a stable code; see errors.MEDIA_ERROR_CODES.
    """
    descriptor = open_regular(path)
    try:
        container = sniff_container(path, descriptor)
        return Reader(os.fsdecode(path), descriptor, container, limits)
    except BaseException:
        os.close(descriptor)
        raise


class Reader(AbstractContextManager["Reader"]):
    """An open video; made by open_media."""

    pts_seconds: NDArray[np.float64]
    """(F,) presentation times relative to the first frame, ascending."""
    is_key: NDArray[np.bool_]
    """(F,) decoding can start at this frame."""
    is_sound: NDArray[np.bool_]
    """(F,) not known to be damaged; a full small_frames() pass finds out."""
    warnings: list[str]
    """Sentences on what could not be read as it stands."""

    def __init__(self, path: str, descriptor: int, container: str, limits: Limits) -> None:
        self._path, self._descriptor, self._container = path, descriptor, container
        self._limits = limits
        self._may_use_decord = True
        self._careful = False
        self._gone: MediaError | None = None
        self.warnings = []
        before = os.fstat(descriptor)
        self._bytes = before.st_size
        self._child = DecoderProcess(descriptor, limits.memory_bytes)
        try:
            # The child starts and indexes while the parent hashes.
            deadline = self._send_open()
            digest = _sha256(descriptor)
            facts, self.pts_seconds, self.is_key = self._receive_open(deadline)
            after = os.fstat(descriptor)
            self.is_sound = np.ones(len(self.pts_seconds), np.bool_)
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise MediaError(
                    "changed", f"{path} was written to while it was read; try again when it rests"
                )
        except BaseException:
            self._child.close()
            raise
        self.warnings += facts["warnings"]
        self._may_use_decord = bool(facts["may_use_decord"])
        self._pyav_version: str = facts["pyav_version"]
        self._used: dict[str, str] = {}
        self._media = _media_of(path, digest, self._bytes, container, facts, self.pts_seconds)

    @property
    def media(self) -> Media:
        """What the file is; decoder and warnings are those of the moment."""
        used = self._used or {"pyav": self._pyav_version}  # so far only small frames were decoded
        named = " and ".join(f"{name} {version}" for name, version in sorted(used.items()))
        return replace(self._media, decoder=named, warnings=tuple(self.warnings))

    def read(self, window: Window) -> Sample:
        """Decode the frames of one window at native resolution.

        Frames that are damaged or missing are left out, the window of the Sample is adjusted to
        what is there, and a warning says how many they were.

        Args:
            window: Positions of frames, strictly increasing.

        Returns:
            Frames (T, H, W, 3) uint8 RGB, read-only, rotated as displayed.

        Raises:
            MediaError: unreadable, timeout, out-of-memory, decoder-crash.
        """
        wanted = window.frame_indices
        if not wanted or wanted[0] < 0 or wanted[-1] >= len(self.pts_seconds):
            raise IndexError(f"frames {wanted} asked of a video with {len(self.pts_seconds)}")
        canvas = Canvas(wanted, self._media.height, self._media.width)
        sound = [p for p in wanted if self.is_sound[p]]
        damaged = len(wanted) - len(sound)
        if sound:
            answer = self._answer({"do": "read", "frames": sound}, canvas.place)
            self.warnings += answer["warnings"]
            self._used[answer["decoder"]] = answer["version"]
            damaged += answer["damaged"]
        kept = canvas.filled
        self._warn_of_loss(window, len(wanted) - int(kept.sum()), damaged)
        frames = canvas.frames if kept.all() else canvas.frames[kept]
        frames.flags.writeable = False
        positions = tuple(p for p, there in zip(wanted, kept, strict=True) if there)
        times = self.pts_seconds[list(positions)]
        there = replace(
            window, frame_indices=positions, t_start=float(times[0]), t_end=float(times[-1])
        )
        return Sample(there, frames, times)

    def small_frames(
        self,
        positions: Sequence[int] | None = None,
        long_side: int = 128,
        likely: Sequence[int] = (),
        closer: DenseFrames | None = None,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """One pass at low resolution, not rotated, for looking at the whole video.

        The pass ends early when it takes nearly as much processor time as one request may take;
        what has been seen until then is in what was yielded.

        Args:
            positions: Frames to look at (a seek each), or None for all, one after the other.
            long_side: Pixels of the longer side.
            likely: Frames that read() will probably be asked for after a pass over all: as far as
                memory allows they are kept, and not decoded a second time.
            closer: Takes those of the frames that it names at its own size, in the same pass.

        Yields:
            Positions (n,) and frames (n, h, w, 3) RGB of a few frames at a time.

        Raises:
            MediaError: unreadable, timeout, out-of-memory, decoder-crash.
        """
        width, height = self._small_size(long_side)
        seconds = self._limits.wall_seconds_per_request
        request = {
            "do": "small",
            "width": width,
            "height": height,
            "frames": None if positions is None else [int(p) for p in positions],
            "likely": [int(p) for p in likely],
            "soft_seconds": 0.8 * seconds,
            "closer": None,
        }
        shape_closer = (0, 0, 3)
        if closer is not None:
            larger = self._small_size(LONG_SIDE)
            shape_closer = (larger[1], larger[0], 3)
            request["closer"] = {
                "frames": list(closer.positions),
                "width": larger[0],
                "height": larger[1],
            }
        seen = np.zeros(len(self.pts_seconds), np.bool_)
        for message in self._exchange(request, seconds, None):
            if closer is not None and "closer" in message.header:
                picture = np.frombuffer(message.payload, np.uint8).reshape(shape_closer)
                closer.take(int(message.header["closer"]), picture)
                continue
            found = message.header.get("positions")
            if found:
                seen[found] = True
                shape = (len(found), height, width, 3)
                yield (
                    np.array(found, np.int64),
                    np.frombuffer(message.payload, np.uint8).reshape(shape),
                )
            elif message.header["damaged"]:
                lost = np.flatnonzero(~seen) if positions is None else np.array([], np.int64)
                if not message.header["complete"]:
                    lost = lost[lost < np.flatnonzero(seen).max(initial=0)]
                self._note_damage({*message.header["damaged"], *lost.tolist()})

    def _small_size(self, long_side: int) -> tuple[int, int]:
        """(width, height) as decoded, not rotated, never enlarged."""
        coded = (self._media.width, self._media.height)
        width, height = coded if self._media.rotation_degrees % 180 == 0 else coded[::-1]
        scale = min(1.0, long_side / max(width, height))
        return max(8, round(width * scale)), max(8, round(height * scale))

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the decoder process and let go of the file; may be called twice."""
        if self._descriptor < 0:
            return
        self._child.close()
        os.close(self._descriptor)
        self._descriptor = -1

    def _answer(self, request: dict[str, Any], place: Place) -> dict[str, Any]:
        """The last message; when decord hangs or crashes, PyAV gets a process of its own."""
        seconds = self._limits.wall_seconds_per_request
        with_decord = self._may_use_decord and not self._careful
        request = {**request, "careful": self._careful}
        try:
            *_, last = self._exchange(request, seconds / 2 if with_decord else seconds, place)
        except MediaError as error:
            if not (with_decord and error.code in _PROCESS_CODES):
                raise
            self._gone = None
            self._may_use_decord = False
            self.warnings.append(f"decord failed ({error.code}); PyAV read the file instead")
            *_, last = self._exchange(request, seconds / 2, place)
        return last.header

    def _exchange(
        self, request: dict[str, Any], seconds: float, place: Place | None
    ) -> Iterator[Message]:
        """Ask the child, starting a new one where the last is gone or was left in mid-answer."""
        if self._descriptor < 0:
            raise ValueError("the reader is closed")
        if self._gone is not None:
            raise self._gone
        try:
            if not self._child.alive:
                self._restart()
            deadline = time.monotonic() + seconds
            self._child.send(request, deadline)
            yield from self._child.messages(deadline, place)
        except MediaError as error:
            named = MediaError(error.code, f"{self._path}: {error.message}")
            if error.code in _PROCESS_CODES:
                self._child.close()
                self._gone = named
            raise named from None

    def _restart(self) -> None:
        self._child.close()
        self._child = DecoderProcess(self._descriptor, self._limits.memory_bytes)
        _, pts_seconds, _ = self._receive_open(self._send_open())
        if not np.array_equal(pts_seconds, self.pts_seconds):
            raise MediaError("changed", "the file is not the one that was opened")

    def _send_open(self) -> float:
        """Ask the child to open the file; returns the deadline."""
        seconds = self._limits.wall_seconds_per_request + self._bytes / _BYTES_PER_SECOND
        deadline = time.monotonic() + seconds
        request = {
            "do": "open",
            "path": os.path.abspath(self._path),
            "container": self._container,
            "limits": asdict(self._limits),
            "use_decord": self._may_use_decord,
        }
        self._child.send(request, deadline)
        return deadline

    def _receive_open(
        self, deadline: float
    ) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_]]:
        try:
            (message,) = self._child.messages(deadline)
        except MediaError as error:
            raise MediaError(error.code, f"{self._path}: {error.message}") from None
        facts, count = message.header, message.header["count"]
        ticks = np.frombuffer(message.payload, ">i8", count).astype(np.int64)
        keys = np.frombuffer(message.payload, np.uint8, count, offset=8 * count)
        numerator, denominator = facts["time_base"]
        seconds = _strictly_ascending((ticks - ticks[0]) * (numerator / denominator))
        facts["start_seconds"] = float(ticks[0] * Fraction(numerator, denominator))
        return facts, seconds, keys.astype(np.bool_)

    def _note_damage(self, damaged: set[int]) -> None:
        """Mark what a damaged frame spoils: all up to the next key frame, two before it (B-frames).

        From now on PyAV reads, because it flags damaged frames and decord does not.
        """
        starts = np.append(np.flatnonzero(self.is_key), len(self.is_key))
        for frame in damaged:
            after = starts[np.searchsorted(starts, frame, side="right") :]
            end = int(after[0]) if len(after) else len(self.is_key)
            self.is_sound[max(0, frame - 2) : end] = False
        if not self._careful and not self.is_sound.all():
            times = self.pts_seconds[~self.is_sound]
            self.warnings.append(
                f"{len(times)} of {len(self.pts_seconds)} frames are damaged, between "
                f"{times.min():.2f} and {times.max():.2f} s; they are not judged"
            )
        self._careful = True

    def _warn_of_loss(self, window: Window, lost: int, damaged: int) -> None:
        if not lost:
            return
        told = (
            f"{lost} of {len(window.frame_indices)} frames between {window.t_start:.2f} and "
            f"{window.t_end:.2f} s could not be read ({damaged} damaged) and were left out"
        )
        if lost == len(window.frame_indices):
            raise MediaError("unreadable", f"{self._path}: {told}")
        self.warnings.append(told)


_PROCESS_CODES = ("timeout", "decoder-crash", "out-of-memory")
"""The child is gone after these."""


def _media_of(
    path: str,
    digest: str,
    size_bytes: int,
    container: str,
    facts: dict[str, Any],
    pts_seconds: NDArray[np.float64],
) -> Media:
    numerator, denominator = facts["time_base"]
    gaps = np.diff(pts_seconds)
    typical = float(np.median(gaps)) if len(gaps) else 0.0
    last = facts["last_duration"] * numerator / denominator or typical
    if not last and facts["nominal_fps"]:
        last = 1 / facts["nominal_fps"]
    span = float(pts_seconds[-1])
    # Time stamps in whole ticks (1 ms in matroska, 10 ms in gif) waver by one.
    tick = numerator / denominator
    odd = np.abs(gaps - typical) > max(2e-3, 0.1 * typical, 1.01 * tick)
    return Media(
        path=path,
        sha256=digest,
        bytes=size_bytes,
        container=container,
        codec=facts["codec"],
        pixel_format=facts["pixel_format"],
        bit_depth=facts["bit_depth"],
        hdr=facts["hdr"],
        width=facts["width"],
        height=facts["height"],
        rotation_degrees=facts["rotation_degrees"],
        fps=len(gaps) / span if span > 0 else facts["nominal_fps"],
        variable_frame_rate=bool(len(gaps) and odd.mean() > 0.01),
        frames=len(pts_seconds),
        duration_seconds=span + last,
        start_seconds=facts["start_seconds"],
        has_audio=facts["has_audio"],
        decoder="",
    )


def _strictly_ascending(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Broken files give several frames one time: these share the time up to the next one."""
    times, first, row, count = np.unique(
        seconds, return_index=True, return_inverse=True, return_counts=True
    )
    if len(times) == len(seconds):
        return seconds
    gaps = np.append(np.diff(times), 0.04)
    rank = np.arange(len(seconds)) - first[row]
    spread: NDArray[np.float64] = times[row] + rank * (gaps / count)[row]
    return spread


def _sha256(descriptor: int) -> str:
    """Of the whole file, in small memory."""
    digest = hashlib.sha256()
    place = bytearray(1 << 20)
    view = memoryview(place)
    offset = 0
    while got := os.preadv(descriptor, [place], offset):
        digest.update(view[:got])
        offset += got
    return digest.hexdigest()
