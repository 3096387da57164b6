"""What a container holds: one video stream, the time of each frame, where key frames stand.

Runs in the decoder process only. No frame is decoded before the limits have been checked here:
a file of 805 kB can promise a thousand frames of 8192x8192.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Discard, Disposition
from numpy.typing import NDArray

from unreel.detector.config import Limits
from unreel.detector.errors import MediaError
from unreel.detector.sniff import LIBAV_FORMATS

HDR_TRANSFERS = (16, 18)
"""PQ and HLG, as ITU-T H.273 numbers them."""


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """When each presentable frame is shown."""

    pts: NDArray[np.int64]
    """(F,) presentation times in units of time_base, ascending; broken files repeat some."""
    is_key: NDArray[np.bool_]
    """(F,) decoding can start here."""
    key_times: NDArray[np.int64]
    """(K,) pts of all packets where decoding can start, ascending, hidden ones included."""
    open_groups: bool
    """Some pictures are stored after a key frame but shown before it."""
    time_base: Fraction
    """Seconds of one unit."""
    last_duration: int
    """How long the last frame is shown, in units of time_base; 0 = not said."""
    warnings: tuple[str, ...]


def open_container(path: str, container: str) -> Any:
    """Open with the one demuxer that fits, local files only."""
    name = LIBAV_FORMATS[container]
    options = {"format_whitelist": name, "protocol_whitelist": "file"}
    try:
        return av.open(path, format=name.split(",")[0], options=options, metadata_errors="replace")
    except (MemoryError, BlockingIOError):
        raise
    except (av.FFmpegError, ValueError, OSError) as error:
        raise MediaError(
            "unreadable",
            f"this begins like {container}, but its header or index cannot be read "
            f"({_short(error)}): recording cut off, download incomplete, or damaged. A recovery "
            "tool such as untrunc may bring it back",
        ) from error


def pick_stream(opened: Any, limits: Limits) -> tuple[Any, tuple[str, ...]]:
    """The video stream to judge; cover pictures are none.

    Returns:
        The stream, and warnings.

    Raises:
        MediaError: too-large, no-video-stream, unsupported-codec.
    """
    count = len(opened.streams)
    if count > limits.max_streams:
        raise MediaError("too-large", f"{count} streams; at most {limits.max_streams} are allowed")
    moving = [s for s in opened.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        kinds = sorted({s.type for s in opened.streams}) or ["nothing"]
        raise MediaError(
            "no-video-stream",
            f"no moving picture in it, only {', '.join(kinds)}; a file with video is needed",
        )
    usable = [s for s in moving if s.codec_context is not None]
    if not usable:
        raise MediaError(
            "unsupported-codec",
            f"no decoder for this video codec (tag {moving[0].codec_tag!r}); convert it first: "
            "ffmpeg -i FILE -c:v ffv1 out.mkv",
        )
    # The largest picture is the film; the first of equals.
    stream = max(usable, key=lambda s: (s.codec_context.width * s.codec_context.height, -s.index))
    for other in opened.streams:
        if other is not stream:
            other.discard = Discard.all
    extra = len(moving) - 1
    told = (f"{extra} further video stream(s) in the file were not looked at",) if extra else ()
    return stream, told


def packets_of(opened: Any, stream: Any) -> Iterator[Any]:
    """The packets of one stream from here on, an empty one at the end.

    PyAV stops with an IndexError at a packet of a stream that was not there when the file was
    opened (transport streams may add some); such packets are passed over.
    """
    while True:
        try:
            yield from opened.demux(stream)
            return
        except IndexError:
            continue


def check_promises(opened: Any, stream: Any, size_bytes: int, limits: Limits) -> None:
    """Hold what the header promises against the limits, before a packet is read.

    Raises:
        MediaError: too-large, unreadable.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.max_frame_pixels:
        raise MediaError(
            "too-large",
            f"frames of {width}x{height} pixels; at most {limits.max_frame_pixels} pixels are "
            "allowed: scale the video down first",
        )
    seconds = 0.0
    if opened.duration is not None:
        seconds = opened.duration / av.time_base
    if stream.duration is not None and stream.time_base is not None:
        seconds = max(seconds, float(stream.duration * stream.time_base))
    if seconds > limits.max_duration_seconds:
        raise MediaError(
            "too-large",
            f"{seconds:.0f} s long; at most {limits.max_duration_seconds:.0f} s are allowed: cut "
            "out the part in question",
        )
    check_pixels(width * height, stream.frames or 0, size_bytes, limits)


def check_pixels(pixels: int, frames: int, size_bytes: int, limits: Limits) -> None:
    """Refuse more frames, or more pixels for each byte, than footage has.

    Args:
        pixels: Of one frame.
        frames: Promised or counted.
        size_bytes: Of the file.
        limits: What is allowed.

    Raises:
        MediaError: too-large.
    """
    if frames > limits.max_frames:
        raise MediaError(
            "too-large", f"{frames} frames; at most {limits.max_frames} are allowed: cut it first"
        )
    total = pixels * frames / 1e9
    density = total / (size_bytes / 1e6)
    if total > limits.density_floor_gigapixels and (
        density > limits.max_total_gigapixels_per_megabyte
    ):
        raise MediaError(
            "too-large",
            f"{frames} frames with {total:.0f} gigapixels in {size_bytes} bytes: {density:.0f} "
            f"gigapixels per megabyte, at most {limits.max_total_gigapixels_per_megabyte:.0f} are "
            "allowed (a decompression bomb looks like this): re-encode or cut it first",
        )


def index_frames(opened: Any, stream: Any, size_bytes: int, limits: Limits) -> FrameIndex:
    """Read all packets of the stream, decoding none.

    Raises:
        MediaError: unreadable, too-large.
    """
    packets = _read_packets(opened, stream, limits)
    if packets.hidden.all():
        raise MediaError("unreadable", "a video stream is announced, but it holds no frame")
    shown, is_key, key_times = _presentation_order(packets)
    context = stream.codec_context
    check_pixels(context.width * context.height, len(shown), size_bytes, limits)
    base = stream.time_base or Fraction(1, 25)
    seen = len(packets.pts)
    return FrameIndex(
        pts=shown,
        is_key=is_key,
        key_times=key_times,
        open_groups=_has_open_groups(packets),
        time_base=base,
        last_duration=packets.last_duration,
        warnings=packets.told or _broken_promises(opened, stream, seen, shown, base),
    )


@dataclass(frozen=True, slots=True)
class _Packets:
    """One entry for each packet, in the order of the file."""

    pts: NDArray[np.int64]
    keys: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    """By an edit list: decoded, not shown."""
    last_duration: int
    told: tuple[str, ...]


def _read_packets(opened: Any, stream: Any, limits: Limits) -> _Packets:
    times, keys, hidden = array("q"), array("b"), array("b")
    step = _nominal_step(stream)
    # AVI marks a repeated picture with an empty packet; of MPEG-4 one byte may be left of it.
    smallest = 1 if opened.format.name == "avi" else 0
    duration = 0
    told: tuple[str, ...] = ()
    try:
        for packet in packets_of(opened, stream):
            if packet.size <= smallest:
                continue
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None:
                time = times[-1] + step if times else 0
            times.append(time)
            keys.append(packet.is_keyframe)
            hidden.append(packet.is_discard)
            duration = packet.duration or duration
            if len(times) > limits.max_frames:
                check_pixels(0, len(times), 1, limits)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        told = (f"the file breaks off after {len(times)} frames ({_short(error)})",)
    flags = (np.array(keys, np.bool_), np.array(hidden, np.bool_))
    return _Packets(np.array(times, np.int64), *flags, duration, told)


def _presentation_order(
    packets: _Packets,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Sort by time; nothing before the first key frame.

    Returns:
        Times (F,) and key flags (F,) of what is shown, times (K,) of all key frames.
    """
    pts, keys, shown = packets.pts, packets.keys, ~packets.hidden
    key_times = np.unique(pts[keys])
    if keys.any():
        # Pictures stored or shown before the first key frame refer to what is not there.
        first = int(np.argmax(keys))
        decodable = shown & (np.arange(len(pts)) >= first) & (pts >= pts[first])
        shown = decodable if decodable.any() else shown
    pts, keys = pts[shown], keys[shown]
    order = np.argsort(pts, kind="stable")
    pts, keys = pts[order], keys[order]
    keys[0] = True
    if len(key_times) == 0 or key_times[0] > pts[0]:
        key_times = np.r_[pts[:1], key_times]
    return pts, keys, key_times


def _has_open_groups(packets: _Packets) -> bool:
    """Whether a picture that follows a key frame in the file is shown before it."""
    starts = np.flatnonzero(packets.keys)
    if len(starts) == 0:
        return True
    group = np.cumsum(packets.keys) - 1
    inside = group >= 0
    return bool((packets.pts[inside] < packets.pts[starts][group[inside]]).any())


def _nominal_step(stream: Any) -> int:
    rate, base = stream.average_rate, stream.time_base
    return max(1, round(1 / (rate * base))) if rate and base else 1


def _broken_promises(
    opened: Any, stream: Any, packets: int, shown: NDArray[np.int64], base: Fraction
) -> tuple[str, ...]:
    """The header says how much there should be; a truncated file holds less."""
    promised = stream.frames or 0
    slots = float((shown[-1] - shown[0]) / (stream.duration or np.inf))  # AVI counts repeats
    if promised - packets > 0.02 * promised and slots < 0.95:
        share = packets / promised
        return (f"the file is incomplete: {packets} of {promised} frames are there ({share:.0%})",)
    if opened.format.name == "gif" and _last_byte(opened.name) != b";":
        return ("the file is incomplete: the end mark of the GIF is missing",)
    seconds = float((shown[-1] - shown[0]) * base)
    announced = opened.duration / av.time_base if opened.duration else 0.0
    if not promised and announced > seconds + max(1.0, 0.1 * announced):
        return (
            f"the file is incomplete or its video ends early: {seconds:.2f} of {announced:.2f} s "
            f"are there ({seconds / announced:.0%})",
        )
    return ()


def _last_byte(path: str) -> bytes:
    """Of the file, padding left aside."""
    with open(path, "rb") as handle:
        handle.seek(-min(64, handle.seek(0, 2)), 2)
        return handle.read().rstrip(b"\0")[-1:]


def bit_depth_of(stream: Any) -> int:
    """Bits of one luma sample as coded; 8 where nothing is said."""
    video_format = stream.codec_context.format
    if video_format is None or not video_format.components:
        return 8
    return int(max(c.bits for c in video_format.components[:1]) or 8)


def _short(error: BaseException) -> str:
    """The reason without path and code."""
    return str(getattr(error, "strerror", None) or error).split("\n")[0][:120]
