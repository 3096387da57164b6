"""Whatever a file holds, the answer is a MediaError with a stable code, or frames with a warning.

No traceback of another kind, nothing on standard error, no wait, no other file opened.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, number_of, numbered_frames, write_sound, write_video
from numpy.typing import NDArray

from unreel.detector.config import Limits, SamplingConfig
from unreel.detector.errors import MEDIA_ERROR_CODES, MediaError
from unreel.detector.media import open_media
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots

Damage = Callable[[bytearray], bytearray]


@pytest.fixture(autouse=True)
def quiet_and_quick(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Every test here: nothing on standard error, at most 30 s."""
    started = time.monotonic()
    yield
    assert capfd.readouterr().err == ""
    assert time.monotonic() - started < 30


def code_of(path: Path | str, limits: Limits | None = None) -> str:
    """Open, find shots, read; the code of the error that comes."""
    with pytest.raises(MediaError) as caught:
        look_through(path, limits)
    assert caught.value.code in MEDIA_ERROR_CODES
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) > 20
    return caught.value.code


def look_through(path: Path | str, limits: Limits | None = None) -> tuple[list[int], list[str]]:
    """Numbers of the frames read from all planned windows, and the warnings."""
    with open_media(path, limits or Limits()) as reader:
        shots = find_shots(reader)
        windows = plan_windows(reader.pts_seconds, shots, SamplingConfig())
        samples = [reader.read(w) for w in windows]
        for sample in samples:
            read = [number_of(f) for f in sample.frames]
            assert read == list(sample.window.frame_indices)
        return [n for s in samples for n in s.window.frame_indices], reader.warnings


def test_missing_file(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.mp4") == "not-found"
    assert code_of(tmp_path / "none" / "none.mp4") == "not-found"
    with pytest.raises(MediaError) as caught:
        open_media("a\0b.mp4")
    assert caught.value.code == "not-found"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"hello, this is a text\n" * 50, "not-a-video"),
        (b"\x00", "not-a-video"),
        (np.random.default_rng(0).bytes(100_000), "not-a-video"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 500, "not-a-video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n", "playlist"),
        (b"\xef\xbb\xbf\n #EXTM3U\nhttp://127.0.0.1:9/x.ts\n", "playlist"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "playlist"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "playlist"),
        (b'<?xml version="1.0"?>\n<svg/>', "not-a-video"),
        (b"\x00\x00\x00\x18ftypisom" + b"\0" * 28, "unreadable"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 4000, "unreadable"),
        (b"RIFF\x00\x10\x00\x00AVI LIST" + b"\0" * 4000, "unreadable"),
        (b"GIF89a" + b"\0" * 100, "unreadable"),
        ((b"\x47" + b"\0" * 187) * 100, "unreadable"),
        (b"OggS" + b"\0" * 1000, "unreadable"),
        (b"FLV\x01\x05" + b"\0" * 1000, "unreadable"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + b"\0" * 1000, "unreadable"),
        (b"\x00\x00\x01\xba" + b"\0" * 1000, "unreadable"),
    ],
)
def test_files_that_are_no_video(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    got = code_of(path)
    assert got == code or (code == "unreadable" and got == "no-video-stream")


def test_sound_only(tmp_path: Path) -> None:
    assert code_of(write_sound(tmp_path / "song.mp4")) == "no-video-stream"
    assert code_of(write_sound(tmp_path / "song.mkv")) == "no-video-stream"


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    """Opening a FIFO without writer blocks for ever; the clock of this file would tell."""
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "to-fifo.mp4").symlink_to(tmp_path / "fifo.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.getcwd()
        os.chdir(tmp_path)  # names of sockets are short
        try:
            server.bind("socket.mp4")
        finally:
            os.chdir(folder)
        for name in ("fifo.mp4", "folder.mp4", "to-fifo.mp4", "socket.mp4"):
            assert code_of(tmp_path / name) == "not-a-file"
    assert code_of("/dev/zero") == "not-a-file"


def test_links(tmp_path: Path) -> None:
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "none.mp4")
    (tmp_path / "a.mp4").symlink_to(tmp_path / "b.mp4")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    assert code_of(tmp_path / "nowhere.mp4") == "broken-link"
    assert code_of(tmp_path / "a.mp4") == "broken-link"
    (tmp_path / "good.mp4").symlink_to(write_video(tmp_path))
    assert look_through(tmp_path / "good.mp4")[1] == []


def test_no_permission(tmp_path: Path) -> None:
    path = write_video(tmp_path)
    path.chmod(0)
    if os.geteuid() != 0:
        assert code_of(path) == "permission-denied"
        return
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(65534)  # root may read everything; nobody may not
    try:
        assert code_of(path) == "permission-denied"
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXTINF:2,\n{}\n"])
def test_a_list_never_opens_what_it_names(tmp_path: Path, text: str) -> None:
    """The access time of the named file stays what it was, and no second descriptor is opened."""
    secret = write_video(tmp_path, name="secret")
    os.utime(secret, (1_000_000_000, 1_000_000_000))
    opened: list[str] = []
    watching = True
    sys.addaudithook(
        lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None
    )
    trap = tmp_path / "trap.mp4"
    trap.write_text(text.format(secret))
    assert code_of(trap) == "playlist"
    watching = False
    assert str(secret) not in opened
    assert secret.stat().st_atime == 1_000_000_000


def test_a_text_behind_the_magic_of_a_video_is_not_followed(tmp_path: Path) -> None:
    secret = write_video(tmp_path, name="secret")
    os.utime(secret, (1_000_000_000, 1_000_000_000))
    trap = tmp_path / "trap.gif"
    trap.write_bytes(f"GIF89a\nffconcat version 1.0\nfile '{secret}'\n".encode())
    assert code_of(trap) in ("unreadable", "no-video-stream", "too-large")
    assert secret.stat().st_atime == 1_000_000_000


def test_bomb_is_refused_before_a_frame_is_decoded(tmp_path: Path) -> None:
    """One tiny picture, a thousand times: 67 gigapixels in less than a megabyte."""
    path = many_times(write_bomb_frame(tmp_path, 8192, 8192), 1000)
    assert path.stat().st_size < 1_000_000
    started = time.monotonic()
    generous = Limits(max_frame_pixels=8192 * 8192)
    assert code_of(path, generous) == "too-large"
    assert code_of(path) == "too-large"
    assert time.monotonic() - started < 8


def test_limits(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=48))
    assert code_of(path, Limits(max_frames=47)) == "too-large"
    assert code_of(path, Limits(max_duration_seconds=1.9)) == "too-large"
    assert code_of(path, Limits(max_frame_pixels=160 * 96 - 1)) == "too-large"
    assert code_of(path, Limits(max_streams=0)) == "too-large"
    exact = Limits(
        max_frames=48, max_duration_seconds=2.0, max_frame_pixels=160 * 96, max_streams=1
    )
    assert look_through(path, exact)[1] == []


@pytest.mark.parametrize("megabytes", [40, 230])
def test_memory_limit_ends_the_child_not_the_parent(tmp_path: Path, megabytes: int) -> None:
    """40 MB do not hold the decoder's libraries, 230 MB no 4K frames."""
    recipe = Recipe(width=3840, height=2160, frames=4, options={"preset": "ultrafast"})
    code = code_of(write_video(tmp_path, recipe), Limits(memory_bytes=megabytes * 1024**2))
    assert code in ("out-of-memory", "decoder-crash")


def test_clock_ends_the_child(tmp_path: Path) -> None:
    recipe = Recipe(width=1920, height=1080, frames=60, gop=60, options={"preset": "ultrafast"})
    path = write_video(tmp_path, recipe)
    with open_media(path) as reader:
        reader._limits = Limits(wall_seconds_per_request=0.001)
        with pytest.raises(MediaError) as caught:
            list(reader.small_frames())
        assert caught.value.code == "timeout"
        with pytest.raises(MediaError):  # it stays so: no second wait
            list(reader.small_frames())


def cut_to(share: float) -> Damage:
    return lambda data: data[: int(len(data) * share)]


def rot(data: bytearray) -> bytearray:
    """Flip a byte in every 500 behind the first fifth."""
    rng = np.random.default_rng(1)
    for place in rng.integers(len(data) // 5, len(data), len(data) // 500):
        data[place] ^= 0xFF
    return data


def zero_middle(data: bytearray) -> bytearray:
    start, end = int(len(data) * 0.45), int(len(data) * 0.6)
    data[start:end] = bytes(end - start)
    return data


SILENT = (".ts", ".webm")
"""A transport stream does not say how long it should be, VP9 has no check on its bits."""
FASTSTART = {"movflags": "faststart"}
DAMAGED: list[tuple[str, Recipe, Damage]] = [
    ("cut-mp4", Recipe(frames=96), cut_to(0.6)),
    ("cut-faststart", Recipe(frames=96, muxer_options=FASTSTART), cut_to(0.6)),
    ("cut-mkv", Recipe(frames=96, suffix=".mkv"), cut_to(0.6)),
    ("cut-avi", Recipe("mpeg4", frames=96, suffix=".avi"), cut_to(0.6)),
    ("cut-ts", Recipe(frames=96, suffix=".ts"), cut_to(0.6)),
    ("cut-webm", Recipe("libvpx-vp9", ".webm", options={"deadline": "realtime"}), cut_to(0.6)),
    ("cut-gif", Recipe("gif", ".gif", "rgb8", frames=20, fps=25), cut_to(0.6)),
    ("tail-of-ts", Recipe(frames=96, suffix=".ts"), lambda d: d[len(d) // 3 :]),
    ("rot-mp4", Recipe(frames=96, muxer_options=FASTSTART), rot),
    ("rot-mkv", Recipe(frames=96, suffix=".mkv"), rot),
    ("rot-webm", Recipe("libvpx-vp9", ".webm", options={"deadline": "realtime"}), rot),
    ("rot-ts", Recipe(frames=96, suffix=".ts"), rot),
    ("zero-mp4", Recipe(frames=96, muxer_options=FASTSTART), zero_middle),
    ("zero-mkv", Recipe(frames=96, suffix=".mkv"), zero_middle),
    ("zero-avi", Recipe("mpeg4", frames=96, suffix=".avi"), zero_middle),
]


@pytest.mark.parametrize(
    ("recipe", "damage"), [d[1:] for d in DAMAGED], ids=[d[0] for d in DAMAGED]
)
def test_damaged_files_give_frames_and_a_warning_or_an_error(
    tmp_path: Path, recipe: Recipe, damage: Damage
) -> None:
    path = write_video(tmp_path, recipe)
    path.write_bytes(damage(bytearray(path.read_bytes())))
    try:
        with open_media(path) as reader:
            shots = find_shots(reader)
            windows = plan_windows(reader.pts_seconds, shots, SamplingConfig())
            for window in windows:
                sample = reader.read(window)
                assert set(sample.window.frame_indices) <= set(window.frame_indices)
                assert len(sample.frames) == len(sample.window.frame_indices)
                if path.suffix not in (".webm", ".gif"):
                    assert share_garbled(sample.frames) <= 0.1
            assert reader.warnings or path.suffix in SILENT
    except MediaError as error:
        assert error.code in MEDIA_ERROR_CODES
        assert str(path) in str(error)


def share_garbled(frames: NDArray[np.uint8]) -> float:
    """Frames that differ much from what was encoded, whatever their number."""
    height, width = frames.shape[1:3]
    truth = numbered_frames(96, width, height).astype(np.int16)
    differs = [np.abs(truth - f).mean(axis=(1, 2, 3)).min() > 6 for f in frames]
    return float(np.mean(differs))


def test_a_cut_off_faststart_file_gives_its_first_part(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=96, muxer_options=FASTSTART))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    read, warnings = look_through(path)
    assert len(read) >= 8 and max(read) < 80
    assert any("of 96 frames are there" in w for w in warnings)


def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path)
    from unreel.detector import media

    plain = media._sha256

    def touched(descriptor: int) -> str:
        digest = plain(descriptor)
        os.utime(path, (1, 1))
        return digest

    monkeypatch.setattr(media, "_sha256", touched)
    assert code_of(path) == "changed"


def test_decoder_process_has_its_limits(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    with open_media(write_video(tmp_path)) as reader:
        pid = reader._child.pid
        assert resource.prlimit(pid, resource.RLIMIT_AS)[1] == Limits().memory_bytes
        assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert 0 < resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 10_000
        assert os.getsid(pid) == pid


def write_bomb_frame(folder: Path, width: int, height: int) -> Path:
    """One key frame of plain grey, and one that repeats it."""
    import av

    path = folder / "frame.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(2):
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def many_times(source: Path, count: int) -> Path:
    """The first packet, then the second one again and again."""
    import av

    path = source.with_name("bomb.mp4")
    with av.open(str(source)) as opened, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(opened.streams.video[0])
        key, repeat = [bytes(p) for p in opened.demux(video=0) if p.size]
        for number in range(count):
            packet = av.Packet(repeat if number else key)
            packet.stream, packet.time_base = stream, opened.streams.video[0].time_base
            packet.pts = packet.dts = number * 42
            packet.is_keyframe = number == 0
            out.mux(packet)
    return path


def test_header_lies(tmp_path: Path) -> None:
    """A width of 65535 in the track header of a small video changes nothing of note."""
    path = write_video(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.find(b"avc1", data.find(b"stsd")) + 28
    data[at : at + 4] = struct.pack(">HH", 65535, 65535)
    path.write_bytes(data)
    try:
        look_through(path)
    except MediaError as error:
        assert error.code in ("too-large", "unreadable")
