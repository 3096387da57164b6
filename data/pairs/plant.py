"""Plants events that no camera records into footage and simulated scenes, with the truth beside.

    plan(sources) -> Job...          which event goes where: a function of the seed alone
    make(job) -> clip + record       footage -> scene -> edit -> frames -> H.264
    planted.jsonl, planted.csv       what is where, when

Each event has a lawful twin that passes through the same steps and the same encoder, so that what
tells them apart is the event. What is finished is not made again: the same call takes a run up.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from unreel.data.pairs.artefacts import EVENTS, Event
from unreel.data.pairs.edited import Edited, Footage, UnsuitableError
from unreel.data.pairs.lawful import TWINS
from unreel.data.pairs.layers import Scene, render
from unreel.data.pairs.stage import overlay, simulated
from unreel.data.pairs.stretches import Stretch, camera_of, cut_out, read_stretch
from unreel.data.pairs.truth import Planted, read_record, write_manifests
from unreel.detector.encode import H264Writer
from unreel.detector.errors import MediaError, UsageError

ALL = (*EVENTS, *TWINS)
HOWS = {event.how: event for event in ALL}
_TRIES = 6
"""As many times an event is tried with other draws before it is left out of a clip."""
_CRFS = (18, 21, 24)
_BOX_STEP_SECONDS = 0.08


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the clips that are made; another value makes another set."""

    seed: int = 0
    hows: tuple[str, ...] = tuple(HOWS)
    per_clip: int = 4
    """Events in each source clip, each in a clip of its own, and as many twins."""
    simulated: int = 0
    """Simulated scenes besides."""
    seconds: float = 3.0
    short_side: int = 320
    max_fps: float = 25.0


@dataclass(frozen=True, slots=True)
class Job:
    """One source, and the events to try on it in this order."""

    name: str
    """Of the files that come out of it."""
    source: Path | None
    """None = a simulated scene on a drawn ground."""
    is_simulated: bool
    hows: tuple[str, ...]


Tell = Callable[[int, int, str], None]
"""Done, all, name of the source."""


def plan(sources: Sequence[Path], settings: Settings) -> list[Job]:
    """Decide what is tried where.

    Raises:
        UsageError: An event is unknown.
    """
    unknown = [how for how in settings.hows if how not in HOWS]
    if unknown:
        raise UsageError(f"unknown event {unknown[0]!r}, allowed are {', '.join(HOWS)}")
    jobs = []
    for number, source in enumerate(sources):
        jobs.append(Job(f"{number:04d}", source, False, _order(settings, number)))
    for number in range(settings.simulated):
        # Each third scene stands on a drawn ground, the others on a picture of the footage.
        ground = sources[number % len(sources)] if sources and number % 3 else None
        jobs.append(Job(f"s{number:04d}", ground, True, _order(settings, 10**6 + number)))
    return jobs


def plant(
    sources: Sequence[Path], out: Path, settings: Settings, tell: Tell | None = None
) -> tuple[list[Planted], list[str]]:
    """Make clips, or what is missing of them.

    Args:
        sources: Footage; files that cannot be used are told of, never replaced.
        out: Folder; made if it is not there.
        settings: What to make.
        tell: Told of each source as it begins.

    Returns:
        All records, in the order of the plan, and a sentence for each source that gave none.

    Raises:
        UsageError: The folder holds clips of other settings, or cannot be written.
    """
    jobs = plan(sources, settings)
    _claim(out, settings, sources)
    planted, notes = [], []
    for number, job in enumerate(jobs):
        if tell is not None:
            tell(number, len(jobs), job.source.name if job.source else "simulated scene")
        found, note = _finished(out, job)
        if found is None:
            found, note = _run(job, out, settings)
            _finish(out, job, found, note)
        planted += found
        if note:
            notes.append(note)
    write_manifests(out, planted)
    return planted, notes


def _order(settings: Settings, number: int) -> tuple[str, ...]:
    """The events of one job: each is first in turn, so that few sources show all of them."""
    chosen = [event for event in EVENTS if event.how in settings.hows]
    twins = [event for event in TWINS if event.how in settings.hows]
    shifts = [(number * settings.per_clip) % max(len(kind), 1) for kind in (chosen, twins)]
    turned = [
        kind[shift:] + kind[:shift] for kind, shift in zip((chosen, twins), shifts, strict=True)
    ]
    return tuple(event.how for kind in turned for event in kind)


def _claim(out: Path, settings: Settings, sources: Sequence[Path]) -> None:
    """Make the folder, or see that it belongs to the same call."""
    wanted = {**asdict(settings), "hows": list(settings.hows), "sources": [s.name for s in sources]}
    path = out / "settings.json"
    try:
        (out / "clips").mkdir(parents=True, exist_ok=True)
        (out / "truth").mkdir(exist_ok=True)
        if path.exists():
            if json.loads(path.read_text()) != wanted:
                raise UsageError(
                    f"{out} holds clips of other settings or sources: name another folder"
                )
        else:
            path.write_text(json.dumps(wanted, indent=1) + "\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"{out} cannot be used: {error}") from error


def _finished(out: Path, job: Job) -> tuple[list[Planted] | None, str]:
    """What an earlier run made of a job; None when it did not get to its end."""
    path = out / "truth" / f"{job.name}.json"
    try:
        done = json.loads(path.read_text())
    except (OSError, ValueError):
        return None, ""
    records = [read_record(json.dumps(row), str(path)) for row in done["planted"]]
    if all((out / record.file).is_file() for record in records):
        return records, done["note"]
    return None, ""


def _finish(out: Path, job: Job, planted: list[Planted], note: str) -> None:
    path = out / "truth" / f"{job.name}.json"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps({"planted": [asdict(p) for p in planted], "note": note}) + "\n")
    os.replace(partial, path)


def _run(job: Job, out: Path, settings: Settings) -> tuple[list[Planted], str]:
    """All clips of one job."""
    stretch: Stretch | None = None
    if job.source is not None:
        try:
            stretch = read_stretch(
                job.source,
                seconds=settings.seconds,
                short_side=settings.short_side,
                max_fps=settings.max_fps,
            )
        except MediaError as error:
            return [], f"{job.source}: {error.code}: {error.message}"
        if stretch is None:
            return [], f"{job.source}: too small, or no uncut stretch of {settings.seconds:g} s"
    made: list[Planted] = []
    for lawful in (False, True):
        hows = [how for how in job.hows if HOWS[how].lawful == lawful]
        clips = _clips(job, stretch, hows, out, settings)
        made += [planted for planted, _ in zip(clips, range(settings.per_clip), strict=False)]
    if not made:
        return [], f"{job.source}: no place for any event (the camera is lost, or nothing fits)"
    return made, ""


def _clips(
    job: Job, stretch: Stretch | None, hows: Sequence[str], out: Path, settings: Settings
) -> Iterator[Planted]:
    """One clip for each event that fits, in their order."""
    grounds = _Grounds(job, stretch, settings)
    for how in hows:
        event = HOWS[how]
        for attempt in range(_TRIES):
            seed = _seed(settings.seed, job.name, how, attempt)
            rng = np.random.default_rng(seed)
            try:
                scene = grounds.scene(event, rng)
                edited = event.edit(scene, rng)
            except UnsuitableError:
                continue
            name = f"{job.name}-{scene.kind}-{event.how}.mp4"
            yield _write(event, edited, stretch, out, name, seed)
            break


class _Grounds:
    """The scenes that one source can give; what is costly is found once.

    Args:
        job: Of which source.
        stretch: What was read of it.
        settings: Sizes.
    """

    def __init__(self, job: Job, stretch: Stretch | None, settings: Settings) -> None:
        self._job, self._stretch, self._settings = job, stretch, settings
        self._camera = None
        self._cut_out: Scene | None = None
        if stretch is not None and not job.is_simulated:
            self._camera = camera_of(stretch.frames)
            if self._camera is not None:
                self._cut_out = cut_out(stretch, self._camera)

    def scene(self, event: Event, rng: np.random.Generator) -> Scene:
        """A lawful scene for an event, or the simulated one in which it is broken.

        Raises:
            UnsuitableError: The source gives none.
        """
        law = event.law(self._settings.seconds)
        if self._job.is_simulated:
            return self._simulated(event, rng)
        if self._camera is None or self._stretch is None:
            raise UnsuitableError("the motion of the camera is not known")
        if self._cut_out is not None and event.on_cut_outs:
            return self._cut_out
        texture = self._stretch.frames[len(self._stretch.frames) // 2]
        return overlay(self._stretch, self._camera, texture, event.stage, rng, law)

    def _simulated(self, event: Event, rng: np.random.Generator) -> Scene:
        settings = self._settings
        fps = float(rng.choice([f for f in (12.5, 16, 24, 25) if f <= settings.max_fps] or [12.5]))
        seconds = np.arange(round(settings.seconds * fps)) / fps
        ground = None if self._stretch is None else self._stretch.frames[0]
        height = settings.short_side // 2 * 2
        width = round(height * float(rng.choice([4 / 3, 16 / 9])) / 2) * 2
        if ground is not None:
            height, width = ground.shape[:2]
        law = event.law(settings.seconds)
        return simulated(ground, (width, height), seconds, event.stage, rng, law)


def _seed(seed: int, name: str, how: str, attempt: int) -> int:
    text = f"{seed}/{name}/{how}/{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def _write(
    event: Event, edited: Edited, stretch: Stretch | None, out: Path, name: str, seed: int
) -> Planted:
    """Paint, encode, and say what is there."""
    painted = render(edited.scene)
    watched = [painted.boxes[body] for body in edited.watched]
    count, height, width = painted.frames.shape[:3]
    boxes = np.stack(watched) if watched else np.tile([0.0, 0, width, height], (1, count, 1))
    footage = Footage(painted.frames, edited.scene.seconds, boxes)
    if edited.after is not None:
        footage = edited.after(footage)
    target = out / "clips" / name
    partial = target.with_name(target.name + ".partial")
    crf = _CRFS[seed % len(_CRFS)]
    with H264Writer(str(partial), width=width, height=height, crf=crf, preset="veryfast") as file:
        for frame, now in zip(footage.frames, footage.seconds, strict=True):
            file.write(frame, float(now))
    os.replace(partial, target)
    clock = footage.seconds
    return Planted(
        file=f"clips/{name}",
        code=event.code,
        lawful=event.lawful,
        how=event.how,
        t_start=round(edited.t_start, 4),
        t_end=round(edited.t_end, 4),
        boxes=_boxes(footage, edited),
        scene=edited.scene.kind,
        source="" if stretch is None else stretch.name,
        source_sha256="" if stretch is None else stretch.sha256,
        seed=seed,
        width=width,
        height=height,
        fps=round((len(clock) - 1) / float(clock[-1]), 3),
        seconds=round(float(clock[-1]), 4),
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
    )


def _boxes(
    footage: Footage, edited: Edited
) -> tuple[tuple[float, float, float, float, float], ...]:
    """Boxes of the event, a dozen a second."""
    start = edited.t_start if edited.box_start is None else edited.box_start
    end = edited.t_end if edited.box_end is None else edited.box_end
    rows, before = [], -1.0
    height, width = footage.frames.shape[1:3]
    for index, now in enumerate(footage.seconds):
        if not start - 1e-6 <= now <= end + 1e-6 or now - before < _BOX_STEP_SECONDS:
            continue
        before = float(now)
        for x, y, w, h in footage.boxes[:, index]:
            left, top = max(0.0, x), max(0.0, y)
            right, bottom = min(float(width), x + w), min(float(height), y + h)
            if right - left >= 2 and bottom - top >= 2:
                row = (before, left, top, right - left, bottom - top)
                rows.append(tuple(round(float(value), 3) for value in row))
    return tuple(rows)  # type: ignore[arg-type]  # rows of five
