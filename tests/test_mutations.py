"""Five hundred broken files: each gives frames or a MediaError, and the parent lives.

The mutations are seeded; a failing one is named by its number and can be made again.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, write_video

from unreel.detector.config import Limits, SamplingConfig
from unreel.detector.errors import MEDIA_ERROR_CODES, MediaError
from unreel.detector.media import open_media
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots

SOURCES = (
    Recipe(frames=12, audio=True),
    Recipe("libx265", frames=12, options={"x265-params": "log-level=none", "preset": "ultrafast"}),
    Recipe("libvpx-vp9", ".webm", frames=12, options={"deadline": "realtime"}),
    Recipe(suffix=".mkv", frames=12),
    Recipe("mpeg4", ".avi", frames=12),
    Recipe("mpeg2video", ".ts", frames=12),
    Recipe("mpeg2video", ".mpg", frames=12, format="mpeg"),
    Recipe("gif", ".gif", "rgb8", frames=12),
    Recipe(suffix=".flv", frames=12),
    Recipe("wmv2", ".wmv", frames=12),
)
MUTATIONS = 500
LIMITS = Limits(wall_seconds_per_request=10.0)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("whole")
    return [write_video(folder, recipe, name=f"clip{n}") for n, recipe in enumerate(SOURCES)]


def mutate(data: bytearray, rng: np.random.Generator) -> bytearray:
    """One to three of: flipped bytes, a hole, a cut, a repeat, a loss, a large number."""
    for _ in range(rng.integers(1, 4)):
        size = len(data)
        start = int(rng.integers(0, size) * rng.choice([0.02, 0.2, 1.0]))
        length = int(min(size - start, rng.integers(1, max(2, size // 4))))
        match int(rng.integers(0, 6)):
            case 0:
                for place in rng.integers(start, size, 1 + int(rng.integers(0, 40))):
                    data[place] = int(rng.integers(0, 256))
            case 1:
                data[start : start + length] = bytes(length)
            case 2:
                data = data[: max(16, start)]
            case 3:
                data[start:start] = data[start : start + length]
            case 4:
                del data[start : start + length // 4]
            case _:
                data[start : start + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
        if len(data) < 16:
            break
    return data


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(10))
def test_mutated_files_never_harm_the_parent(
    tmp_path: Path, sources: list[Path], batch: int, capfd: pytest.CaptureFixture[str]
) -> None:
    per_batch = MUTATIONS // 10
    for number in range(batch * per_batch, (batch + 1) * per_batch):
        rng = np.random.default_rng(number)
        source = sources[number % len(sources)]
        path = tmp_path / f"mutation{number}{source.suffix}"
        path.write_bytes(mutate(bytearray(source.read_bytes()), rng))
        started = time.monotonic()
        try:
            look_through(path)
        except MediaError as error:
            assert error.code in MEDIA_ERROR_CODES
            assert error.code != "timeout", f"mutation {number} took too long"
            assert str(path) in str(error)
        assert time.monotonic() - started < 30, f"mutation {number}"
        path.unlink()
    assert capfd.readouterr().err == ""


def look_through(path: Path) -> None:
    with open_media(path, LIMITS) as reader:
        assert len(reader.pts_seconds) == len(reader.is_key) == reader.media.frames > 0
        assert (np.diff(reader.pts_seconds) > 0).all()
        windows = plan_windows(reader.pts_seconds, find_shots(reader), SamplingConfig())
        for window in windows[:2]:
            sample = reader.read(window)
            assert 1 <= len(sample.frames) == len(sample.window.frame_indices)
            assert set(sample.window.frame_indices) <= set(window.frame_indices)
