"""The first bytes decide, never the name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from make_media import Recipe, write_video

from unreel.detector.errors import MediaError
from unreel.detector.sniff import container_of, describe, open_regular, playlist_of, sniff_container

TS_PACKET = b"\x47" + bytes(187)


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\x00\x00\x00\x20ftypisom", "mp4"),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "mp4"),
        (b"\x00\x00\x00\x18stypmsdh", "mp4"),
        (b"\x1a\x45\xdf\xa3\x01", "matroska"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", None),
        (b"GIF89a", "gif"),
        (b"GIF88a", None),
        (b"FLV\x01\x05", "flv"),
        (b"OggS\x00", "ogg"),
        (b"\x00\x00\x01\xba\x44", "mpeg"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "asf"),
        (TS_PACKET * 5, "mpegts"),
        (bytes(4) + (TS_PACKET + bytes(4)) * 5, "mpegts"),
        (bytes(100) + TS_PACKET * 6, "mpegts"),
        (TS_PACKET, None),
        (b"G" * 3, None),
        (b"Good day, this is a letter. " * 40, None),
        (b"", None),
        (b"\x89PNG\r\n\x1a\n", None),
    ],
)
def test_container_of(head: bytes, container: str | None) -> None:
    assert container_of(head) == container


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nx.ts", "an HLS playlist"),
        (b"  \r\n#extm3u\n", "an HLS playlist"),
        (b"\xef\xbb\xbfffconcat version 1.0\n", "an ffconcat list"),
        (b"v=0\r\no=-", "an SDP session description"),
        (b"<MPD xmlns=", "a DASH manifest"),
        (b'<?xml version="1.0"?><MPD/>', "an XML manifest (DASH, SMIL or ASX)"),
        (b'<?xml version="1.0"?><html/>', None),
        (b"a letter that says ffconcat version 1.0", None),
    ],
)
def test_playlist_of(head: bytes, kind: str | None) -> None:
    assert playlist_of(head) == kind


@pytest.mark.parametrize(
    ("suffix", "codec", "container"),
    [
        (".mp4", "libx264", "mp4"),
        (".mov", "libx264", "mp4"),
        (".mkv", "libx264", "matroska"),
        (".avi", "mpeg4", "avi"),
        (".ts", "libx264", "mpegts"),
        (".flv", "libx264", "flv"),
        (".wmv", "wmv2", "asf"),
    ],
)
def test_files_under_a_wrong_name(tmp_path: Path, suffix: str, codec: str, container: str) -> None:
    path = write_video(tmp_path, Recipe(codec, suffix, frames=5))
    wrong = path.rename(tmp_path / "holiday.txt")
    descriptor = open_regular(wrong)
    try:
        assert sniff_container(wrong, descriptor) == container
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
    finally:
        os.close(descriptor)


def test_descriptor_is_not_inherited(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    descriptor = open_regular(tmp_path / "a")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_no_descriptor_leaks_on_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        with pytest.raises(MediaError):
            open_regular(tmp_path / "empty")
        with pytest.raises(MediaError):
            open_regular(tmp_path)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04\x14", "a ZIP archive"),
        (b"Dear editor,\n", "plain text"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "unknown data (first bytes 01 02 03"),
    ],
)
def test_describe(head: bytes, words: str) -> None:
    assert describe(head).startswith(words)
