"""Things that come and go at once are found, with place and time; lawful ways to do so are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_scenes import FPS, HEIGHT, SIDE, WIDTH, Place, paste, stretch_of, texture

from unreel.detector.dense import MAX_FRAMES, STEP_SECONDS, DenseFrames, Stretch, plan_dense
from unreel.detector.detecting import Detection, ObjectDetector, overlap
from unreel.detector.errors import ModelError
from unreel.detector.lanes.object_counts import count_candidates, count_series
from unreel.detector.lanes.objects import ObjectsLane
from unreel.detector.lanes.odd_paths import STATISTIC as OF_PATHS
from unreel.detector.object_tracks import track_objects
from unreel.detector.records import Finding, Media, Shot
from unreel.detector.scenes import ClipScenes, Scene, build_scene
from unreel.detector.step_maps import map_steps
from unreel.detector.tracking import CameraMotion, PointTracks, follow, greys

GONE = 14
"""Frame of the event."""


def walk(index: int) -> tuple[float, float]:
    return 60 + 2.5 * index, 50.0


def found_in(stretch: Stretch) -> list[Finding]:
    media = Media(
        "a.mp4", "0" * 64, 1, "mp4", "h264", "yuv420p", 8, False, 512, 288, 0, 12.0, False,
        30, 2.5, 0.0, False, "pyav",
    )  # fmt: skip
    scenes = (build_scene(stretch),)
    times = stretch.pts_seconds
    clip = ClipScenes(media, (Shot(0, 0.0, 2.5),), scenes, times, times == 0)
    found = ObjectsLane().candidates(clip)
    # Weak candidates of the head over ways are everywhere: tests/test_odd_paths.py looks at these.
    return [f for f in found if f.statistic != OF_PATHS]


def followed(stretch: Stretch) -> tuple[PointTracks, CameraMotion]:
    grey = greys(stretch)
    return follow(grey, map_steps(stretch.frames, grey))


def gone_for_good(index: int) -> Place:
    return walk(index) if index < GONE else None


def comes_at_once(index: int) -> Place:
    return walk(index) if index >= GONE else None


def gone_for_a_while(index: int) -> Place:
    return None if GONE <= index < GONE + 7 else walk(index)


EVENTS = [
    (gone_for_good, "object-vanish", GONE - 1, GONE),
    (comes_at_once, "object-appear", GONE - 1, GONE),
    (gone_for_a_while, "object-count-flicker", GONE, GONE + 7),
]


@pytest.mark.parametrize("pan", [0.0, 1.5])
@pytest.mark.parametrize(("place", "code", "first", "last"), EVENTS, ids=[e[1] for e in EVENTS])
def test_what_comes_or_goes_at_once_is_found_where_and_when(
    place: Callable[[int], Place], code: str, first: int, last: int, pan: float
) -> None:
    (found,) = found_in(stretch_of(place, pan=pan))
    assert found.code == code
    assert found.t_start == pytest.approx(first / FPS)
    assert found.t_end == pytest.approx(last / FPS)
    assert found.value > 20
    # Boxes are in displayed pixels: the stretch was made half as large.
    t, *box = min(found.boxes, key=lambda b: abs(b[0] - found.t_start))
    x, y = walk(round(t * FPS))
    assert overlap(box, (2 * x, 2 * y, 2 * SIDE, 2 * SIDE)) > 0.4


def test_a_second_one_of_the_same_is_a_duplicate() -> None:
    rng = np.random.default_rng(3)
    thing = texture(rng, SIDE, SIDE, 150, 255)

    def twice(index: int, picture: np.ndarray) -> None:
        paste(picture, thing, 40 + 2 * index, 30)
        if index >= GONE:
            paste(picture, thing, 40 + 2 * index, 92)

    (found,) = found_in(stretch_of(lambda index: None, over=twice))
    assert found.code == "object-duplicate"
    tops = {round(box[2] / 2 / 8) * 8 for box in found.boxes}
    assert len(tops) == 2, "both of them are boxed"


def still(index: int) -> Place:
    return 120.0, 50.0


def enters(index: int) -> Place:
    return -SIDE + 5.0 * index, 50.0


def leaves(index: int) -> Place:
    return WIDTH - 60 + 4.0 * index, 50.0


def behind_a_pillar(index: int, picture: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    picture[:, 110:170] = texture(rng, HEIGHT, 60, 20, 90)


def flash(index: int, picture: np.ndarray) -> None:
    if index == GONE:
        picture[:] = np.minimum(255, picture.astype(int) + 90)


def speck_for_one_frame(index: int, picture: np.ndarray) -> None:
    if index == GONE:
        picture[60:90, 60:90] = 255


LAWFUL: list[tuple[str, Callable[[int], Place], Callable[[int, np.ndarray], None] | None]] = [
    ("walks", walk, None),
    ("rests", still, None),
    ("enters", enters, None),
    ("leaves", leaves, None),
    ("passes behind", walk, behind_a_pillar),
    ("flash", walk, flash),
    ("single frame", still, speck_for_one_frame),
]


@pytest.mark.parametrize("pan", [0.0, 1.5])
@pytest.mark.parametrize(("name", "place", "over"), LAWFUL, ids=[row[0] for row in LAWFUL])
def test_what_cameras_record_is_not_an_event(
    name: str,
    place: Callable[[int], Place],
    over: Callable[[int, np.ndarray], None] | None,
    pan: float,
) -> None:
    assert found_in(stretch_of(place, over=over, pan=pan)) == []


@settings(max_examples=5)
@given(
    seed=st.integers(0, 10**6),
    speed=st.floats(-3, 3),
    gone=st.integers(8, 20),
    pan=st.floats(0, 2),
)
def test_a_vanishing_is_found_wherever_and_whenever(
    seed: int, speed: float, gone: int, pan: float
) -> None:
    def place(index: int) -> Place:
        return (110 + speed * (index - 15), 60.0) if index < gone else None

    codes = {
        (f.code, round(f.t_end * FPS)) for f in found_in(stretch_of(place, pan=pan, seed=seed))
    }
    assert ("object-vanish", gone) in codes


def test_the_camera_is_taken_out_of_the_tracks() -> None:
    tracks, camera = followed(stretch_of(still, pan=2.0))
    moved = camera.to_first[-1][:, 2]
    assert moved == pytest.approx([2 * 29, 0], abs=1.5)
    assert camera.zoom[-1] == pytest.approx(1, abs=0.02)
    assert camera.steadiness.min() > 0.6
    # The thing stays where it is in the picture, so it moves against the world: not all are still.
    spread = np.nanmax(tracks.stable_xy[..., 0], axis=1) - np.nanmin(
        tracks.stable_xy[..., 0], axis=1
    )
    whole = (~np.isnan(tracks.xy[..., 0])).sum(axis=1) == 30
    assert np.median(spread[whole]) < 1.5


def test_nothing_to_follow_is_no_error() -> None:
    tracks, camera = followed(
        Stretch(0, np.arange(8) / 15, np.full((8, 90, 160, 3), 128, np.uint8), 1.0)
    )
    assert len(tracks.xy) == 0
    assert camera.steadiness[1:].tolist() == [0.0] * 7


# ------------------------------------------------------------------------- detectors and counts


def named_scene(sightings: dict[str, list[int]], stretch: Stretch) -> Scene:
    """A scene in which a detector saw things of a class at fixed places in some frames."""
    scene = build_scene(stretch)
    found = [
        [
            Detection("dog", 0.9, (20.0 + 60 * number, 50.0, SIDE, SIDE))
            for number, frames in enumerate(sightings.values())
            if index in frames
        ]
        for index in range(len(stretch.frames))
    ]
    objects = track_objects(found, stretch.pts_seconds, stretch.frames, scene.camera)
    return Scene(
        stretch, scene.points, scene.camera, scene.steps, scene.changes, objects, has_names=True
    )


def test_a_count_that_comes_back_is_said_in_words() -> None:
    everywhere = list(range(30))
    blink = [i for i in everywhere if not 12 <= i < 17]
    stretch = stretch_of(lambda i: (140.0, 50.0) if i in blink else None, pan=0)
    scene = named_scene({"a": everywhere, "b": everywhere, "c": blink}, stretch)
    (found,) = count_candidates(scene)
    assert found.code == "object-count-flicker"
    assert found.explanation.startswith("3 dogs until 1.0 s, 2 until 1.4 s, then 3;")
    assert [count for _, count in count_series(scene, "dog")] == [3, 2, 3]


def test_a_detector_that_overlooks_a_thing_is_no_event() -> None:
    everywhere = list(range(30))
    blink = [i for i in everywhere if not 12 <= i < 17]
    stretch = stretch_of(lambda i: (140.0, 50.0), pan=0)  # it is there all the time
    scene = named_scene({"a": everywhere, "b": everywhere, "c": blink}, stretch)
    assert count_candidates(scene) == []


def test_objects_keep_their_number_through_a_gap() -> None:
    stretch = stretch_of(walk, pan=0)
    camera = followed(stretch)[1]
    seen = [
        [] if index in (10, 11) else [Detection("cat", 0.8, (*walk(index), SIDE, SIDE))]
        for index in range(30)
    ]
    (track,) = track_objects(seen, stretch.pts_seconds, stretch.frames, camera)
    assert len(track.indices) == 28
    assert track.label == "cat"


class Shell(ObjectDetector):
    """The decoding of outputs without a network."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (height, width)
        self.path = "shell.onnx"


def test_three_layouts_of_output_give_the_same_box() -> None:
    shell = Shell(352, 352)
    boxed = np.array([0.5, 0.25, 0.2, 0.1]) * 352  # centre and size
    five = np.zeros((1, 9, 85), np.float32)
    five[0, 4] = [*boxed, 0.9, *np.eye(80)[16]]
    eight = np.zeros((1, 84, 9), np.float32)
    eight[0, :, 4] = [*boxed, *(0.9 * np.eye(80)[16])]
    cells = np.full((1, 85, 22, 22), -20, np.float32)
    cells[0, 0] = cells[0, 5:] = 0
    logit = -np.log(1 / np.array([0.2, 0.1]) - 1)
    cells[0, :5, 5, 11] = [0.9, 0.0, np.arctanh(0.5), *logit]
    cells[0, 5 + 16, 5, 11] = 0.9
    for output in (five, eight, cells):
        scores, boxes, labels = shell._candidates(output)
        best = int(scores.argmax())
        assert scores[best] == pytest.approx(0.9, abs=1e-3)
        assert boxes[best] == pytest.approx([0.4, 0.2, 0.2, 0.1], abs=1e-3)
        assert labels[best] == 16
    with pytest.raises(ModelError, match=r"known are \(1, 85, gh, gw\)"):
        shell._candidates(np.zeros((1, 10, 7), np.float32))


def test_a_file_that_is_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--object-detector wants an ONNX file"):
        ObjectDetector(tmp_path / "absent.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="onnxruntime refuses"):
        ObjectDetector(broken)


def test_fastestdet_sees_the_person_in_camera_footage(corpus: Path) -> None:
    from unreel.detector.media import open_media
    from unreel.detector.records import Window

    weights = corpus.parent / "weights" / "fastestdet.onnx"
    if not weights.is_file():
        pytest.skip("no ../shared/weights beside the checkout")
    detector = ObjectDetector(weights)
    with open_media(corpus / "clips" / "real" / "pose-estimation--lsc-walk-53ada3.mp4") as reader:
        frame = reader.read(Window(0, (30,), 0.0, 0.0)).frames[0]
    found = detector.detect(frame)
    assert found[0].label == "person"
    assert found[0].confidence > 0.5


# ---------------------------------------------------------------------------------- which frames


@given(
    gaps=st.lists(st.floats(0.001, 2.0), min_size=1, max_size=600),
    budget=st.integers(8, MAX_FRAMES),
)
def test_dense_frames_stay_within_budget_and_rate(gaps: list[float], budget: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    chosen = plan_dense(times, budget)
    assert len(chosen) <= max(budget, round(4.0 / STEP_SECONDS))
    assert list(chosen) == sorted(set(chosen))
    assert (np.diff(times[list(chosen)]) >= STEP_SECONDS - 0.005).all()


def test_stretches_end_at_cuts_and_at_gaps() -> None:
    times = np.arange(40) / 10
    dense = DenseFrames([*range(18), *range(22, 40)], 1, 96)
    for position in dense.positions:
        dense.take(position, np.full((8, 6, 3), position, np.uint8))
    shots = (Shot(0, 0.0, 3.0), Shot(1, 3.0, 4.0))
    parts = dense.stretches(times, shots)
    assert [(p.shot, p.pts_seconds[0], p.pts_seconds[-1]) for p in parts] == [
        (0, 0.0, 1.7), (0, 2.2, 2.9), (1, 3.0, 3.9),
    ]  # fmt: skip
    assert parts[0].frames.shape[1:] == (6, 8, 3), "turned upright"
    assert parts[0].scale == 96 / 8
    assert len(dense) == 0, "handed over: they would be held twice"
