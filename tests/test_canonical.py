"""Both classes come out of a condition alike: sizes, rates, lengths, picture operations."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from unreel.data.canonical import CONDITIONS, condition, encode_condition
from unreel.detector.encode import H264Writer
from unreel.detector.errors import MediaError, UsageError


def _source(path: Path, width: int, height: int, fps: float, seconds: float) -> Path:
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    picture = np.repeat(np.repeat(ramp[None], height, axis=0)[..., None], 3, axis=-1)
    with H264Writer(str(path), width=width, height=height, crf=12, preset="ultrafast") as writer:
        for number in range(round(fps * seconds)):
            writer.write(picture, number / fps)
    return path


def _decoded(path: Path) -> tuple[list[float], np.ndarray]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.time for f in frames], np.stack([f.to_ndarray(format="rgb24") for f in frames])


@pytest.mark.parametrize(
    ("name", "size", "frames"),
    [
        ("canonical", (320, 568), 24),
        ("native23", (720, 1280), 60),
        ("hard", (256, 456), 20),
        ("reshare", (270, 480), 60),
        ("screen", (616, 1094), 60),
    ],
)
def test_size_and_frames_of_two_seconds_of_720p30(
    tmp_path: Path, name: str, size: tuple[int, int], frames: int
) -> None:
    source = _source(tmp_path / "in.mp4", 1280, 720, 30, 2)
    out = encode_condition(source, tmp_path / "out.mp4", condition(name))
    times, pixels = _decoded(out)
    assert pixels.shape[1:3] == size
    assert len(times) == frames
    assert not list(tmp_path.glob("*.partial.mp4"))


def test_slow_and_small_clips_keep_rate_and_size(tmp_path: Path) -> None:
    source = _source(tmp_path / "in.mp4", 256, 144, 8, 2)
    times, pixels = _decoded(encode_condition(source, tmp_path / "o.mp4", CONDITIONS["canonical"]))
    assert pixels.shape[1:3] == (144, 256)
    np.testing.assert_allclose(times, np.arange(16) / 8, atol=1e-4)


def test_a_clip_at_the_rate_limit_loses_no_frame(tmp_path: Path) -> None:
    source = _source(tmp_path / "in.mp4", 64, 64, 12, 3)
    times, _ = _decoded(encode_condition(source, tmp_path / "o.mp4", CONDITIONS["canonical"]))
    assert len(times) == 36


def test_eight_seconds_at_most(tmp_path: Path) -> None:
    source = _source(tmp_path / "in.mp4", 64, 64, 10, 9)
    times, _ = _decoded(encode_condition(source, tmp_path / "o.mp4", CONDITIONS["native23"]))
    assert len(times) == 80


def test_the_screen_condition_darkens_midtones(tmp_path: Path) -> None:
    source = _source(tmp_path / "in.mp4", 320, 240, 10, 0.5)
    _, before = _decoded(source)
    _, after = _decoded(encode_condition(source, tmp_path / "o.mp4", CONDITIONS["screen"]))
    middle = [p[0, p.shape[1] // 2, p.shape[2] // 2].mean() for p in (before, after)]
    # gamma 1.2 takes 127 to 255 * (127 / 255) ** 1.2 = 110.6
    assert middle[0] == pytest.approx(127, abs=3)
    assert middle[1] == pytest.approx(110.6, abs=4)


def test_raw_is_the_file_itself(tmp_path: Path) -> None:
    source = _source(tmp_path / "in.mp4", 64, 64, 10, 0.5)
    assert encode_condition(source, tmp_path / "o.mp4", CONDITIONS["raw"]) == source


def test_unknown_condition() -> None:
    with pytest.raises(UsageError, match="unknown condition 'canon', allowed are raw, canonical"):
        condition("canon")


def test_a_file_without_pictures_is_a_media_error(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(b"\0" * 2000)
    with pytest.raises(MediaError):
        encode_condition(path, tmp_path / "o.mp4", CONDITIONS["canonical"])
    assert not (tmp_path / "o.mp4").exists()
