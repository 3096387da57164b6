"""Planted events: what the truth says is what the pixels show, and twins obey the laws."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from make_media import decode_plainly

from unreel.data.pairs.artefacts import EVENTS
from unreel.data.pairs.lawful import TWINS
from unreel.data.pairs.layers import Body, Scene, render, steady, still_camera
from unreel.data.pairs.plant import HOWS, Settings, plan, plant
from unreel.data.pairs.shapes import drawn_texture
from unreel.data.pairs.simulate import Law, simulate
from unreel.data.pairs.stretches import Stretch, camera_of, cut_out
from unreel.data.pairs.truth import Planted, read_planted
from unreel.detector.cli import main
from unreel.detector.errors import UsageError

SMALL = Settings(per_clip=40, simulated=1, seconds=3.0, short_side=96, max_fps=12.5)
CLOCK = np.arange(60) / 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Planted]]:
    """Every event and every twin once, on one simulated scene each."""
    out = tmp_path_factory.mktemp("planted")
    records, notes = plant([], out, SMALL)
    assert notes == []
    return out, {record.how: record for record in records}


def boxes_near(record: Planted, t: float) -> list[tuple[float, ...]]:
    return [box[1:] for box in record.boxes if abs(box[0] - t) < 0.09]


def test_every_code_has_an_event_and_a_lawful_twin() -> None:
    assert {event.code for event in EVENTS} == {twin.code for twin in TWINS}
    assert len(HOWS) == len(EVENTS) + len(TWINS)


def test_a_simulated_scene_gives_every_event(made: tuple[Path, dict[str, Planted]]) -> None:
    out, records = made
    assert set(records) == set(HOWS)
    for record in records.values():
        assert 0 <= record.t_start < record.t_end <= record.seconds + 1e-6
        assert record.lawful == HOWS[record.how].lawful
        frames, times = decode_plainly(out / record.file)
        assert frames.shape[1:3] == (record.height, record.width)
        assert times[-1] == pytest.approx(record.seconds, abs=1e-3)
        for t, x, y, w, h in record.boxes:
            assert 0 <= t <= record.seconds + 1e-6
            assert x >= 0 and y >= 0
            assert x + w <= record.width and y + h <= record.height


def test_what_is_removed_is_gone_at_the_moment_that_the_record_names(
    made: tuple[Path, dict[str, Planted]],
) -> None:
    out, records = made
    record = records["remove"]
    frames, times = decode_plainly(out / record.file)
    last = int(np.argmin(np.abs(np.array(times) - record.t_start)))
    x, y, w, h = (int(v) for v in boxes_near(record, record.t_start)[-1])

    def change(a: int, b: int) -> float:
        inside = np.s_[y + h // 4 : y + h - h // 4, x + w // 4 : x + w - w // 4]
        return float(np.abs(frames[a][inside].astype(int) - frames[b][inside]).mean())

    assert times[last + 1] == pytest.approx(record.t_end, abs=1e-3)
    assert change(last, last + 1) > 3 * change(last - 1, last)


def test_a_jump_is_as_long_as_its_boxes_say(made: tuple[Path, dict[str, Planted]]) -> None:
    record = made[1]["jump"]
    (ax, ay, aw, _), (bx, by, *_) = record.boxes[0][1:], record.boxes[-1][1:]
    assert record.t_end - record.t_start < 0.1
    assert np.hypot(bx - ax, by - ay) > max(0.1 * record.width, 0.7 * aw)


def test_a_copy_has_two_boxes_at_a_time(made: tuple[Path, dict[str, Planted]]) -> None:
    record = made[1]["copy"]
    assert len(boxes_near(record, (record.t_start + record.t_end) / 2)) >= 2


def test_what_grows_grows_and_slow_motion_is_slow(made: tuple[Path, dict[str, Planted]]) -> None:
    grown = made[1]["grow"].boxes
    ratio = np.sqrt(grown[-1][3] * grown[-1][4] / (grown[0][3] * grown[0][4]))
    assert ratio > 1.3 or ratio < 0.75
    assert made[1]["slow-motion"].seconds == pytest.approx(3 * made[1]["throw"].seconds, rel=0.1)


def test_held_frames_are_the_same_picture(made: tuple[Path, dict[str, Planted]]) -> None:
    out, records = made
    frames, times = decode_plainly(out / records["hold"].file)
    steps = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    start, end = records["hold"].t_start, records["hold"].t_end
    inside = [s for s, t in zip(steps, times[1:], strict=True) if start + 0.01 < t < end - 0.01]
    assert max(inside) < 0.5 * np.median(steps)


def test_a_body_is_painted_where_its_box_is() -> None:
    look = np.full((11, 21, 4), 255, np.uint8)
    ground = np.zeros((3, 60, 80, 3), np.uint8)
    near = Body("near", (look,), steady(40, 30, 3), depth=1)
    far = Body("far", (look,), steady(50, 30, 3))
    painted = render(Scene("simulated", CLOCK[:3], ground, still_camera(3), (near, far)))
    assert painted.boxes["near"][0] == pytest.approx((30, 25, 21, 11))
    assert painted.frames[0, 25:36, 30:51].min() == 255
    assert painted.frames[0, :, :29].max() == 0
    assert painted.seen["near"][0] == pytest.approx(1, abs=0.05)
    assert painted.seen["far"][0] == pytest.approx(10 / 21, abs=0.06)


def test_free_fall_obeys_the_unit_free_law() -> None:
    """t1^2 / t2^2 = h1 / h2 for two things that fall under one gravity."""
    rng = np.random.default_rng(3)
    fine = np.arange(3000) / 1000
    one, two = (p[:, 1] for p in simulate("drop", fine, (400, 300), (5, 5), rng))
    level = 0.9 * 300 - 5
    times = [fine[np.argmax(way > level)] for way in (one, two)]
    heights = [level - way[0] for way in (one, two)]
    assert (times[0] / times[1]) ** 2 == pytest.approx(heights[0] / heights[1], rel=0.02)


def test_gravity_turns_round_when_it_is_told_to() -> None:
    law = Law(gravity_flips_at=1.0)
    y = simulate("toss", CLOCK, (400, 300), (10,), np.random.default_rng(1), law)[0][:, 1]
    bend = np.diff(y, 2)
    assert bend[4:18].min() > 0
    assert bend[22:30].max() < 0


@pytest.mark.parametrize("through", [False, True])
def test_two_things_that_meet_push_each_other_away_unless_told_not_to(through: bool) -> None:
    law = Law(passes_through=through)
    rng = np.random.default_rng(1)
    one, two = simulate("pair", CLOCK, (400, 300), (20, 20), rng, law)
    apart = np.linalg.norm(one[:, :2] - two[:, :2], axis=1)
    assert (apart.min() < 20) == through


def footage_with_a_thing(count: int = 60) -> Stretch:
    """A bright disc that crosses a still ground, with sensor noise."""
    rng = np.random.default_rng(0)
    ground = drawn_texture(160, 240, rng)
    frames = np.repeat(ground[None], count, axis=0)
    y, x = np.mgrid[:160, :240]
    for index, frame in enumerate(frames):
        inside = (x - 40 - 2.6 * index) ** 2 + (y - 80) ** 2 < 18**2
        frame[inside] = (240, 220, 60)
    noisy = np.clip(frames + rng.normal(0, 1.5, frames.shape), 0, 255).astype(np.uint8)
    return Stretch("made.mp4", "0" * 64, noisy, np.arange(count) / 25)


def test_a_thing_is_cut_out_of_footage_and_the_ground_behind_it_is_clean() -> None:
    stretch = footage_with_a_thing()
    camera = camera_of(stretch.frames)
    assert camera is not None
    assert np.abs(camera[:, :, 2]).max() < 1
    scene = cut_out(stretch, camera)
    assert scene is not None
    painted = render(scene)
    again = np.abs(painted.frames.astype(int) - stretch.frames).mean(axis=(1, 2, 3))
    assert again.max() < 1.5  # untouched, the layers give the footage back
    x, y, w, h = painted.boxes["thing"][30]
    assert (x + w / 2, y + h / 2) == pytest.approx((40 + 2.6 * 30, 80), abs=3)
    clean = drawn_texture(160, 240, np.random.default_rng(0))
    error = np.abs(scene.ground[30].astype(int) - clean).mean()
    assert error < 3


def test_a_camera_that_loses_the_ground_gives_no_scene() -> None:
    rng = np.random.default_rng(0)
    assert camera_of(rng.integers(0, 255, (4, 96, 128, 3), np.uint8)) is None


def test_a_run_is_taken_up_and_gives_the_same_bytes(tmp_path: Path, clip: Path) -> None:
    settings = Settings(per_clip=1, simulated=1, seconds=1.5, short_side=96, max_fps=12)
    first, notes = plant([clip], tmp_path, settings)
    assert notes == []
    assert {record.scene for record in first} <= {"cut-out", "overlay", "simulated"}
    kept = {record.file: (tmp_path / record.file).stat().st_mtime_ns for record in first}
    (tmp_path / "truth" / "s0000.json").unlink()
    assert plant([clip], tmp_path, settings)[0] == first
    changed = [f for f, ns in kept.items() if (tmp_path / f).stat().st_mtime_ns != ns]
    assert sorted(changed) == sorted(r.file for r in first if r.scene == "simulated")
    assert read_planted(tmp_path) == first
    with pytest.raises(UsageError, match="other settings"):
        plant([clip], tmp_path, Settings(seed=1))


def test_few_sources_show_all_events() -> None:
    jobs = plan([Path(str(n)) for n in range(5)], Settings(per_clip=4))
    tried = {how for job in jobs for how in job.hows[:4]}
    assert tried == {event.how for event in EVENTS}


def test_the_command_writes_both_manifests(tmp_path: Path, clip: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    (footage / "=cmd.mp4").write_bytes(clip.read_bytes())
    (footage / "broken.mp4").write_bytes(clip.read_bytes()[:2000])
    arguments = ["pairs", "plant", str(footage), str(tmp_path / "out"), "--per-clip", "1"]
    more = ["--seconds", "1.5", "--short-side", "96", "--max-fps", "12"]
    result = CliRunner().invoke(main, [*arguments, *more])
    assert result.exit_code == 0, result.output
    assert "planted events" in result.stdout
    assert "broken.mp4" in result.stderr
    with (tmp_path / "out" / "planted.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["source"] for row in rows} == {"'=cmd.mp4"}
    lines = (tmp_path / "out" / "planted.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == [row["file"] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--event", "nonsense"], "allowed are remove"), (["--per-clip", "0"], "x>=1")],
)
def test_a_wrong_call_says_what_is_allowed(
    arguments: list[str], said: str, tmp_path: Path, clip: Path
) -> None:
    result = CliRunner().invoke(main, ["pairs", "plant", str(clip), str(tmp_path), *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "planted.jsonl").exists()
