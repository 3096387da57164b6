"""The process that reads a stranger's sound: `python -m unreel.detector.report.sound_worker ...`.

It copies the pictures of a finished overlay and the sound of the clip into one MP4, packet by
packet. Sound that MP4 cannot hold is decoded and encoded again as AAC. Times are the clip's own:
the first picture stands at zero in the overlay, so the sound is moved by the clip's start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

COPIED = frozenset(("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mp2"))
"""Codecs that MP4 holds and players take."""
MAX_FILE_BYTES = 64 * 1024**3


def join(
    descriptor: int, container: str, start_seconds: float, paths: tuple[str, str, str]
) -> None:
    """Write pictures and sound into one file.

    Args:
        descriptor: Of the clip, inherited.
        container: Its container, as sniffed.
        start_seconds: Presentation time of the clip's first frame in its own clock.
        paths: Of the clip (for systems without /proc), of the silent overlay, of the target.
    """
    import av

    from unreel.detector.demux import open_container

    named, silent, target = paths
    path = f"/proc/self/fd/{descriptor}"
    source = open_container(path if os.path.exists(path) else named, container)
    pictures: Any = av.open(silent, format="mp4")
    out: Any = av.open(target, "w", format="mp4")
    with source, pictures, out:
        sound = next(s for s in source.streams.audio if s.codec_context is not None)
        video = pictures.streams.video[0]
        video_out = out.add_stream_from_template(video)
        copied = sound.codec_context.codec.canonical_name in COPIED
        if copied:
            sound_out = out.add_stream_from_template(sound)
        else:
            rate = sound.codec_context.sample_rate
            sound_out = out.add_stream("aac", rate=rate if 8000 <= rate <= 96000 else 48000)
            sound_out.layout = "mono" if sound.codec_context.layout.nb_channels == 1 else "stereo"
        made = _copied if copied else _encoded
        packets = made(source, sound, sound_out, start_seconds)
        _interleave(out, _pictures(pictures, video, video_out), packets)


def _pictures(pictures: Any, video: Any, video_out: Any) -> Iterator[Any]:
    for packet in pictures.demux(video):
        if packet.dts is not None:
            packet.stream = video_out
            yield packet


def _copied(source: Any, sound: Any, sound_out: Any, start_seconds: float) -> Iterator[Any]:
    shift = round(start_seconds / sound.time_base)
    last = None
    for packet in source.demux(sound):
        if packet.pts is None or packet.size == 0:
            continue
        packet.pts -= shift
        packet.dts = packet.pts  # no sound codec stores frames out of order
        if packet.pts < 0 or (last is not None and packet.pts <= last):
            continue  # before the first picture, or a step back in time
        last = packet.pts
        packet.stream = sound_out
        yield packet


def _encoded(source: Any, sound: Any, sound_out: Any, start_seconds: float) -> Iterator[Any]:
    for frame in source.decode(sound):
        if frame.pts is None:
            continue
        seconds = float(frame.pts * frame.time_base) - start_seconds
        if seconds < 0:
            continue
        frame.pts = round(seconds * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        yield from sound_out.encode(frame)
    yield from sound_out.encode(None)


def _interleave(out: Any, first: Iterator[Any], second: Iterator[Any]) -> None:
    """Mux two streams of packets by time, so that a player never waits for one of them."""
    sources = [first, second]
    heads = [next(first, None), next(second, None)]
    while any(head is not None for head in heads):
        times = [
            float("inf") if head is None else float((head.dts or 0) * head.time_base)
            for head in heads
        ]
        earlier = 0 if times[0] <= times[1] else 1
        out.mux(heads[earlier])
        heads[earlier] = next(sources[earlier], None)


def _limit_files(memory_bytes: int) -> None:
    """Bound memory and the file that is written; the parent watches the clock."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_FSIZE", MAX_FILE_BYTES),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 256),
    ):
        which = getattr(resource, name)
        _, hard = resource.getrlimit(which)
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bounded, bounded))


def main() -> None:
    """Join; say in one line on stdout what went wrong."""
    descriptor, container, start, memory, *paths = sys.argv[1:]
    _limit_files(int(memory))
    try:
        join(int(descriptor), container, float(start), (paths[0], paths[1], paths[2]))
    except Exception as error:  # the parent writes the overlay without sound and says why
        print(str(error).split("\n")[0][:200] or type(error).__name__)
        sys.exit(1)


if __name__ == "__main__":
    main()
