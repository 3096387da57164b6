"""Frames of the shot pass are read once, and are those that another decoding would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, decode_plainly, number_of, write_video

from unreel.detector.config import Limits
from unreel.detector.decode import PyavSource
from unreel.detector.demux import index_frames, open_container
from unreel.detector.frame_store import KEPT_BYTES, FrameStore
from unreel.detector.media import open_media
from unreel.detector.records import Window

HEVC = {"x265-params": "log-level=none", "preset": "ultrafast"}


def window_of(*positions: int) -> Window:
    return Window(0, positions, 0.0, 0.0)


@pytest.mark.parametrize(
    ("recipe", "budget"),
    [
        (Recipe(), None),
        (Recipe(), 10 * 160 * 96 * 3 // 2),  # ten frames fit
        (Recipe(rotation=90), None),
        (Recipe("libx265", pix_fmt="yuv420p10le", options=HEVC), None),
    ],
)
def test_what_the_shot_pass_has_decoded_is_not_decoded_again(
    tmp_path: Path, recipe: Recipe, budget: int | None
) -> None:
    path = write_video(tmp_path, recipe)
    truth, _ = decode_plainly(path)
    likely = (2, 9, 30, 31)
    pyav = PyavSource(str(path), "mp4", 0, 1, 10**8)
    with open_container(str(path), "mp4") as opened:
        pyav.index = index_frames(opened, opened.streams.video[0], 10**6, Limits())
    pyav.first_frame()
    pyav.kept = FrameStore(likely, budget or KEPT_BYTES)
    list(pyav.small_frames(None, 32, 24))
    pyav._decode = None  # type: ignore[assignment,method-assign]  # whoever decodes now, fails
    for position, picture in pyav.frames(likely):
        np.testing.assert_array_equal(picture, truth[position])
    assert pyav.has_kept((0, 1)) == (budget is None)


def test_nothing_is_kept_of_a_damaged_video(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=96, gop=24))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(data)
    with open_media(path) as reader:
        list(reader.small_frames())
        assert not reader.is_sound.all()
        sound = tuple(np.flatnonzero(reader.is_sound)[:4].tolist())
        assert [number_of(f) for f in reader.read(window_of(*sound)).frames] == list(sound)
