"""The head over ways of places: what it is given, what it says, and how it is trained."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from make_media import write_video
from numpy.typing import NDArray

from unreel.data.pairs.plant import Settings, plant
from unreel.data.pairs.truth import Planted
from unreel.detector.cli import main
from unreel.detector.dense import Stretch
from unreel.detector.errors import ModelError
from unreel.detector.lanes.odd_paths import odd_paths
from unreel.detector.path_judge import EVENTS, HEAD, PathPeak, load_path_head, path_peaks
from unreel.detector.path_numbers import NAMES, path_numbers
from unreel.detector.scenes import Scene, build_scene
from unreel.detector.step_maps import CELL, map_steps
from unreel.detector.tracking import follow, greys
from unreel.detector.trajectories import around_places, at_places, field_of, follow_places

CLOCK = np.arange(24) / 15
SPEED = 3
"""Pixels a frame."""


def drifting(size: float = 1.0) -> NDArray[np.uint8]:
    """A square of 60 pixels that drifts over a ground and becomes `size` times as large."""
    import cv2

    rng = np.random.default_rng(3)
    coarse = rng.integers(60, 200, (12, 20, 3)).astype(np.uint8)
    ground = cv2.resize(coarse, (320, 184), interpolation=cv2.INTER_CUBIC)
    coarse = rng.integers(0, 255, (7, 7, 3)).astype(np.uint8)
    look = cv2.resize(coarse, (60, 60), interpolation=cv2.INTER_CUBIC)
    frames = np.repeat(ground[None], len(CLOCK), axis=0)
    for index, frame in enumerate(frames):
        side = round(60 * size ** (index / (len(CLOCK) - 1)))
        x, y = 90 + SPEED * index - side // 2, 92 - side // 2
        frame[y : y + side, x : x + side] = cv2.resize(look, (side, side))
    return frames


def scene_of(frames: NDArray[np.uint8]) -> Scene:
    return build_scene(Stretch(0, CLOCK, frames, 2.0))


def numbers_at(frames: NDArray[np.uint8], x: float, y: float) -> dict[str, float]:
    """Numbers of the way through a place in the middle of the stretch, by name."""
    stretch = Stretch(0, CLOCK, frames, 1.0)
    steps = map_steps(frames, grey := greys(stretch))
    _, camera = follow(grey, steps)
    field = field_of(stretch, steps, camera)
    assert field is not None
    ways = min(follow_places(field), key=lambda w: abs(CLOCK[w.frame] - CLOCK[12]))
    places = ways.places[ways.frame - ways.first]
    place = int(np.linalg.norm(places * CELL - [x, y], axis=1).argmin())
    numbers = path_numbers(field, ways, camera)
    assert numbers.shape == (len(places), len(NAMES))
    assert np.isfinite(numbers).all()
    return dict(zip(NAMES, numbers[place].tolist(), strict=True))


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    channels=st.sampled_from([(), (3,)]),
    reach=st.integers(0, 3),
)
def test_cells_beyond_the_rim_are_as_at_the_rim(
    seed: int, shape: tuple[int, int, int], channels: tuple[int, ...], reach: int
) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.random((*shape, *channels), np.float32)
    places = rng.uniform(-12, 18, (shape[0], 7, 2)).astype(np.float32)
    around, here = around_places(pictures, places, reach), at_places(pictures, places)
    side = 2 * reach + 1
    padded = np.pad(
        pictures, [(0, 0), *[(2 * reach, 2 * reach)] * 2, *[(0, 0)] * len(channels)], "edge"
    )
    for picture, number in np.ndindex(shape[0], 7):
        x, y = np.rint(places[picture, number]).astype(int)
        row, column = (
            int(np.clip(at, -reach, size - 1 + reach)) + reach
            for at, size in ((y, shape[1]), (x, shape[2]))
        )
        wanted = padded[picture, row : row + side, column : column + side]
        assert np.array_equal(around[picture, number], wanted.ravel())
        nearest = pictures[picture, np.clip(y, 0, shape[1] - 1), np.clip(x, 0, shape[2] - 1)]
        assert np.array_equal(here[picture, number], nearest)
    assert np.array_equal(at_places(pictures[0], places[0]), here[0])


def test_names_of_numbers_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_a_way_goes_with_the_thing() -> None:
    stretch = Stretch(0, CLOCK, drifting(), 1.0)
    steps = map_steps(stretch.frames, grey := greys(stretch))
    _, camera = follow(grey, steps)
    field = field_of(stretch, steps, camera)
    assert field is not None
    shares = []
    for ways in follow_places(field):
        here = ways.places[ways.frame - ways.first] * CELL
        thing = np.array([90 + SPEED * ways.frame, 92])
        inside = int(np.linalg.norm(here - thing, axis=1).argmin())
        gone = (ways.places[-1] - ways.places[0])[inside] * CELL
        shares.append(gone[0] / SPEED / (ways.last - ways.first))
        assert abs(gone[1]) < 8
    assert np.median(shares) > 0.7  # dense flow is smooth: it lags at the rim of things


def test_growth_is_told_from_drift() -> None:
    middle = 90 + SPEED * 12
    grows, drifts = (numbers_at(drifting(size), middle, 92) for size in (2.0, 1.0))
    assert grows["grown"] > 0.15 > abs(drifts["grown"])
    assert drifts["speed near"] == pytest.approx(SPEED * 15 / 320, abs=0.05)
    assert abs(numbers_at(drifting(), 300, 20)["speed mean"]) < 0.02


def test_stretches_that_are_too_short_or_too_slow_have_no_way() -> None:
    frames = drifting()[:8]
    for clock in (np.arange(8) / 100, np.arange(8) / 2.0):
        stretch = Stretch(0, clock, frames, 1.0)
        steps = map_steps(frames, grey := greys(stretch))
        _, camera = follow(grey, steps)
        assert path_peaks(stretch, steps, camera, load_path_head()) == ()


def test_a_thing_that_is_thrown_to_and_fro_is_found_and_its_twin_is_not() -> None:
    still = drifting()
    jerked = still.copy()
    ground = still[0].copy()
    ground[:, :128] = still[-1][:, :128]  # without the thing
    look = still[0][62:122, 60:120]
    for index, frame in enumerate(jerked):
        share = 2 * abs(((CLOCK[index] - 0.4) / 0.26) % 1 - 0.5) if 0.4 < CLOCK[index] < 1.1 else 0
        frame[:] = ground
        x = round(60 + SPEED * index + 26 * share)
        frame[62:122, x : x + 60] = look
    found = odd_paths(scene_of(jerked), "physics")
    best = {f.code: f.value for f in sorted(found, key=lambda f: f.value)}
    twin = {f.code: f.value for f in odd_paths(scene_of(still), "physics")}
    code = "impossible-acceleration"
    assert best[code] > 4 + twin.get(code, 0.0)
    finding = max((f for f in found if f.code == code), key=lambda f: f.value)
    assert finding.t_start < 1.0 < finding.t_end + 0.3
    assert all(len(box) == 5 for box in finding.boxes)


def test_the_first_four_events_of_the_head_are_said() -> None:
    scene = scene_of(np.zeros((24, 60, 80, 3), np.uint8))
    peaks = tuple(PathPeak(event, 9.0, 2, 5, ((2, 1.0, 2.0, 8.0, 8.0),)) for event in EVENTS)
    scene = replace(scene, odd_paths=peaks)
    said = [f for lane in ("objects", "physics") for f in odd_paths(scene, lane)]
    assert {f.code for f in said} == set(EVENTS[:4])
    assert all(f.boxes[0][1:] == (2.0, 4.0, 16.0, 16.0) for f in said)


def test_a_head_of_other_numbers_is_refused(tmp_path: Path) -> None:
    with np.load(HEAD) as file:
        arrays = dict(file)
    other = tmp_path / "head.npz"
    np.savez(other, **{**arrays, "names": np.array(["a", "b"])})
    with pytest.raises(ModelError, match="trained on other numbers"):
        load_path_head(other)
    for broken in (b"nothing", b"", HEAD.read_bytes()[:20_000]):
        other.write_bytes(broken)
        load_path_head.cache_clear()
        with pytest.raises(ModelError, match="unreel train-paths"):
            load_path_head(other)
    with pytest.raises(ModelError, match="cannot be used"):
        load_path_head(tmp_path / "none.npz")


def test_the_written_head_says_what_the_trained_network_says(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="training needs the extra train")
    from unreel.training.path_head import PathNetwork, PathRecipe, Places, fit, write_head

    rng = np.random.default_rng(0)
    labels = rng.integers(-1, len(EVENTS), 600).astype(np.int8)
    planted = rng.normal(size=(600, len(NAMES)))
    planted[np.arange(600), labels] += 4
    places = Places(
        rng.normal(size=(900, len(NAMES))).astype(np.float16), planted.astype(np.float16), labels
    )
    network = fit(places, PathRecipe(rounds=2, steps=60))
    assert isinstance(network, PathNetwork)
    write_head(network, tmp_path / "head.npz")
    numbers = rng.normal(0, 30, (50, len(NAMES))).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(numbers)).numpy()
    assert load_path_head(tmp_path / "head.npz").logits(numbers) == pytest.approx(wanted, abs=1e-3)
    learnt = load_path_head(tmp_path / "head.npz").logits(planted.astype(np.float32))
    events = labels >= 0
    assert (learnt.argmax(axis=1)[events] == labels[events]).mean() > 0.8
    with pytest.raises(ValueError, match="no planted example of scale-drift"):
        fit(replace(places, labels=np.where(labels == 2, -1, labels).astype(np.int8)))


def test_labels_follow_the_box_of_the_planted_thing() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from unreel.training.path_examples import LAWFUL, NEITHER, Examples, labels_of

    boxes = tuple((t, 100.0, 50.0, 40.0, 40.0) for t in (1.0, 1.5, 2.0))
    record = Planted(
        "a.mp4", "scale-drift", False, "grow", 1.0, 2.0, boxes, "overlay", "", "", 0,
        320, 180, 25.0, 3.0, "",
    )  # fmt: skip
    places = np.array([[120, 70], [148, 70], [250, 20]] * 3, np.float32)
    seconds = np.repeat(np.array([0.2, 0.8, 1.5], np.float32), 3)
    examples = Examples(np.zeros((9, len(NAMES)), np.float16), seconds, places, 1.0)
    event = EVENTS.index("scale-drift")
    assert labels_of(record, examples).tolist() == [
        LAWFUL, LAWFUL, LAWFUL, NEITHER, NEITHER, LAWFUL, event, NEITHER, LAWFUL,
    ]  # fmt: skip
    assert (labels_of(replace(record, lawful=True), examples) == LAWFUL).all()
    assert (labels_of(replace(record, how="jump"), examples) == NEITHER).all()


@pytest.mark.slow
def test_the_command_trains_a_head_that_a_scan_can_use(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    manifest = tmp_path / "manifest.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "family", "group", "sha256"))
        for number in range(5):
            footage = write_video(tmp_path, name=f"camera{number}")
            rows.writerow((footage, "real", "camera", f"group {number}", ""))
    hows = ("change", "ripple", "grow", "jerk", "dissolve", "emerge", "turn")
    settings = Settings(hows=hows, per_clip=6, simulated=6, short_side=128, max_fps=12.5)
    plant([], tmp_path / "planted", settings)
    call = [
        "train-paths", "--manifest", str(manifest), "--planted", str(tmp_path / "planted"),
        "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"),
        "--rounds", "1", "--steps", "20",
    ]  # fmt: skip
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    heads = {path.name for path in (tmp_path / "run").iterdir()}
    assert heads == {"head.npz", *(f"fold{n}.npz" for n in range(5))}
    load_path_head(tmp_path / "run" / "head.npz")
    few = Settings(hows=("jerk",), per_clip=1, simulated=1, short_side=128, max_fps=12.5)
    plant([], tmp_path / "few", few)
    call[4] = str(tmp_path / "few")
    refused = CliRunner().invoke(main, call)
    assert refused.exit_code == 2
    assert "no planted example of identity-morph" in refused.output
