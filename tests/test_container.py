"""What containers say: tags, tracks, dates, groups of frames."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import pytest
from make_containers import FTYP, box, facts_of, png_chunk, tagged
from make_media import Recipe, numbered_frames, write_video

from unreel.detector.lanes.provenance import look_at
from unreel.detector.provenance.records import Track

COMMENT = "made for a test"
FAST = {"deadline": "realtime"}
LIVE = Recipe(
    "libvpx-vp9",
    ".webm",
    frames=40,
    gop=12,
    options=FAST,
    muxer_options={"live": "1", "cluster_time_limit": "100"},
)
"""Segment and clusters of unknown length."""


def video_of(path: Path) -> Track:
    return next(track for track in facts_of(path).tracks if track.kind == "video")


@pytest.mark.parametrize(
    ("recipe", "reordered"),
    [
        (Recipe(frames=40, gop=12, options={"sc_threshold": "0"}), True),
        (Recipe(frames=40, gop=12, options={"sc_threshold": "0", "bf": "0"}), False),
        (Recipe(suffix=".mkv", frames=40, gop=12, options={"sc_threshold": "0"}), True),
        (Recipe("mpeg4", ".avi", frames=40, gop=12), None),
        (Recipe("libvpx-vp9", ".webm", frames=40, gop=12, options=FAST), False),
        (LIVE, False),
    ],
    ids=["mp4", "mp4 without B-frames", "mkv", "avi", "webm", "webm of a live stream"],
)
def test_groups_of_frames_are_read_from_the_index(
    tmp_path: Path, recipe: Recipe, reordered: bool | None
) -> None:
    track = video_of(write_video(tmp_path, recipe))
    assert (track.width, track.height) == (recipe.width, recipe.height)
    assert track.fps == pytest.approx(24, rel=0.05)
    groups = track.groups
    assert groups is not None and groups.complete
    assert (groups.frames, groups.key_frames) == (40, 4)
    assert (groups.shortest, groups.longest) == (12, 12)
    assert groups.reordered == reordered


def test_groups_of_frames_of_a_fragmented_file(tmp_path: Path) -> None:
    recipe = Recipe(
        frames=36,
        gop=12,
        options={"sc_threshold": "0"},
        muxer_options={"movflags": "frag_keyframe+empty_moov"},
    )
    groups = video_of(write_video(tmp_path, recipe)).groups
    assert groups is not None
    assert (groups.frames, groups.key_frames, groups.longest) == (36, 3, 12)


def test_every_frame_a_key_frame(tmp_path: Path) -> None:
    groups = video_of(write_video(tmp_path, Recipe("mjpeg", ".mov", "yuvj420p", frames=5))).groups
    assert groups is not None
    assert (groups.frames, groups.key_frames) == (5, 5)


def test_a_variable_rate_is_told(tmp_path: Path) -> None:
    times = (0, 40, 80, 200, 240, 500, 540)
    uneven = Recipe(frames=7, times_ms=times, options={"bf": "0"})
    assert video_of(write_video(tmp_path, uneven)).constant_rate is False
    assert video_of(write_video(tmp_path, Recipe(frames=7), "even")).constant_rate is True


@pytest.mark.parametrize(
    ("suffix", "codec", "name"),
    [
        (".mp4", "libx264", "comment"),
        (".mov", "libx264", "comment"),
        (".mkv", "libx264", "comment"),
        (".avi", "mpeg4", "comment"),
        (".flv", "flv", "comment"),
        (".wmv", "wmv2", "description"),
    ],
)
def test_tags_are_found_in_every_container(
    tmp_path: Path, suffix: str, codec: str, name: str
) -> None:
    facts = facts_of(tagged(tmp_path, suffix, codec, comment=COMMENT, title="Título"))
    said = {tag.name: tag.value for tag in facts.tags}
    assert said[name] == COMMENT
    assert said["title"] == "Título"
    assert any("Lavf" in tag.value for tag in facts.tags)


def test_the_settings_of_x264_survive_remuxing(tmp_path: Path) -> None:
    source = write_video(tmp_path, Recipe(frames=6, options={"crf": "31"}))
    target = tmp_path / "copy.mkv"
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(opened.streams.video[0])
        for packet in opened.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    for path in (source, target):
        settings = [t.value for t in facts_of(path).tags if t.name == "encoder settings"]
        assert len(settings) == 1 and "crf=31.0" in settings[0]


def test_dates_and_edits_of_an_mp4(tmp_path: Path) -> None:
    path = tagged(tmp_path, ".mp4", creation_time="2024-05-06T07:08:09Z")
    facts = facts_of(path)
    assert facts.created == facts.modified == "2024-05-06T07:08:09Z"
    (edit,) = next(t for t in facts.tracks if t.kind == "video").edits
    assert edit.duration_seconds == pytest.approx(0.25, abs=0.01)
    assert edit.media_start_seconds is not None


def test_keys_of_apple_and_boxes_of_vendors(tmp_path: Path) -> None:
    key = b"com.apple.quicktime.model"
    keys = box(b"keys", struct.pack(">II", 0, 1) + struct.pack(">I4s", 8 + len(key), b"mdta") + key)
    data = box(b"data", struct.pack(">II", 1, 0) + b"iPhone 99")
    ilst = box(b"ilst", box(b"\0\0\0\1", data))
    handler = box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    firmware = box(b"udta", box(b"FIRM", b"HD99.01.02.00\0\0\0"))
    text = b"\xa9swr" + struct.pack(">HH", 4, 0) + b"17.1"
    path = tmp_path / "phone.mov"
    moov = handler_free_moov(box(b"meta", handler + keys + ilst) + firmware)
    path.write_bytes(FTYP + moov + box(b"udta", struct.pack(">I", 4 + len(text)) + text))
    facts = facts_of(path)
    assert ("com.apple.quicktime.model", "iPhone 99") in {(t.name, t.value) for t in facts.tags}
    assert ("FIRM", "HD99.01.02.00") in {(t.name, t.value) for t in facts.tags}
    assert "moov/udta/FIRM" in facts.vendor_boxes
    assert {seen.code for seen in look_at(path).observations} >= {"apple-capture", "gopro-boxes"}


def handler_free_moov(inside: bytes) -> bytes:
    return box(b"moov", box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 1000)) + inside)


def test_comments_of_pictures(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    assert cv2.imwrite(str(path), numbered_frames(1, 64, 48)[0])
    data = path.read_bytes()
    packed = b"prompt\0\0" + zlib.compress(b"a dog on the moon")
    chunks = png_chunk(b"tEXt", b"parameters\0a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7")
    path.write_bytes(data[:33] + chunks + png_chunk(b"zTXt", packed) + data[33:])
    said = {tag.name: tag.value for tag in facts_of(path).tags}
    assert said["prompt"] == "a dog on the moon"
    assert said["parameters"].startswith("a cat")
    assert [seen.code for seen in look_at(path).observations] == ["prompt-a1111"]


def test_exif_and_iptc_of_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    assert cv2.imwrite(str(path), numbered_frames(1, 64, 48)[0])
    entry = struct.pack("<HHII", 0x0110, 2, 9, 26)
    tiff = b"II*\0\x08\0\0\0\x01\0" + entry + bytes(4) + b"Model 99\0"
    exif = b"Exif\0\0" + tiff
    credit = b"Made with Google AI"
    iptc = b"Photoshop 3.0\0" + b"\x1c\x02\x6e" + struct.pack(">H", len(credit)) + credit
    segments = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
        for marker, body in ((0xE1, exif), (0xED, iptc))
    )
    data = path.read_bytes()
    path.write_bytes(data[:2] + segments + data[2:])
    said = {tag.name: tag.value for tag in facts_of(path).tags}
    assert said["model"] == "Model 99"
    assert said["credit"] == "Made with Google AI"
    assert "label-made-with-ai" in {seen.code for seen in look_at(path).observations}


def test_a_comment_in_a_gif(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe("gif", ".gif", "rgb8", frames=4, fps=10))
    data = path.read_bytes()
    place = data.index(b"\x21")
    comment = b"\x21\xfe" + bytes([len(COMMENT)]) + COMMENT.encode() + b"\0"
    path.write_bytes(data[:place] + comment + data[place:])
    facts = facts_of(path)
    assert [(t.name, t.value) for t in facts.tags] == [("comment", COMMENT)]
    assert (facts.tracks[0].width, facts.tracks[0].fps) == (160, 10)


def test_profile_and_rotation_of_an_mp4(tmp_path: Path) -> None:
    recipe = Recipe(frames=6, rotation=90, options={"profile": "baseline", "level": "3.0"})
    track = video_of(write_video(tmp_path, recipe))
    assert track.profile == "Baseline@3.0"
    assert track.rotation_degrees == 270  # the recipe counts counter-clockwise
    hevc = Recipe("libx265", frames=6, options={"x265-params": "log-level=none"})
    assert video_of(write_video(tmp_path, hevc, "hevc")).profile.startswith("Main@")
