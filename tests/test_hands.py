"""Hands that come, go or are too many are found; hands that people hide are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from make_scenes import FPS, SIDE, Place, paste, stretch_of, texture
from numpy.typing import NDArray

from unreel.detector.cli import main
from unreel.detector.config import Limits
from unreel.detector.custody.instruments import instruments
from unreel.detector.dense import DenseFrames, Stretch, plan_dense
from unreel.detector.errors import ModelError, UsageError
from unreel.detector.hands.finding import FILES, HANDS, PALMS, Hand, HandDetector, upright
from unreel.detector.hands.following import SAMPLE_SECONDS, follow_hands
from unreel.detector.hands.palms import ANCHORS, LAYERS, anchors, squares
from unreel.detector.hands.published import PARTS, place, pull_hands
from unreel.detector.lanes.hand_numbers import TOO_MANY, hand_series
from unreel.detector.lanes.limb_counts import CHANGED, limb_candidates
from unreel.detector.media import open_media
from unreel.detector.records import Finding
from unreel.detector.reference import load_reference
from unreel.detector.scenes import Scene
from unreel.detector.shots import find_shots
from unreel.detector.step_maps import map_steps
from unreel.detector.tracking import follow, greys

GONE, BACK = 15, 27
"""Frames of the event: a second."""
PALM = 16


class BrightHands:
    """Takes the bright things of make_scenes for hands, surely or as surely as it is told."""

    def __init__(self, doubt: Callable[[NDArray[np.uint8]], float] = lambda frame: 0.98) -> None:
        self.doubt = doubt

    def detect(self, frame: NDArray[np.uint8]) -> list[Hand]:
        bright = (cv2.blur(frame, (5, 5)).mean(axis=2) > 150).astype(np.uint8)
        count, _, stats, centres = cv2.connectedComponentsWithStats(bright)
        found = [
            Hand(0.0, (x - PALM / 2, y - PALM / 2, PALM, PALM), (0.0, -1.0))
            for (x, y), area in zip(centres[1:count], stats[1:count, 4], strict=True)
            if area > SIDE * SIDE / 2
        ]
        seen = [replace(hand, presence=self.presence(frame, hand)) for hand in found]
        return [hand for hand in seen if hand.presence >= 0.5]

    def presence(self, frame: NDArray[np.uint8], place: Hand) -> float:
        x, y, w, h = (max(0, int(side)) for side in place.box)
        part = frame[y : y + h, x : x + w]
        return self.doubt(frame) * float((part.mean(axis=2) > 140).mean()) if part.size else 0.0


def scene_of(stretch: Stretch, detector: BrightHands, faces: int = 0) -> Scene:
    grey = greys(stretch)
    steps = map_steps(stretch.frames, grey)
    points, camera = follow(grey, steps)
    boxes = [(90.0 + 50 * k, 20.0, 24.0, 30.0) for k in range(faces)]
    hands = follow_hands(stretch, steps, detector, lambda frame: boxes)  # type: ignore[arg-type]  # a fake that tells hands by their brightness
    return Scene(stretch, points, camera, steps, (), (), False, hands)


def said(scene: Scene) -> list[Finding]:
    """What reaches the threshold of the package."""
    return list(load_reference("hands").judged(limb_candidates(scene)))


def rests(index: int) -> Place:
    return 110.0 - index, 60.0  # against a camera that pans by one


def gone_for_a_while(index: int) -> Place:
    return None if GONE <= index < BACK else rests(index)


def there_for_a_while(index: int) -> Place:
    return rests(index) if GONE <= index < BACK else None


def gone_for_good(index: int) -> Place:
    return rests(index) if index < GONE else None


@pytest.mark.parametrize(
    ("where", "counts"),
    [(gone_for_a_while, (1, 0, 1)), (there_for_a_while, (0, 1, 0)), (gone_for_good, (1, 0))],
)
def test_a_hand_at_rest_that_comes_or_goes_is_found_where_and_when(
    where: Callable[[int], Place], counts: tuple[int, ...]
) -> None:
    scene = scene_of(stretch_of(where, frames=45), BrightHands())
    found = said(scene)[0]
    assert load_reference("plain").judged([found]) == (), "without the networks nothing is said"
    both = load_reference("plain").joined(load_reference("hands"))
    assert both.judged([found]), "with them it is, beside what is said without"
    assert (found.code, found.lane, found.statistic) == ("limb-count", "objects", CHANGED)
    assert found.t_start == pytest.approx(GONE / FPS, abs=SAMPLE_SECONDS)
    assert tuple(int(count) for _, count in found.series) == counts
    for t, x, y, w, h in found.boxes:  # displayed pixels: twice as large
        left, top = rests(round(t * FPS)) or (0, 0)
        assert x <= 2 * (left + SIDE / 2) <= x + w
        assert y <= 2 * (top + SIDE / 2) <= y + h
    assert "seen in 0 of 289 camera clips" in found.explanation


def leaves(index: int) -> Place:
    return 110.0 - index + 9.0 * max(0, index - GONE), 60.0


def in_front(index: int, picture: NDArray) -> None:
    block = texture(np.random.default_rng(8), 70, 70, 20, 60)
    paste(picture, block, 250 - 12.0 * max(0, index - GONE + 12), 40)


def test_a_hand_that_leaves_or_is_covered_is_no_finding() -> None:
    assert said(scene_of(stretch_of(leaves, frames=45), BrightHands())) == []
    covered = scene_of(stretch_of(rests, frames=45, over=in_front), BrightHands())
    assert covered.hands is not None
    assert {len(covered.hands.at(s)) for s in range(len(covered.hands.indices))} == {0, 1}
    assert said(covered) == []


def test_a_detector_that_doubts_is_no_vanishing() -> None:
    stretch = stretch_of(rests, frames=45)
    overlooked = {frame.tobytes() for frame in stretch.frames[GONE:BACK]}

    def doubts(frame: NDArray[np.uint8]) -> float:
        return 0.1 if frame.tobytes() in overlooked else 0.98

    scene = scene_of(stretch, BrightHands(doubts))
    assert scene.hands is not None
    assert [count for _, count in hand_series(scene, scene.hands)] == [1, 0, 1]
    assert said(scene) == [], "the place looks as before"


def three(index: int, picture: NDArray) -> None:
    thing = texture(np.random.default_rng(3), SIDE, SIDE, 170, 255)
    for x, y in ((40, 40), (190, 30)):
        paste(picture, thing, x - index, y)


@pytest.mark.parametrize(("faces", "found"), [(0, []), (1, [TOO_MANY]), (2, [])])
def test_three_hands_are_too_many_for_one_person(faces: int, found: list[str]) -> None:
    scene = scene_of(stretch_of(rests, frames=30, pan=1.0, over=three), BrightHands(), faces)
    assert [f.statistic for f in said(scene)] == found
    if found:
        assert "One person and 3 hands" in said(scene)[0].explanation
        assert len(said(scene)[0].boxes) >= 9


def test_arms_that_come_in_over_the_edge_may_be_anybodys() -> None:
    scene = scene_of(stretch_of(rests, frames=30, pan=1.0, over=three), BrightHands(), 1)
    assert scene.hands is not None
    tracks = tuple(
        replace(t, hands=tuple(replace(h, up=(1.0, 0.0)) for h in t.hands))
        for t in scene.hands.tracks
    )
    from_the_left = replace(scene, hands=replace(scene.hands, tracks=tracks))
    assert said(from_the_left) == []


def test_frames_without_a_hand_are_looked_at_half_as_often() -> None:
    class Counting(BrightHands):
        looked = 0

        def detect(self, frame: NDArray[np.uint8]) -> list[Hand]:
            self.looked += 1
            return super().detect(frame)

    empty, full = Counting(), Counting()
    scene_of(stretch_of(lambda index: None, frames=48), empty)
    scene_of(stretch_of(rests, frames=48), full)
    assert (empty.looked, full.looked) == (8, 16)


def test_anchors_and_squares_are_those_of_the_published_network() -> None:
    found = anchors()
    assert found.shape == (ANCHORS, 2) == (2016, 2)
    assert tuple(found[0]) == tuple(found[1]) == (0.5 / 24, 0.5 / 24)
    assert tuple(found[2 * 24 * 24]) == (0.5 / LAYERS[1][0], 0.5 / LAYERS[1][0])
    assert squares(320, 180) == [(0, 0, 180), (140, 0, 180)]
    assert squares(180, 320) == [(0, 0, 180), (0, 140, 180)]
    assert squares(320, 8) == [(x, -36, 80) for x in (0, 80, 160, 240)], "a strip"
    assert squares(320, 300) == [(0, -10, 320)], "nearly square: one picture with a rim"


def test_a_hand_is_cut_out_with_its_fingers_up() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[90:110, 130:150] = 255  # to the right of the palm, where the fingers point
    cut = upright(frame, Hand(0.9, (80, 80, 40, 40), (1.0, 0.0)))
    rows, _ = np.nonzero(cut[..., 0] > 128)
    assert rows.mean() < 112


def test_what_is_no_hand_detector_is_refused(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(ModelError, match="is no folder"):
        HandDetector(tmp_path / "none")
    with pytest.raises(ModelError, match="cannot be read"):
        HandDetector(tmp_path)
    for name in FILES:
        (tmp_path / name).write_bytes(b"no network")
    done = CliRunner().invoke(main, ["scan", "--hand-detector", str(tmp_path), str(clip)])
    assert done.exit_code == 2
    assert PALMS in done.output
    assert "unreel models pull hands" in done.output
    named = instruments(None, hand_detector=tmp_path)["hand_detector"]
    assert sorted(named) == sorted(FILES)
    with pytest.raises(ModelError, match="hand detector"):
        instruments(None, hand_detector=tmp_path / "none")


def test_pulling_takes_no_other_networks_than_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheel.whl").write_bytes(b"another")
    with pytest.raises(UsageError, match="mediapipe/modules/palm_detection"):
        pull_hands(tmp_path / "out", given=tmp_path / "wheel.whl")
    with pytest.raises(UsageError, match="no wheel of mediapipe==0"):
        pull_hands(tmp_path / "out", download=lambda requirement, folder: None)
    assert not (tmp_path / "out").exists()
    assert set(PARTS) == set(FILES)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert place() == tmp_path / "unreel" / "models" / "hands"
    done = CliRunner().invoke(main, ["scan", "--hand-detector", "hands", "none.mp4"])
    assert f"{place()} is no folder" in done.output.replace("\n", "")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if all((place() / name).is_file() for name in FILES):
        return place()
    try:
        return pull_hands(tmp_path_factory.mktemp("hands"))
    except UsageError as error:
        pytest.skip(f"the networks are not here and cannot be fetched: {error}")


@pytest.mark.slow
def test_the_published_networks_find_hands_and_no_other_things(
    networks: Path, corpus: Path
) -> None:
    detector = HandDetector(networks)
    seen = {}
    for name in (
        "deepfakes-watermarking-t--v-blowdryhair-g19-c01-0ff3b8.avi", "co-tracker--cat.mp4",
    ):  # fmt: skip
        with open_media(corpus / "clips" / "real" / name, Limits()) as reader:
            dense = DenseFrames(plan_dense(reader.pts_seconds))
            find_shots(reader, closer=dense)
            frames = list(dense._frames.values())[::10][:8]
        seen[name[:4]] = [len(detector.detect(frame)) for frame in frames]
    assert sum(seen["deep"]) >= 12, "both hands, most of the time"
    assert sum(seen["co-t"]) == 0, "paws are no hands"


@pytest.mark.slow
def test_another_network_in_its_place_is_told(networks: Path, tmp_path: Path) -> None:
    for name, other in ((PALMS, HANDS), (HANDS, PALMS)):
        (tmp_path / name).write_bytes((networks / other).read_bytes())
    with pytest.raises(ModelError, match="hand detector"):
        HandDetector(tmp_path)
