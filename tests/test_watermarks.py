"""Watermark decoders: what they read, what they cannot, and that a broken one harms no scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from make_media import Recipe, numbered_frames, write_video
from make_watermarks import marked
from numpy.typing import NDArray

from unreel.detector import scan
from unreel.detector.config import ScanConfig
from unreel.detector.model import load_model
from unreel.detector.provenance.records import Watermark
from unreel.detector.records import Sample, Window
from unreel.detector.scan import scan_video
from unreel.detector.text import to_text
from unreel.detector.watermarks.decoders import Watermarks, installed
from unreel.detector.watermarks.logos import LogoDecoder, template_of
from unreel.detector.watermarks.rates import false_alarm_rate
from unreel.detector.watermarks.stable_diffusion import MESSAGES, StableDiffusionDecoder


def sample_of(frames: NDArray[np.uint8]) -> Sample:
    times = np.arange(len(frames)) / 4
    return Sample(Window(0, tuple(range(len(frames))), 0.0, float(times[-1])), frames, times)


def textured(count: int, height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth coloured noise that drifts, like out-of-focus footage."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, (height // 8 + 8, width // 8 + 8, 3), dtype=np.uint8)
    ground = cv2.resize(ground, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    return np.stack([ground[n : n + height, 2 * n : 2 * n + width] for n in range(count)])


# --- the invisible one ----------------------------------------------------------------------------


def read(frames: NDArray[np.uint8]) -> Watermark:
    decoder = StableDiffusionDecoder()
    decoder.add(sample_of(frames))
    return decoder.finish()


@pytest.mark.parametrize("name", MESSAGES)
def test_each_known_message_is_read_from_frames_that_were_not_encoded(name: str) -> None:
    frames = np.stack([marked(frame, MESSAGES[name]) for frame in textured(2, 288, 352)])
    found = read(frames)
    assert found.status == "found"
    assert name in found.says
    assert found.value is not None and found.value > 0.95


def test_it_is_read_from_a_lossless_file(tmp_path: Path) -> None:
    message = MESSAGES["Stable Diffusion XL or Stable Video Diffusion"]
    frames = np.stack([marked(frame, message) for frame in textured(3, 288, 352)])
    path = write_video(tmp_path, Recipe("ffv1", ".mkv", "bgr0"), frames=frames)
    with av.open(str(path)) as opened:
        decoded = np.stack([f.to_ndarray(format="rgb24") for f in opened.decode(video=0)])
    assert read(decoded).status == "found"


@pytest.mark.parametrize("seed", range(20))
def test_no_message_is_read_from_frames_without_one(seed: int) -> None:
    found = read(textured(2, 288, 352, seed))
    assert found.status == "not-found"
    assert "says nothing" in found.says


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_frames_hold_no_message(grey: int) -> None:
    assert read(np.full((2, 288, 352, 3), grey, np.uint8)).status == "not-found"


def test_another_message_is_not_taken_for_a_known_one() -> None:
    other = np.random.default_rng(5).integers(0, 2, 48).astype(np.int8)
    frames = np.stack([marked(frame, other) for frame in textured(2, 288, 352)])
    assert read(frames).status == "not-found"


def test_a_change_of_size_removes_it_and_that_is_no_finding() -> None:
    message = MESSAGES["FLUX"]
    frames = np.stack([marked(frame, message) for frame in textured(2, 288, 352)])
    smaller = np.stack([cv2.resize(f, (320, 262), interpolation=cv2.INTER_AREA) for f in frames])
    assert read(smaller).status == "not-found"


def test_small_frames_and_no_frames_are_skipped_with_a_reason() -> None:
    small = read(textured(2, 96, 160))
    assert (small.status, small.says) == ("skipped", "frames are smaller than 256x256")
    assert StableDiffusionDecoder().finish().status == "skipped"


# --- the visible ones -----------------------------------------------------------------------------


def logo_in(frames: NDArray[np.uint8], name: str, scale: float, shown: float) -> Watermark:
    """Put a logo into the lower right corner of a share of the frames, and look for it."""
    changed = frames.astype(np.float32)
    height, width = frames.shape[1:3]
    template = template_of(name, 1.0)
    size = height / 360 * scale
    logo = cv2.resize(template, None, fx=size, fy=size, interpolation=cv2.INTER_LINEAR)
    logo = logo[..., None] if logo.ndim == 2 else logo
    top, left = height - logo.shape[0] - 12, width - logo.shape[1] - 16
    for frame in changed[: round(shown * len(frames))]:
        frame[top : top + logo.shape[0], left : left + logo.shape[1]] += 0.7 * logo
    decoder = LogoDecoder()
    for start in range(0, len(frames), 2):
        pair = changed[start : start + 2].clip(0, 255).astype(np.uint8)
        decoder.add(sample_of(pair))
    return decoder.finish()


@pytest.mark.parametrize("name", ["Pika", "Runway Gen-2"])
@pytest.mark.parametrize("scale", [0.85, 1.2])
def test_a_logo_is_found_at_other_sizes_over_a_moving_ground(name: str, scale: float) -> None:
    found = logo_in(textured(10, 540, 960) // 3 + 40, name, scale, shown=1.0)
    assert found.status == "found"
    assert name in found.says


def test_lettering_that_comes_and_goes_is_no_logo() -> None:
    assert logo_in(textured(10, 540, 960) // 3 + 40, "Pika", 1.0, shown=0.5).status == "not-found"


@pytest.mark.parametrize("seed", range(5))
def test_no_logo_is_found_where_there_is_none(seed: int) -> None:
    decoder = LogoDecoder()
    decoder.add(sample_of(textured(4, 360, 640, seed)))
    assert decoder.finish().status == "not-found"


@pytest.mark.parametrize("height", [8, 48, 200])
def test_tiny_frames_are_looked_at_without_harm(height: int) -> None:
    decoder = LogoDecoder()
    decoder.add(sample_of(np.zeros((2, height, height, 3), np.uint8)))
    assert decoder.finish().status == "not-found"


def test_real_logos_are_found_and_camera_clips_have_none(corpus: Path) -> None:
    def look(path: Path) -> str:
        decoder = LogoDecoder()
        with av.open(str(path)) as opened:
            frames = [f.to_ndarray(format="rgb24") for f in opened.decode(video=0)][:40:5]
        decoder.add(sample_of(np.stack(frames[:2])))
        decoder.add(sample_of(np.stack(frames[2:4])))
        return decoder.finish().says

    pika = sorted((corpus / "clips/generated").glob("magicvideov2--pika-1.0-*"))
    assert len(pika) == 3
    assert all("Pika stands" in look(path) for path in pika)
    assert "Runway" in look(corpus / "clips/generated/show-1--gen-2-gen2-01-e0dd9a.mp4")
    assert "no logo" in look(corpus / "clips/real/action-recognition-api--sample.mp4")


# --- plug-ins -------------------------------------------------------------------------------------


class Marked:
    def add(self, sample: Sample) -> None:
        pass

    def finish(self) -> Watermark:
        return Watermark("marked", "found", "a mark of a test", 1.0, 0.0)


class BreaksAtOnce(Marked):
    def __init__(self) -> None:
        raise ImportError("no such library")


class BreaksOnFrames(Marked):
    def add(self, sample: Sample) -> None:
        raise ValueError("cannot\x1b[2J")


class BreaksAtTheEnd(Marked):
    def finish(self) -> Watermark:
        raise MemoryError


def test_the_decoders_of_the_package_come_by_entry_point() -> None:
    assert {"stable-diffusion", "logos"} <= installed().keys()
    assert [mark.status for mark in Watermarks().finish()] == ["skipped"] * len(installed())


def test_broken_plug_ins_are_told_and_harm_no_scan(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(threads=1)
    config = ScanConfig(recheck=False, threads=1)
    plain = scan_video(clip, model=model, config=config)
    factories = {"a": BreaksAtOnce, "b": BreaksOnFrames, "c": BreaksAtTheEnd, "d": Marked}
    monkeypatch.setattr(scan, "Watermarks", lambda: Watermarks(factories))
    report = scan_video(clip, model=model, config=config)
    assert report.provenance is not None
    statuses = [(mark.decoder, mark.status) for mark in report.provenance.watermarks]
    assert statuses == [("a", "failed"), ("b", "failed"), ("c", "failed"), ("marked", "found")]
    assert replace(report, provenance=None, run={}) == replace(plain, provenance=None, run={})
    text = to_text(report)
    assert "watermark marked: a mark of a test" in text
    assert "\x1b" not in text


def test_each_shipped_decoder_has_a_measured_rate_of_false_alarms() -> None:
    for name in ("stable-diffusion", "logos"):
        rate = false_alarm_rate(name)
        assert rate is not None and 0 <= rate < 0.01


def test_frames_with_numbers_have_neither() -> None:
    frames = numbered_frames(8, 640, 360)
    assert read(frames).status == "not-found"
    decoder = LogoDecoder()
    decoder.add(sample_of(frames))
    assert decoder.finish().status == "not-found"
