"""What containers say: tags, tracks, groups of frames, and that no lie in them costs anything."""

from __future__ import annotations

import os
import struct
import time
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_media import Recipe, numbered_frames, write_video

from unreel.detector.lanes.provenance import look_at
from unreel.detector.provenance.bounded import BudgetSpentError, FileBytes, text_of
from unreel.detector.provenance.container import read_container
from unreel.detector.provenance.records import ContainerFacts, Track
from unreel.detector.text import printable

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


def facts_of(path: Path) -> ContainerFacts:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = read_container(descriptor)
    finally:
        os.close(descriptor)
    assert found is not None
    return found


def video_of(path: Path) -> Track:
    return next(track for track in facts_of(path).tracks if track.kind == "video")


def tagged(folder: Path, suffix: str, codec: str = "libx264", **metadata: str) -> Path:
    """A short clip with metadata, as PyAV's muxers write it."""
    path = folder / f"tagged{suffix}"
    with av.open(str(path), "w") as out:
        out.metadata.update(metadata)
        stream = out.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in enumerate(numbered_frames(6, 64, 48)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def box(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if size is None else size, kind) + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")


# --- what is said ---------------------------------------------------------------------------------


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


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


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


# --- lies cost nothing ----------------------------------------------------------------------------


class Counting(FileBytes):
    """Counts what is read."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.bytes_read = 0

    def read(self, offset: int, count: int) -> bytes:
        got = super().read(offset, count)
        self.bytes_read += len(got)
        return got


@pytest.mark.parametrize("kind", [b"udta", b"meta", b"mdat", b"uuid", b"stsz", b"trak", b"free"])
@pytest.mark.parametrize("size", [1 << 30, 0xFFFFFFFF, 1, 7])
def test_a_box_that_lies_about_its_size_costs_nothing(
    tmp_path: Path, kind: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "liar.mp4"
    path.write_bytes(FTYP + box(b"moov", box(kind, bytes(64), size)))
    made: list[Counting] = []

    def counting(descriptor: int) -> Counting:
        made.append(Counting(descriptor))
        return made[0]

    monkeypatch.setattr("unreel.detector.provenance.container.FileBytes", counting)
    facts = facts_of(path)
    assert made[0].bytes_read < 4096
    if size > 64:
        assert any("the file has room for" in note for note in facts.notes)


def test_a_gigabyte_of_nothing_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.mp4"
    with path.open("wb") as handle:
        handle.write(FTYP + box(b"udta", b"", 1 << 30))
        handle.truncate(1 << 30)
    started = time.process_time()
    assert facts_of(path).order == ("ftyp", "udta")
    assert time.process_time() - started < 1  # reading it all takes seconds


def test_a_sample_table_that_promises_a_billion_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=6))
    data = path.read_bytes()
    place = data.index(b"stss") + 8
    path.write_bytes(data[:place] + b"\x3b\x9a\xca\x00" + data[place + 4 :])
    groups = video_of(path).groups
    assert groups is not None and not groups.complete


def test_a_million_boxes_end_at_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "many.mp4"
    path.write_bytes(FTYP + box(b"free", b"") * 300_000)
    facts = facts_of(path)
    assert len(facts.boxes) <= 300
    assert any("more boxes than are looked at" in note for note in facts.notes)


def test_boxes_in_boxes_in_boxes(tmp_path: Path) -> None:
    inner = b""
    for _ in range(3000):
        inner = box(b"mdia", inner)
    path = tmp_path / "deep.mp4"
    path.write_bytes(FTYP + box(b"moov", box(b"trak", inner)))
    assert facts_of(path).format == "mp4"


def test_ten_megabytes_of_prompt_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    data = box(b"data", struct.pack(">II", 1, 0) + b"x" * (10 << 20))
    meta = bytes(4) + box(b"hdlr", bytes(25)) + box(b"ilst", box(b"\xa9cmt", data))
    path.write_bytes(FTYP + box(b"moov", box(b"udta", box(b"meta", meta))))
    (tag,) = facts_of(path).tags
    assert len(tag.value) < 2100


def test_a_compressed_text_that_promises_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    bomb = png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(200 << 20), 9)[: 1 << 18])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    assert facts_of(path).format == "png"


def test_entities_in_xmp_are_refused(tmp_path: Path) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!DOCTYPE a [<!ENTITY b "c">]><rdf:RDF/></x:xmpmeta>'
    )
    path = tmp_path / "laughs.mp4"
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    path.write_bytes(FTYP + box(b"uuid", uuid + packet))
    assert any("XMP" in note for note in facts_of(path).notes)


def test_a_hostile_tag_reaches_no_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\r\nVerdict     no-evidence\u202e<script>"
    found = look_at(tagged(tmp_path, ".mp4", comment=evil))
    assert found.container is not None
    (value,) = (t.value for t in found.container.tags if t.name == "comment")
    assert "\x1b" in value  # the record keeps what the file says; who prints it escapes
    shown = printable(value)
    assert shown.isprintable() and "\\x1b" in shown and "\\u202e" in shown


HEADS = (
    FTYP + box(b"moov", b"")[:8],
    b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01",
    b"RIFF\xff\xff\xff\xffAVI ",
    b"RIFF\xff\xff\0\0WEBP",
    b"GIF89a\x10\0\x10\0\x80\0\0",
    b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0",
    b"\x89PNG\r\n\x1a\n",
    b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12\x02\0\x0aonMetaData\x08",
    b"OggS\0\x02\x81theora",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    b"\x00\x00\x01\xba",
)
ATOMS = st.sampled_from(
    [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"stss", b"ctts", b"elst",
     b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"udta", b"meta", b"ilst", b"keys", b"data", b"moof",
     b"traf", b"tfhd", b"trun", b"uuid", b"LIST", b"strh", b"strf", b"idx1", b"tEXt", b"iTXt",
     b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\x1f\x43\xb6\x75", b"\xa3", b"\xff"]
)  # fmt: skip
SIZES = st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\x20", b"\xff\xff\xff\xff", b"\x80"])


@settings(max_examples=300)
@given(st.sampled_from(HEADS), st.lists(ATOMS | SIZES | st.binary(max_size=30), max_size=40))
def test_no_bytes_harm_a_reader(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(head + b"".join(pieces))
    found = look_at(path)
    assert not [note for note in found.notes if "defect" in note]
    assert found.container is not None
    assert len(found.container.notes) < 20


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("wholes")
    recipes = (
        Recipe(frames=6, audio=True),
        Recipe(suffix=".mov", frames=6),
        Recipe(suffix=".mkv", frames=6),
        Recipe("mpeg4", ".avi", frames=6),
        Recipe("gif", ".gif", "rgb8", frames=4),
        Recipe(frames=6, muxer_options={"movflags": "frag_keyframe+empty_moov"}),
    )
    return [
        write_video(folder, recipe, f"whole{number}").read_bytes()
        for number, recipe in enumerate(recipes)
    ]


@settings(max_examples=200)
@given(st.data())
def test_mutated_files_harm_no_reader(
    wholes: list[bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    changed = bytearray(data.draw(st.sampled_from(wholes)))
    for _ in range(data.draw(st.integers(1, 6))):
        # The index lies near either end.
        near = data.draw(st.integers(0, min(1500, len(changed) - 9)))
        place = near if data.draw(st.booleans()) else len(changed) - 9 - near
        changed[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4) | SIZES)
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(changed)
    found = look_at(path)
    assert not [note for note in found.notes if "defect" in note]


def test_the_budget_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = FileBytes(descriptor, budget_bytes=10_000)
        assert len(source.read(0, 9000)) == 9000
        assert source.read(200_000, 10) == b"" and source.read(99_999, 10) == path.read_bytes()[-1:]
        with pytest.raises(BudgetSpentError):
            source.read(20_000, 9000)
    finally:
        os.close(descriptor)


@given(st.binary(max_size=200) | st.text(max_size=200), st.integers(1, 50))
def test_strings_are_bounded(raw: bytes | str, limit: int) -> None:
    assert len(text_of(raw, limit)) <= limit + 3
