"""The overlay video: every frame at its own time, the clip's own sound, the picture untouched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from make_media import Recipe, decode_plainly, is_upright, number_of, write_video
from report_cases import finding

from unreel.detector.errors import MediaError
from unreel.detector.media import open_media
from unreel.detector.records import (
    FaceTrackScore,
    Measured,
    ModelInfo,
    OperatingPoint,
    Report,
    Verdict,
    WindowScore,
)
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.report.drawing import (
    CAMERA,
    GENERATED,
    Overlay,
    ascii_only,
    layout_of,
)
from unreel.detector.report.overlay import write_overlay
from unreel.detector.report.page import PageOptions


def report_on(path: Path) -> Report:
    """Two windows, one above the threshold, and a finding with boxes."""
    with open_media(str(path)) as reader:
        media = reader.media
    half = media.duration_seconds / 2
    windows = (WindowScore(0, 0.0, half, 2.0, 0.9), WindowScore(0, half, 2 * half, -1.0, 0.3))
    found = replace(finding(), boxes=((0.6, 30.0, 30.0, 40.0, 30.0),), t_start=0.5, t_end=0.7)
    verdict = Verdict("inconclusive", 0.7, 0.37, 0.9, OperatingPoint(0.01, 0.86, "pooled"), ())
    return Report(
        str(path),
        ModelInfo("small", "0.1.0", "cd" * 32),
        media,
        media.sha256,
        media.bytes,
        verdict,
        (),
        (Measured("learned", 1.0, windows, (found,), 0.7),),
    )


UNEVEN = tuple(int(t) for t in np.cumsum([0, *([20, 110] * 23), 60]))
CASES = {
    "plain": Recipe(audio=True),
    "variable rate": Recipe(times_ms=UNEVEN),
    "turned": Recipe(rotation=90, audio=True),
    "odd width": Recipe(codec="libvpx-vp9", suffix=".webm", width=161, height=95),
    "matroska": Recipe(suffix=".mkv", audio=True),
}


@pytest.mark.parametrize("name", CASES)
def test_every_frame_keeps_its_time_and_its_pixels(name: str, tmp_path: Path) -> None:
    source = write_video(tmp_path, CASES[name])
    report = replace(report_on(source), evidence=())  # a box would hide the numbers
    assert report.media is not None
    target = tmp_path / "marked.mp4"
    assert write_overlay(report, target, PageOptions()) == ""
    before, times_before = decode_plainly(source)
    after, times_after = decode_plainly(target)
    assert times_after == pytest.approx(times_before, abs=1e-3)
    height, width = before.shape[1:3]
    picture = after[:, :height, :width]
    assert [number_of(frame) for frame in picture] == [number_of(frame) for frame in before]
    assert [is_upright(frame) for frame in picture] == [is_upright(frame) for frame in before]
    assert after.shape[1] > height  # the strip stands below
    with av.open(str(target)) as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
        sound = [s.codec_context.name for s in opened.streams.audio]
    assert sound == (["aac"] if CASES[name].audio else [])


def test_boxes_are_drawn_while_the_finding_lasts(tmp_path: Path) -> None:
    source = write_video(tmp_path, Recipe(width=320, height=192))
    target = tmp_path / "marked.mp4"
    write_overlay(report_on(source), target, PageOptions())
    before, times = decode_plainly(source)
    after, _ = decode_plainly(target)
    edge = (slice(31, 59), 30)  # left side of the box, in pixels
    changed = [float(np.abs(a[edge].astype(int) - b[edge]).mean()) > 30
               for a, b in zip(after, before, strict=True)]  # fmt: skip
    assert {round(t, 2) for t, c in zip(times, changed, strict=True) if c} == {
        round(t, 2) for t in times if 0.5 <= t <= 0.7
    }


def write_sound(path: Path, codec: str, seconds: float, start: float = 0.0) -> Path:
    """Pictures from `start` on, with a tone beside them that begins at 0 in the file's clock."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        sound = out.add_stream(codec, rate=48000)
        sound.layout = "mono"
        first = round(start * 24)
        for number in range(first, first + round(24 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((96, 160, 3), 90, np.uint8), format="rgb24")
            frame.pts = number
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        tone = 0.5 * np.sin(np.arange(round(48000 * (start + seconds))) * 0.05)
        for at in range(0, len(tone), 1024):
            part = tone[None, at : at + 1024].astype(np.float32)
            heard = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 48000, at
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    return path


def test_sound_is_copied_packet_by_packet_where_mp4_can_hold_it(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "clip.mp4", "aac", 2.0)
    target = tmp_path / "marked.mp4"
    assert write_overlay(report_on(source), target, PageOptions()) == ""

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as opened:
            return [bytes(p) for p in opened.demux(audio=0) if p.size and p.pts >= 0]

    assert packets(target) == packets(source)


@pytest.mark.parametrize(("codec", "name"), [("pcm_s16le", "clip.mkv"), ("pcm_s16le", "clip.avi")])
def test_other_sound_becomes_aac_of_the_same_length(codec: str, name: str, tmp_path: Path) -> None:
    source = write_sound(tmp_path / name, codec, 2.0)
    target = tmp_path / "marked.mp4"
    assert write_overlay(report_on(source), target, PageOptions()) == ""
    with av.open(str(target)) as opened:
        stream = opened.streams.audio[0]
        assert stream.codec_context.name == "aac"
        assert float(stream.duration * stream.time_base) == pytest.approx(2.0, abs=0.06)


def test_sound_moves_with_the_first_picture(tmp_path: Path) -> None:
    source = write_sound(tmp_path / "clip.mkv", "pcm_s16le", 1.0, start=0.5)
    report = report_on(source)
    assert report.media is not None
    assert report.media.start_seconds == pytest.approx(0.5, abs=0.01)
    target = tmp_path / "marked.mp4"
    assert write_overlay(report, target, PageOptions()) == ""
    with av.open(str(target)) as opened:
        stream = opened.streams.audio[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(1.0, abs=0.06)


def test_damaged_sound_leaves_a_silent_overlay_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_sound(tmp_path / "clip.mp4", "aac", 1.0)
    report = report_on(source)
    target = tmp_path / "marked.mp4"
    # The process that joins the sound is refused the memory it needs to start.
    options = PageOptions()
    import unreel.detector.report.overlay as overlay

    def starved(*arguments: Any) -> str:
        from unreel.detector.report.sound import join_sound

        path, media, silent, out, limits = arguments
        return join_sound(path, media, silent, out, replace(limits, memory_bytes=60 * 1024**2))

    monkeypatch.setattr(overlay, "join_sound", starved)
    assert "the overlay has no sound: " in write_overlay(report, target, options)
    with av.open(str(target)) as opened:
        assert not opened.streams.audio
        assert sum(1 for _ in opened.decode(video=0)) == 24


def test_another_file_under_the_same_name_is_refused(tmp_path: Path) -> None:
    source = write_video(tmp_path, Recipe(frames=12))
    report = replace(report_on(source), sha256="00" * 32)
    with pytest.raises(MediaError, match="not the file that was judged"):
        write_overlay(report, tmp_path / "marked.mp4", PageOptions())
    assert not (tmp_path / "marked.mp4").exists()


@pytest.mark.parametrize("size", [(161, 95), (1920, 1080), (2, 2), (7680, 4320)])
def test_the_written_size_is_even_and_holds_the_picture(size: tuple[int, int], clip: Path) -> None:
    with open_media(str(clip)) as reader:
        media = replace(reader.media, width=size[0], height=size[1])
    layout = layout_of(media)
    assert layout.width % 2 == layout.height % 2 == 0
    assert layout.width >= size[0]
    assert layout.picture_height == size[1]


def test_words_that_the_font_cannot_draw_are_spelled() -> None:
    assert ascii_only("mäßig \N{EN DASH} größer\x1b") == "maessig - groesser\\x1b"


def test_each_face_that_was_judged_is_boxed_with_its_score(tmp_path: Path) -> None:
    source = write_video(tmp_path, Recipe(width=320, height=240))
    report = replace(report_on(source), evidence=())
    quiet = FaceTrackScore(
        1, 0, 0.0, 0.6, 4, 60.0, -1.0, 0.2, False, (0.0, 0.6), ((0.3, 200.0, 100.0, 60.0, 80.0),)
    )
    loud = replace(quiet, track=2, manipulated=True, boxes=((0.3, 40.0, 100.0, 60.0, 80.0),))
    assert report.media is not None
    plain = Overlay(report, Catalogue("en"))
    lane = Measured("faces", 1.0, (), (), 0.9, tracks=(quiet, loud))
    marked = Overlay(replace(report, evidence=(lane,)), Catalogue("en"))
    frame = np.full((report.media.height, report.media.width, 3), 90, np.uint8)
    changed = (plain.draw(frame, 0.3) != marked.draw(frame, 0.3)).any(axis=-1)
    picture = marked.draw(frame, 0.3)
    assert tuple(picture[140, 200]) == CAMERA and tuple(picture[140, 40]) == GENERATED
    assert changed[80:100, 40:140].any(), "the words above the box"
    assert not changed[130:150, 110:190].any(), "nothing between them"
    assert (plain.draw(frame, 5.0) == marked.draw(frame, 5.0)).all(), "no box long after"
