"""Frames out of files: decord first, PyAV second.

Runs in the decoder process only. decord is fast and exact where it was measured to be exact; for
everything else (transport streams, damaged files, more than 8 bits, odd time stamps) PyAV seeks
to the key frame before the window and decodes forward, and each frame is matched by its time.
Both hand on the same pixels, rotated as displayed.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from unreel.detector.demux import FrameIndex, open_container, packets_of
from unreel.detector.errors import MediaError
from unreel.detector.frame_store import FrameStore

EXACT_IN_DECORD: dict[str, frozenset[str]] = {
    "mp4": frozenset(("h264", "vp9", "mpeg4", "mjpeg")),
    "matroska": frozenset(("h264", "vp8", "vp9", "mpeg4", "mjpeg")),
    "avi": frozenset(("h264", "mpeg4", "mjpeg")),
    "flv": frozenset(("h264",)),
    "gif": frozenset(("gif",)),
}
"""Pairs of container and codec for which decord gave PyAV's pixels at 8 bits.

HEVC and AV1 are not among them: their decoders may hold several frames back and then take no more
packets, which decord has for an error (now and then with B-frames, always with AV1 and 8 threads).
"""

DECORD_MAX_PIXELS = 1280 * 720
DECORD_MAX_BYTES = 256 * 1024**2
"""Beyond these PyAV reads: decord keeps a queue of full frames and indexes the file once
more (1080p: 330 to 825 MB and twice the processor time, PyAV 91 MB)."""

_BATCH_BYTES = 256 * 1024**2
"""Frames that decord may hold at once."""


@dataclass(frozen=True, slots=True)
class Closer:
    """Which frames of a small pass are wanted larger, and how large."""

    positions: frozenset[int]
    width: int
    height: int


class PyavSource:
    """PyAV on one open file.

    Args:
        path: Of the file.
        container: A key of sniff.LIBAV_FORMATS.
        stream_index: Which stream.
        threads: Decoder threads.
        max_pixels: Frames larger than this are not decoded.
    """

    name = "pyav"
    version = av.__version__

    def __init__(
        self, path: str, container: str, stream_index: int, threads: int, max_pixels: int
    ) -> None:
        self._open = (path, container)
        self._stream_index = stream_index
        self._threads = threads
        self._max_pixels = max_pixels
        self._reopen()
        codec = self._stream.codec_context.codec.canonical_name
        # AVI stores no presentation times: the demuxer numbers B-frames in the order of the file.
        # The decoder puts them right, so frames are counted from the key frame before.
        self._in_file_order = container == "avi" and codec in ("h264", "hevc", "mpeg4")
        self.index: FrameIndex | None = None
        self.size = (0, 0)
        """Coded (height, width) of the first frame; others are not handed on."""
        self.quarter_turns = 0
        """Counter-clockwise, as numpy.rot90 counts."""
        self.lost_times: list[int] = []
        """Time stamps of packets that could not be decoded since the last request."""
        self._to_rgb = VideoReformatter()
        self.kept = FrameStore()
        """Frames of the last full pass at low resolution."""
        self._running: Iterator[tuple[int, Any]] = iter(())
        self._at = -1
        """Position of the last frame that `_running` gave; -1 = it cannot go on."""
        self._is_tainted = False

    def _reopen(self) -> None:
        self._opened = open_container(*self._open)
        found = [s for s in self._opened.streams.video if s.index == self._stream_index]
        if not found:
            raise MediaError("unreadable", "the video stream comes and goes: the file is damaged")
        self._stream = found[0]
        context = self._stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = self._threads
        # Decoders pad their buffers; the bound here is for pictures that grow within the stream.
        context.options = {"max_pixels": str(2 * self._max_pixels + 2**20)}

    def first_frame(self) -> Any:
        """The first frame that decodes; tells size, pixel format and rotation.

        Raises:
            MediaError: unreadable when there is none.
        """
        for frame in self._decode():
            self.size = (frame.height, frame.width)
            self.quarter_turns = round(frame.rotation / 90) % 4
            return frame
        raise MediaError(
            "unreadable",
            "not one frame could be decoded: the file is damaged, encrypted (DRM) or cut off",
        )

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
        """Decode some frames at full size.

        Args:
            wanted: Positions in presentation order, strictly increasing.

        Yields:
            Position and (H, W, 3) RGB, or None for a frame that is damaged. Frames that could not
            be decoded at all are left out.
        """
        if (kept := self.kept.find(wanted)) is not None:
            yield from ((p, self._picture(f)) for p, f in zip(wanted, kept, strict=True))
            return
        left = set(wanted)
        if not self._goes_on_to(wanted[0]):
            self._running, self._is_tainted = self._from(wanted[0]), False
        for position, frame in self._running:
            self._at = position
            # Pictures that refer to a damaged one are damaged too, though no flag says so.
            self._is_tainted = frame.is_corrupt or (self._is_tainted and not frame.key_frame)
            if position in left:
                left.discard(position)
                yield position, None if self._is_tainted else self._picture(frame)
            if not left or position > wanted[-1]:
                return

    def has_kept(self, wanted: Sequence[int]) -> bool:
        """Whether these frames need not be decoded again."""
        return self.kept.find(wanted) is not None

    def _goes_on_to(self, target: int) -> bool:
        """Whether decoding on from where the last window ended is the shortest way."""
        assert self.index is not None
        pts, key_times = self.index.pts, self.index.key_times
        if self._at < 0 or self._at >= target:
            return False
        key = key_times[np.searchsorted(key_times, pts[target], side="right") - 1]
        return bool(key <= pts[self._at])

    def small_frames(
        self,
        wanted: Sequence[int] | None,
        width: int,
        height: int,
        closer: Closer | None = None,
    ) -> Iterator[tuple[int, NDArray[np.uint8], bool, NDArray[np.uint8] | None]]:
        """Decode frames at a small size, unrotated, with a fast filter.

        A pass over all frames fills `kept`.

        Args:
            wanted: Positions, ascending, or None for all frames.
            width: Pixels.
            height: Pixels.
            closer: Some of the frames are wanted a little larger as well.

        Yields:
            Position, (h, w, 3) RGB, damaged or not, the larger picture or None.
        """
        self._at = -1
        found = self._from(0) if wanted is None else self._singles(wanted)
        scaler = VideoReformatter()  # one for all frames: its tables take longer than the scaling
        closer_scaler = VideoReformatter()
        for position, frame in found:
            if wanted is None:
                self.kept.add(position, frame)
            small = scaler.reformat(
                frame, width=width, height=height, format="rgb24", interpolation="FAST_BILINEAR"
            )
            pixels: NDArray[Any] = small.to_ndarray()
            larger: NDArray[np.uint8] | None = None
            if closer is not None and position in closer.positions:
                # The plain filter: what shimmers here would look like things that come and go.
                scaled = closer_scaler.reformat(
                    frame,
                    width=closer.width,
                    height=closer.height,
                    format="rgb24",
                    interpolation="BILINEAR",
                )
                larger = np.asarray(scaled.to_ndarray(), np.uint8)
            yield position, pixels, bool(frame.is_corrupt), larger

    def _singles(self, wanted: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Some frames; decoding goes on from one to the next where no key frame lies between."""
        try:
            for target in wanted:
                if not self._goes_on_to(target):
                    self._running = self._from(target)
                for position, frame in self._running:
                    self._at = position
                    if position == target:
                        yield position, frame
                    if position >= target:
                        break
        finally:
            self._at = -1  # whether what follows is damaged is not known

    def _picture(self, frame: Any) -> NDArray[np.uint8] | None:
        if (frame.height, frame.width) != self.size:
            return None
        rgb = self._to_rgb.reformat(frame, format="rgb24").to_ndarray()  # (H, W, 3)
        return np.ascontiguousarray(np.rot90(rgb, self.quarter_turns))

    def _from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Decode forward from the last key frame at or before `first`, with positions.

        A seek may land behind its target (transport streams, odd indices); then it is tried again
        from earlier on, at last from the beginning of the file.
        """
        assert self.index is not None
        key_times = self.index.key_times
        last = int(np.searchsorted(key_times, self.index.pts[first], side="right")) - 1
        from_time = int(key_times[max(0, last)])
        for back in (0, 1, 4):
            if last - back <= 0:
                break
            if self._seek(int(key_times[last - back])):
                found = self._matched(from_time, from_time)
                if (begin := next(found, None)) is not None:
                    yield begin
                    yield from found
                    return
        self._opened.close()
        self._reopen()
        yield from self._matched(from_time)

    def _matched(self, from_time: int, not_after: float = math.inf) -> Iterator[tuple[int, Any]]:
        """Give each frame decoded from here on its position, by its time."""
        assert self.index is not None
        pts = self.index.pts
        counted = -1
        for frame in self._decode(not_after):
            if self._in_file_order and counted >= 0 and not frame.key_frame:
                counted += 1
                if counted < len(pts):
                    yield counted, frame
                continue
            if frame.pts is None or frame.pts < from_time:
                continue
            position = int(np.searchsorted(pts, frame.pts))
            if position <= counted:  # the same time once more
                position = counted + 1
            if position < len(pts) and pts[position] == frame.pts:
                counted = position
                yield position, frame

    def _seek(self, time: int) -> bool:
        try:
            self._opened.seek(time, stream=self._stream, backward=True)
        except MemoryError:
            raise
        except av.FFmpegError:
            return False
        return True

    def _decode(self, not_after: float = math.inf) -> Iterator[Any]:
        """All frames from here on; damaged packets are passed over.

        Args:
            not_after: End at once unless a key frame up to this time comes before later packets.
        """
        context = self._stream.codec_context
        packets = packets_of(self._opened, self._stream)
        has_begun = not_after == math.inf
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except av.FFmpegError:
                packet = None
            if not has_begun and packet is not None and packet.pts is not None:
                if packet.pts > not_after:
                    return
                has_begun = packet.is_keyframe
            if packet is not None and not packet.size and packet.pts is None:
                packet = None  # the end
            if packet is not None and not packet.size:
                continue  # Theora: the last picture once more
            try:
                yield from context.decode(packet)
            except (MemoryError, BlockingIOError):
                raise
            except (av.FFmpegError, ValueError):
                if packet is not None and packet.pts is not None:
                    self.lost_times.append(packet.pts)
            if packet is None:
                return


class DecordSource:
    """decord on one file, refused unless it counts and times the frames as the packets do.

    Args:
        path: Of the file.
        index: From the packets.
        threads: Decoder threads.

    Raises:
        ValueError: Count or time stamps differ, or decord itself refuses.
    """

    name = "decord"

    def __init__(self, path: str, index: FrameIndex, threads: int) -> None:
        if index.open_groups:
            raise ValueError("open groups of pictures: decord seeks past them")
        decord = _import_decord()
        self.version = _distribution_version(decord)
        try:
            self._reader = decord.VideoReader(path, num_threads=threads)
            count = len(self._reader)
            if count != len(index.pts):
                raise ValueError(f"decord counts {count} frames, the packets {len(index.pts)}")
            times = self._reader.get_frame_timestamp(np.arange(count))[:, 0]
        except MemoryError:
            raise
        except Exception as error:  # decord raises DECORDError, RuntimeError and others
            raise ValueError(str(error).split("\n")[0]) from error
        ours = (index.pts - index.pts[0]) * float(index.time_base)
        if not np.allclose(times - times[0], ours, rtol=0, atol=2e-3):
            raise ValueError("decord's time stamps differ from the packets'")

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode some frames at full size.

        Args:
            wanted: Positions in presentation order, strictly increasing.

        Yields:
            Position and (H, W, 3) RGB, rotated as displayed.
        """
        size, done = 1, 0
        while done < len(wanted):
            part = list(wanted[done : done + size])
            batch = self._reader.get_batch(part).asnumpy()  # (n, H, W, 3)
            yield from zip(part, batch, strict=True)
            done += size
            size = max(1, _BATCH_BYTES // batch[0].nbytes)


def _import_decord() -> Any:
    # decord loads every CUDA library of an installed torch: 800 MB for nothing on a CPU reader.
    sys.modules.setdefault("nvidia", None)  # type: ignore[arg-type]  # None bars an import
    import decord

    return decord


def _distribution_version(decord: Any) -> str:
    from importlib.metadata import PackageNotFoundError, version

    for name in ("decord2", "decord"):
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    return str(decord.__version__)
