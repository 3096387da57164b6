"""One file through every stage, with the real decoder and the model in the package."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from make_media import write_video as write_drawn

from unreel.detector.config import SamplingConfig, ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.jsonout import to_json
from unreel.detector.model import Model, load_model
from unreel.detector.records import Failed, Measured, Report, Skipped
from unreel.detector.scan import scan_video
from unreel.detector.text import to_text


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(threads=2)


@pytest.fixture(scope="module")
def report(model: Model, clip: Path) -> Report:
    return scan_video(clip, model=model)


@pytest.fixture(scope="module")
def striking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn frames whose score is close enough to the threshold for a re-encode to matter."""
    return write_drawn(tmp_path_factory.mktemp("striking"))


@pytest.fixture(scope="module")
def checked(model: Model, striking: Path) -> Report:
    return scan_video(striking, model=model)


def write_video(path: Path, pictures: list[np.ndarray], fps: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def scene(seed: int, count: int, height: int = 96, width: int = 128) -> list[np.ndarray]:
    """Patches of grey that move by two pixels a frame; brighter with each seed."""
    patches = np.random.default_rng(seed).integers(40, 90, (height // 16, width // 16, 1))
    picture = np.kron(patches + 60 * seed, np.ones((16, 16, 3))).astype(np.uint8)
    return [np.roll(picture, 2 * i, axis=1) for i in range(count)]


def test_a_clip_gets_a_verdict(report: Report, clip: Path) -> None:
    assert report.error is None
    assert report.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert report.bytes == clip.stat().st_size
    assert report.media is not None
    assert (report.media.width, report.media.height) == (320, 240)
    verdict = report.verdict
    assert verdict is not None
    assert verdict.label in ("generated", "inconclusive", "no-evidence")
    assert verdict.score is not None
    assert 0 <= verdict.score <= 1
    assert verdict.llr is not None
    assert verdict.llr_cap is not None
    assert abs(verdict.llr) <= verdict.llr_cap
    assert verdict.operating_point is not None
    assert verdict.operating_point.fpr == 0.01


def test_score_and_likelihood_ratio_say_the_same(report: Report) -> None:
    verdict = report.verdict
    assert verdict is not None
    assert verdict.score is not None
    assert verdict.llr is not None
    assert verdict.llr_cap is not None
    uncapped = math.log10(verdict.score / (1 - verdict.score))
    assert verdict.llr == pytest.approx(min(max(uncapped, -verdict.llr_cap), verdict.llr_cap))


def test_windows_lie_inside_the_clip(report: Report) -> None:
    evidence = report.evidence[0]
    assert isinstance(evidence, Measured)
    assert evidence.windows
    for window in evidence.windows:
        assert 0 <= window.t_start < window.t_end <= 2.0


def test_the_same_scan_gives_the_same_bytes(report: Report, model: Model, clip: Path) -> None:
    assert to_json(scan_video(clip, model=model)) == to_json(report)


def test_facts_of_the_run_name_each_stage(checked: Report) -> None:
    stages = ["provenance", "open", "shots", "read", "judge", "recheck", "evidence", "faces"]
    stages += ["watermarks"]
    assert list(checked.run["seconds"]) == stages
    assert all(seconds >= 0 for seconds in checked.run["seconds"].values())


def test_the_re_encode_check_can_be_left_out(checked: Report, model: Model, striking: Path) -> None:
    assert checked.recheck_score is not None
    without = scan_video(striking, model=model, config=ScanConfig(recheck=False))
    assert without.recheck_score is None
    assert "recheck" not in without.run["seconds"]
    assert without.verdict is not None
    assert checked.verdict is not None
    assert without.verdict.score == checked.verdict.score


def test_a_score_far_below_the_threshold_is_not_checked(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(48)]
    report = scan_video(write_video(tmp_path / "noise.mp4", noise, 24), model=model)
    assert report.verdict is not None
    assert report.verdict.score is not None
    assert report.verdict.score < 0.1
    assert report.recheck_score is None
    assert "recheck" not in report.run["seconds"]


def test_progress_is_told_each_step(model: Model, clip: Path) -> None:
    steps: list[str] = []
    scan_video(clip, model=model, progress=steps.append)
    assert steps[:4] == [
        "reading what it says of itself",
        "opening",
        "looking for cuts",
        "reading stretch 1 of 1",
    ]


def test_each_shot_of_an_edit_has_its_score(model: Model, tmp_path: Path) -> None:
    edit = write_video(tmp_path / "edit.mp4", scene(0, 24) + scene(1, 36), fps=12)
    report = scan_video(edit, model=model)
    assert [(round(s.t_start, 2), round(s.t_end, 2)) for s in report.shots] == [(0, 2), (2, 5)]
    assert all(s.score is not None and 0 <= s.score <= 1 for s in report.shots)


def test_a_long_video_stays_within_its_budget_of_windows(model: Model, tmp_path: Path) -> None:
    long = write_video(tmp_path / "long.mp4", scene(0, 66 * 4, 64, 64), fps=4)
    report = scan_video(long, model=model, config=ScanConfig(max_windows=3, recheck=False))
    evidence = report.evidence[0]
    assert isinstance(evidence, Measured)
    assert len(evidence.windows) == 3
    assert evidence.windows[-1].t_end > 60


def test_one_frame_is_no_verdict(model: Model, tmp_path: Path) -> None:
    still = write_video(tmp_path / "still.mp4", scene(0, 1), fps=12)
    report = scan_video(still, model=model)
    assert report.error is None
    assert report.verdict is not None
    assert (report.verdict.label, report.verdict.score) == ("inconclusive", None)
    assert isinstance(report.evidence[0], Skipped)
    assert report.shots[0].score is None
    assert report.recheck_score is None


def make_text(path: Path) -> None:
    path.write_text("not a video")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_nothing(path: Path) -> None:
    pass


def make_broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (make_text, "not-a-video"),
        (make_empty, "empty"),
        (make_fifo, "not-a-file"),
        (make_folder, "not-a-file"),
        (make_nothing, "not-found"),
        (make_broken_link, "broken-link"),
    ],
)
def test_an_unusable_file_is_a_report_with_a_code(
    model: Model, tmp_path: Path, make: Callable[[Path], None], code: str
) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    report = scan_video(path, model=model)
    assert report.error is not None
    assert report.error.code == code
    assert report.error.message
    assert report.verdict is None


def test_an_unusable_file_keeps_its_hash(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make_text(path)
    report = scan_video(path, model=model)
    assert (report.sha256, report.bytes) == (hashlib.sha256(b"not a video").hexdigest(), 11)


class BrokenModel:
    """A model that fails as soon as it is asked how to sample."""

    def __init__(self, working: Model, error: BaseException) -> None:
        self.info, self.calibration, self.error = working.info, working.calibration, error

    @property
    def sampling(self) -> SamplingConfig:
        raise self.error


def test_a_defect_becomes_an_error_and_not_a_traceback(model: Model, clip: Path) -> None:
    report = scan_video(clip, model=BrokenModel(model, RuntimeError("boom")))
    assert report.error is not None
    assert report.error.code == "internal"
    assert "RuntimeError('boom')" in report.error.message
    assert "\n" not in report.error.message
    assert report.sha256 is not None


class BrokenJudge:
    """A model that samples, but breaks in the lane: at once, or in the re-encode check alone."""

    def __init__(self, working: Model, windows_before: int) -> None:
        self.info, self.calibration = working.info, working.calibration
        self.sampling, self.short_side = working.sampling, working.short_side
        self.frame_stride = working.frame_stride
        self._working, self._left = working, windows_before

    def judge(self, frames: np.ndarray) -> object:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("boom")
        return self._working.judge(frames)


@pytest.mark.parametrize("windows_before", [0, 1])
def test_a_lane_that_breaks_is_a_failed_lane_in_a_whole_report(
    model: Model, checked: Report, striking: Path, windows_before: int
) -> None:
    found = scan_video(striking, model=BrokenJudge(model, windows_before))
    assert found.error is None
    assert found.media == checked.media
    evidence = found.evidence[0]
    assert isinstance(evidence, Failed)
    assert evidence.lane == "learned"
    assert "RuntimeError('boom')" in evidence.reason
    assert found.verdict is not None
    assert (found.verdict.label, found.verdict.score) == ("inconclusive", None)
    assert "boom" in found.verdict.reasons[0]
    assert all(shot.score is None for shot in found.shots)
    json.loads(to_json(found))
    assert "Failed" in to_text(found)


def test_an_interrupt_is_not_swallowed(model: Model, clip: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        scan_video(clip, model=BrokenModel(model, KeyboardInterrupt()))


def test_a_share_of_false_alarms_that_no_calibration_supports_is_refused(
    model: Model, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="share of false alarms"):
        scan_video(tmp_path / "gone.mp4", model=model, config=ScanConfig(fpr=1e-9))


@pytest.mark.parametrize(
    "name",
    [
        "clips/real/action-recognition-api--sample.mp4",
        "clips/generated/adacache-dit--baseline_002.mp4",
    ],
)
def test_a_clip_of_the_corpus(model: Model, corpus: Path, name: str) -> None:
    report = scan_video(corpus / name, model=model)
    assert report.error is None
    assert report.verdict is not None
    assert report.verdict.score is not None
