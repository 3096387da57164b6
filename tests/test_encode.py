"""H.264 writing keeps time stamps and pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from unreel.detector.encode import H264Writer, reencode


def test_time_stamps_survive_to_a_tick(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.1, 0.35, 1.0]
    path = tmp_path / "vfr.mp4"
    with H264Writer(str(path), width=64, height=48, crf=20) as writer:
        for number, seconds in enumerate(times):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8), seconds)
    with av.open(str(path)) as container:
        found = [frame.time for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.name == "h264"
        assert not container.streams.audio
    np.testing.assert_allclose(found, times, atol=1 / 90_000)


def test_equal_time_stamps_do_not_lose_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "tie.mp4"
    with H264Writer(str(path), width=64, height=48, crf=20) as writer:
        for _ in range(5):
            writer.write(np.zeros((48, 64, 3), np.uint8), 0.5)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_round_trip_costs_what_the_factor_says() -> None:
    # Grey, since yuv420p halves colour whatever the factor; fine texture, or nothing is lost.
    coarse = np.random.default_rng(3).integers(0, 256, (72, 128, 1), dtype=np.uint8)
    ground = coarse.repeat(3, axis=-1).repeat(2, axis=0).repeat(2, axis=1)
    frames = np.stack([np.roll(ground, 3 * t, axis=1) for t in range(6)])
    psnr = {}
    for crf in (10, 40):
        again = reencode(frames, np.arange(6) / 4, crf=crf)
        assert again.shape == frames.shape
        psnr[crf] = 10 * np.log10(255**2 / ((frames.astype(float) - again) ** 2).mean())
    assert psnr[10] > 40
    assert psnr[40] < 30


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    assert (reencode(frames, range(4), crf=23) == reencode(frames, range(4), crf=23)).all()


_ENCODE = """
import hashlib, io
import numpy as np
from unreel.detector.encode import H264Writer
rng = np.random.default_rng(0)
ground = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8).repeat(5, axis=0).repeat(5, axis=1)
for width, height in ((64, 64), (144, 112), (112, 144), (208, 112), (176, 144)):
    for crf in (20, 27):
        target = io.BytesIO()
        with H264Writer(target, width=width, height=height, crf=crf) as writer:
            for n in range(12):
                writer.write(ground[n : n + height, 2 * n : 2 * n + width], n / 24)
        print(hashlib.sha256(target.getvalue()).hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc fills memory on demand")
def test_what_memory_held_before_changes_no_byte() -> None:
    written = {
        subprocess.run(
            [sys.executable, "-c", _ENCODE],
            env={**os.environ, "MALLOC_PERTURB_": fill},
            capture_output=True, check=True, timeout=120, text=True,
        ).stdout
        for fill in ("1", "85", "200")
    }  # fmt: skip
    assert len(written) == 1 and len(written.pop().split()) == 10


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even sides of at least 2, got 63 x 48"):
        H264Writer("unused.mp4", width=63, height=48, crf=23)
