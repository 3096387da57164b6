"""What a scan keeps for a report: the right moments, few of them, and only on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from make_media import Recipe, number_of, write_video
from report_cases import REFERENCE, finding

from unreel.detector.config import ScanConfig
from unreel.detector.errors import MediaError
from unreel.detector.gallery import MAX_SCENES, SCENE_FRAMES, Gallery, picture_size
from unreel.detector.media import Reader, open_media
from unreel.detector.records import Measured, ModelInfo, Report, Sample, Window
from unreel.detector.scan import scan_video

MODEL = ModelInfo("small", "0.1.0", "cd" * 32)


def report_with(starts: list[float]) -> Report:
    """A report with a finding of a fifth of a second at each of these times."""
    found = tuple(replace(finding(), t_start=t, t_end=t + 0.2) for t in starts)
    return Report("x", MODEL, evidence=(Measured("objects", 0.0, (), found),))


def test_a_scan_keeps_the_frame_that_speaks_loudest_and_its_places(clip: Path) -> None:
    gallery = Gallery()
    config = ScanConfig(max_windows=1, recheck=False)
    report = scan_video(clip, config=config, gallery=gallery)
    assert report.verdict is not None
    (frame,) = gallery.key_frames
    assert frame.frame.shape == (240, 320, 3)
    assert frame.patch_logits is not None
    loudest = max(gallery.frame_logits, key=lambda point: point[1])
    assert frame.t == loudest[0]
    # The places are the frame's logit taken apart.
    assert float(frame.patch_logits.mean()) == pytest.approx(loudest[1], abs=1e-3)
    assert gallery.reference is not None
    assert len(gallery.reference.camera_scores) == 101


def test_scenes_lie_around_their_findings(tmp_path: Path) -> None:
    video = write_video(tmp_path, Recipe(frames=96))  # 4 s
    gallery = Gallery()
    with open_media(str(video)) as reader:
        gallery.take(report_with([2.0]), reader, (), REFERENCE)
    (scene,) = gallery.scenes
    assert scene is not None
    assert scene.pts_seconds[0] == pytest.approx(1.5, abs=0.05)
    assert scene.pts_seconds[-1] == pytest.approx(2.7, abs=0.1)
    numbers = [number_of(frame) for frame in scene.frames]
    assert numbers == [round(t * 24) for t in scene.pts_seconds]


def test_many_findings_keep_few_scenes_and_no_more_frames_than_allowed(tmp_path: Path) -> None:
    video = write_video(tmp_path, Recipe(frames=240, fps=60))
    gallery = Gallery()
    with open_media(str(video)) as reader:
        gallery.take(report_with([0.1 * n for n in range(30)]), reader, (), REFERENCE)
    assert len(gallery.scenes) == 30
    kept = [scene for scene in gallery.scenes if scene is not None]
    assert len(kept) == MAX_SCENES
    assert max(len(scene.frames) for scene in kept) <= SCENE_FRAMES


def test_a_finding_past_the_end_and_a_reader_that_fails_leave_a_gap(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery()
    with open_media(str(clip)) as reader:
        gallery.take(report_with([9.0]), reader, (), REFERENCE)
        assert gallery.scenes == (None,)

        def fail(self: Reader, window: Window) -> Sample:
            raise MediaError("unreadable", "damaged")

        monkeypatch.setattr(Reader, "read", fail)
        gallery.take(report_with([0.5]), reader, (), REFERENCE)
    assert gallery.scenes == (None,)
    assert gallery.key_frames == ()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (480, 270)),
        ((1080, 1920), (270, 480)),
        ((100, 51), (100, 52)),
        ((1, 1), (2, 2)),
    ],
)
def test_pictures_keep_their_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert picture_size(*size) == expected
    assert np.prod(picture_size(*size)) <= 480 * 480
