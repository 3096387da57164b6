"""Every kind of input: the right frames, the right times, the pixels that PyAV gives."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, decode_plainly, is_upright, number_of, write_video

from unreel.detector.config import Limits, SamplingConfig
from unreel.detector.errors import MediaError
from unreel.detector.media import open_media
from unreel.detector.records import Shot, Window
from unreel.detector.sampling import plan_windows

QUIET = {"x265-params": "log-level=none"}
FAST = {"preset": "ultrafast"}

RECIPES = {
    "h264-mp4": Recipe(options={"preset": "medium"}),
    "h264-mov": Recipe(suffix=".mov"),
    "h264-mkv": Recipe(suffix=".mkv"),
    "h264-avi": Recipe(suffix=".avi"),
    "h264-flv": Recipe(suffix=".flv"),
    "h264-ts": Recipe(suffix=".ts"),
    "h264-fragmented": Recipe(muxer_options={"movflags": "frag_keyframe+empty_moov"}),
    "h264-with-sound": Recipe(audio=True),
    "h264-444": Recipe(pix_fmt="yuv444p"),
    "h264-10-bit": Recipe(pix_fmt="yuv420p10le"),
    "h264-pq": Recipe(pix_fmt="yuv420p10le", transfer=16),
    "mpeg4-open-groups": Recipe(codec="mpeg4", options={"bf": "2"}),
    "h264-one-key-frame": Recipe(frames=120, gop=250, options=FAST),
    "hevc-closed-groups": Recipe(
        codec="libx265", options={"x265-params": "log-level=none:open-gop=0"}
    ),
    "hevc-mp4": Recipe(codec="libx265", options=QUIET | FAST),
    "hevc-10-bit": Recipe(codec="libx265", pix_fmt="yuv420p10le", options=QUIET | FAST),
    "hevc-mkv": Recipe(codec="libx265", suffix=".mkv", options=QUIET | FAST),
    "vp8-webm": Recipe(codec="libvpx", suffix=".webm", options={"deadline": "realtime"}),
    "vp9-webm": Recipe(codec="libvpx-vp9", suffix=".webm", options={"deadline": "realtime"}),
    "av1-mp4": Recipe(codec="libsvtav1", options={"preset": "12"}),
    "av1-mkv": Recipe(codec="libsvtav1", suffix=".mkv", options={"preset": "12"}),
    "prores-mov": Recipe(codec="prores_ks", suffix=".mov", pix_fmt="yuv422p10le"),
    "mpeg2-mpg": Recipe(codec="mpeg2video", suffix=".mpg", format="mpeg"),
    "mpeg2-ts": Recipe(codec="mpeg2video", suffix=".ts"),
    "mpeg4-avi": Recipe(codec="mpeg4", suffix=".avi"),
    "mpeg4-b-frames-avi": Recipe(codec="mpeg4", suffix=".avi", options={"bf": "2"}),
    "mjpeg-avi": Recipe(codec="mjpeg", suffix=".avi", pix_fmt="yuvj420p"),
    "wmv2-asf": Recipe(codec="wmv2", suffix=".wmv"),
    "vp8-ogg": Recipe(codec="libvpx", suffix=".ogg", options={"deadline": "realtime"}),
    "gif": Recipe(codec="gif", suffix=".gif", pix_fmt="rgb8", fps=25, frames=20),
    "odd-444": Recipe(width=161, height=97, pix_fmt="yuv444p"),
    "odd-vp9": Recipe(
        "libvpx-vp9", ".webm", width=161, height=97, options={"deadline": "realtime"}
    ),
    "portrait": Recipe(width=96, height=160),
    "one-frame": Recipe(frames=1),
    "three-frames": Recipe(frames=3),
    "rotated-90": Recipe(rotation=90),
    "rotated-180": Recipe(rotation=180),
    "rotated-270": Recipe(rotation=-90),
    "rotated-10-bit": Recipe(rotation=90, suffix=".mov", pix_fmt="yuv420p10le"),
}
TOLERANCE = {"mpeg2-mpg": 0.03}
"""Seconds; a program stream gives some frames no time and libav gives one time twice."""
DECORD_EXPECTED = (
    "h264-mp4",
    "h264-mov",
    "h264-mkv",
    "h264-flv",
    "h264-444",
    "vp9-webm",
    "mjpeg-avi",
    "gif",
    "one-frame",
)


@pytest.fixture(scope="module", params=RECIPES)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("formats")
    return request.param, write_video(folder, RECIPES[request.param])


def window_of(*positions: int) -> Window:
    return Window(0, positions, 0.0, 0.0)


@pytest.mark.parametrize("threads", [2, 16])
def test_frames_and_times_are_those_of_a_plain_decode(
    written: tuple[str, Path], threads: int
) -> None:
    name, path = written
    truth, times = decode_plainly(path)
    recipe = RECIPES[name]
    with open_media(path, Limits(threads=threads)) as reader:
        media = reader.media
        assert media.frames == len(truth) == recipe.frames
        assert (media.height, media.width) == truth.shape[1:3]
        np.testing.assert_allclose(reader.pts_seconds, times, atol=TOLERANCE.get(name, 2e-3))
        assert (np.diff(reader.pts_seconds) > 0).all()
        assert reader.is_key[0]
        last = media.frames - 1
        for wanted in ({0}, {last}, {0, last // 2, last}, set(range(last // 3, last // 3 + 8))):
            positions = tuple(sorted(p for p in wanted if p <= last))
            sample = reader.read(window_of(*positions))
            assert sample.window.frame_indices == positions
            np.testing.assert_array_equal(sample.frames, truth[list(positions)])
            np.testing.assert_array_equal(sample.pts_seconds, reader.pts_seconds[list(positions)])
        assert media.warnings == ()
        assert reader.warnings == []
        assert media.fps == pytest.approx(recipe.fps, rel=0.03)
        assert media.duration_seconds == pytest.approx(recipe.frames / recipe.fps, abs=0.05)
        if name in DECORD_EXPECTED:
            assert reader.media.decoder.startswith("decord ")
    if recipe.rotation == 0:
        assert [number_of(f) for f in sample.frames] == list(positions)
        assert all(is_upright(f) for f in sample.frames)


def test_media_record_of_a_plain_clip(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(audio=True, suffix=".mov"))
    with open_media(path) as reader:
        media = reader.media
    assert media.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert media.bytes == path.stat().st_size
    assert (media.container, media.codec, media.pixel_format) == ("mp4", "h264", "yuv420p")
    assert (media.bit_depth, media.hdr, media.has_audio) == (8, False, True)
    assert (media.rotation_degrees, media.variable_frame_rate) == (0, False)
    assert media.decoder.startswith("pyav ")  # which has read all that was read so far


def test_hdr_and_bit_depth_are_named(tmp_path: Path) -> None:
    with open_media(write_video(tmp_path, RECIPES["h264-pq"])) as reader:
        assert (reader.media.hdr, reader.media.bit_depth) == (True, 10)
        assert reader.media.decoder.startswith("pyav ")
    with open_media(write_video(tmp_path, RECIPES["h264-10-bit"], "plain")) as reader:
        assert (reader.media.hdr, reader.media.bit_depth) == (False, 10)


@pytest.mark.parametrize(
    ("counter_clockwise", "clockwise", "corner"),
    [(90, 270, "top-right"), (180, 180, "top-left"), (-90, 90, "bottom-left")],
)
def test_rotation_turns_the_picture_as_players_do(
    tmp_path: Path, counter_clockwise: int, clockwise: int, corner: str
) -> None:
    """The red patch is coded at the bottom right; turned counter-clockwise it goes up the right."""
    path = write_video(tmp_path, Recipe(rotation=counter_clockwise))
    with open_media(path) as reader:
        assert reader.media.rotation_degrees == clockwise
        frame = reader.read(window_of(0)).frames[0]
    patches = {
        "top-left": frame[:8, :8],
        "top-right": frame[:8, -8:],
        "bottom-left": frame[-8:, :8],
        "bottom-right": frame[-8:, -8:],
    }
    red = [name for name, p in patches.items() if p[..., 0].mean() - p[..., 1].mean() > 120]
    assert red == [corner]


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = tuple(int(t) for t in np.cumsum([40, 40, 200, 20, 20, 500, 40, 40, 40, 300] * 3))
    path = write_video(tmp_path, Recipe(suffix=".mkv", frames=30, times_ms=times))
    with open_media(path) as reader:
        assert reader.media.variable_frame_rate
        np.testing.assert_allclose(
            reader.pts_seconds, (np.array(times) - times[0]) / 1000, atol=1e-3
        )
        positions = (2, 3, 4, 17)
        sample = reader.read(window_of(*positions))
        assert [number_of(f) for f in sample.frames] == list(positions)


def test_4k_frames_come_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(width=3840, height=2160, frames=6, options=FAST))
    with open_media(path) as reader:
        sample = reader.read(window_of(0, 2, 5))
        assert sample.frames.shape == (3, 2160, 3840, 3)
        assert [number_of(f) for f in sample.frames] == [0, 2, 5]


def test_edit_list_hides_frames(tmp_path: Path) -> None:
    """A cut without re-encoding keeps the frames before it in the file, marked as not shown."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg program to cut without re-encoding")
    whole = write_video(tmp_path, Recipe(frames=60, gop=30))
    path = tmp_path / "cut.mp4"
    command = ["ffmpeg", "-loglevel", "error", "-ss", "0.5", "-i", whole, "-c", "copy", path]
    subprocess.run(command, check=True)
    with open_media(path) as reader:
        assert reader.media.frames == 48
        assert reader.media.warnings == ()
        sample = reader.read(window_of(0, 1, 47))
    assert [number_of(f) for f in sample.frames] == [12, 13, 59]


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48000)
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8)).reformat(
            format="yuvj420p"
        )
        for packet in [*cover.encode(frame), *cover.encode()]:
            out.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 48000, 0
        for packet in [*sound.encode(silence), *sound.encode()]:
            out.mux(packet)
    with pytest.raises(MediaError) as caught:
        open_media(path)
    assert caught.value.code == "no-video-stream"


def test_the_same_file_gives_the_same_pixels_twice(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=40))
    windows = [window_of(1, 5, 9), window_of(30, 31)]

    def run() -> list[bytes]:
        with open_media(path) as reader:
            return [reader.read(w).frames.tobytes() for w in windows]

    assert run() == run()


def test_frames_are_read_only_and_out_of_range_is_refused(tmp_path: Path) -> None:
    with open_media(write_video(tmp_path, Recipe(frames=5))) as reader:
        sample = reader.read(window_of(0))
        with pytest.raises(ValueError, match="read-only"):
            sample.frames[0, 0, 0, 0] = 1
        with pytest.raises(IndexError):
            reader.read(window_of(5))


def test_small_frames_cover_the_video_in_order(tmp_path: Path) -> None:
    with open_media(write_video(tmp_path, Recipe(frames=70, width=320, height=192))) as reader:
        seen = list(reader.small_frames(long_side=160))
        positions = np.concatenate([p for p, _ in seen])
        small = np.concatenate([f for _, f in seen])
        np.testing.assert_array_equal(positions, np.arange(70))
        assert small.shape == (70, 96, 160, 3)
        assert [number_of(f) for f in small] == list(range(70))
        few = [(p.tolist(), f.shape) for p, f in reader.small_frames([5, 40], long_side=160)]
        assert few == [([5, 40], (2, 96, 160, 3))]


def test_a_pass_left_in_the_middle_does_no_harm(tmp_path: Path) -> None:
    with open_media(write_video(tmp_path, Recipe(frames=70))) as reader:
        next(iter(reader.small_frames()))
        assert number_of(reader.read(window_of(33)).frames[0]) == 33


def test_a_second_video_stream_is_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = []
        for width in (64, 128):
            stream = out.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
            streams.append(stream)
        for number in range(10):
            for stream in streams:
                picture = np.full((64, stream.width, 3), number * 20, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts = number
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode())
    with open_media(path) as reader:
        assert reader.media.width == 128
        assert "1 further video stream" in reader.media.warnings[0]
        assert reader.read(window_of(0, 9)).frames.shape == (2, 64, 128, 3)


def test_plan_then_read(tmp_path: Path) -> None:
    with open_media(write_video(tmp_path, Recipe(frames=100, gop=30))) as reader:
        shots = [Shot(0, 0.0, reader.media.duration_seconds)]
        windows = plan_windows(reader.pts_seconds, shots, SamplingConfig())
        for window in windows:
            sample = reader.read(window)
            assert [number_of(f) for f in sample.frames] == list(window.frame_indices)
            assert sample.window == window


def test_importing_media_imports_no_decoder() -> None:
    code = (
        "import sys, unreel.detector.media, unreel.detector.shots\n"
        "assert not {'av', 'cv2', 'decord', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_that_are_commands_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colon, a bar, a space, a leading dash or bytes that are no UTF-8 mean nothing."""
    monkeypatch.chdir(tmp_path)
    source = write_video(tmp_path, Recipe(frames=5))
    for name in (b"concat:a|b.mp4", b"-i.mp4", b"http:x", b"a b%d.mp4", b"caf\xe9.mp4"):
        os.link(source, tmp_path / os.fsdecode(name))
        with open_media(os.fsdecode(name)) as reader:
            assert number_of(reader.read(window_of(4)).frames[0]) == 4


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("vide--video-ocean-395eda.ogv", 238),  # Theora with empty packets for repeated pictures
        ("bgslibrary--video02.avi", 288),  # Xvid: B-frames packed into the packet before them
        ("kokborokisl--bake.mp4", 155),  # one time stamp twice
    ],
)
def test_odd_files_from_the_wild(corpus: Path, name: str, frames: int) -> None:
    with open_media(next(corpus.glob(f"clips/*/{name}"))) as reader:
        assert reader.media.frames == frames
        assert sum(len(p) for p, _ in reader.small_frames()) == frames
        positions = tuple(range(1, frames, frames // 9))
        assert reader.read(window_of(*positions)).window.frame_indices == positions
        assert reader.warnings == []
