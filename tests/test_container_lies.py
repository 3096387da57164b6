"""No lie in a container costs anything: sizes, counts, depths, texts; no bytes harm a reader."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_containers import FTYP, box, facts_of, png_chunk, tagged
from make_media import Recipe, write_video

from unreel.detector.lanes.provenance import look_at
from unreel.detector.provenance.bounded import BudgetSpentError, FileBytes, text_of
from unreel.detector.text import printable


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
    groups = facts_of(path).tracks[0].groups
    assert groups is not None and not groups.complete


def test_a_million_boxes_end_at_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "many.mp4"
    path.write_bytes(FTYP + box(b"free", b"") * 300_000)
    facts = facts_of(path)
    assert len(facts.boxes) <= 4000
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
