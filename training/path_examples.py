"""Examples for the head over ways: numbers of places in camera clips and planted ones, with labels.

    clip -> dense frames -> ways of all places -> numbers (kept in a cache) -> events by place

A place is an example of an event while it is well inside the box of the planted thing and the event
goes on; what is near the box, or near the beginning and the end, is neither example nor counter-
example. Every place of camera clips and of lawful twins is a counter-example of all events.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.truth import Planted
from unreel.detector.config import Limits
from unreel.detector.dense import DenseFrames, Stretch, read_stretches
from unreel.detector.media import open_media
from unreel.detector.path_judge import EVENTS
from unreel.detector.path_numbers import NAMES, path_numbers
from unreel.detector.shots import find_shots
from unreel.detector.step_maps import CELL, map_steps
from unreel.detector.tracking import follow, greys
from unreel.detector.trajectories import Floats, field_of, follow_places

HOWS = {
    "change": "identity-morph", "ripple": "rigidity-break", "grow": "scale-drift",
    "jerk": "impossible-acceleration", "dissolve": "dissolve", "emerge": "emerge",
}  # fmt: skip
"""Which planted events (`Planted.how`) teach which event of the head."""
NEITHER = -2
"""Label of places that are no example of anything."""
LAWFUL = -1
_WAIT_SECONDS = 0.45
"""Ways reach into an event from so long before and after it."""
_CORE, _RIM = 0.85, 1.6
"""Shares of the half box: inside the one it is the thing, outside the other it is not."""
_RIM_PIXELS = 14


@dataclass(frozen=True, slots=True)
class Examples:
    """Ways of one stretch."""

    numbers: NDArray[np.float16]
    """(K, len(NAMES))"""
    seconds: Floats
    """(K,) the moment of each."""
    places: Floats
    """(K, 2) x, y in displayed pixels."""
    scale: float
    """Displayed pixels of a small one."""


def examples_of(path: Path, cache: Path) -> list[Examples]:
    """All ways of a clip, from the cache where it has them.

    Raises:
        MediaError: The clip cannot be read.
    """
    kept = cache / f"{_key(path)}.npz"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        numbers = _measured(path)
        # Of a name of its own: the same clip may stand twice in a corpus.
        with NamedTemporaryFile(dir=cache, prefix=".", suffix=".partial", delete=False) as file:
            np.savez(file, **numbers)  # type: ignore[arg-type]  # the stub knows no keyword arrays
        os.replace(file.name, kept)
    with np.load(kept, allow_pickle=False) as found:
        count = int(found["count"])
        return [
            Examples(
                found[f"numbers{i}"], found[f"seconds{i}"], found[f"places{i}"],
                float(found[f"scale{i}"]),
            )
            for i in range(count)
        ]  # fmt: skip


def labels_of(planted: Planted, examples: Examples) -> NDArray[np.int8]:
    """(K,) the event of each way, LAWFUL or NEITHER."""
    labels = np.full(len(examples.seconds), LAWFUL, np.int8)
    if planted.lawful:
        return labels
    boxes = np.array(planted.boxes)
    event = HOWS.get(planted.how)
    if not len(boxes) or event is None:
        return np.full_like(labels, NEITHER)
    number = EVENTS.index(event)
    margin = 0.1 * (planted.t_end - planted.t_start) - 0.05
    for moment in np.unique(examples.seconds):
        if not planted.t_start - _WAIT_SECONDS <= moment <= planted.t_end + _WAIT_SECONDS:
            continue
        rows = np.flatnonzero(examples.seconds == moment)
        box = boxes[int(np.abs(boxes[:, 0] - moment).argmin()), 1:]
        half = box[2:] / 2 + 1e-3
        away = np.abs(examples.places[rows] - (box[:2] + box[2:] / 2))
        near = (away < _RIM * half).all(axis=1)
        near |= (away < half + _RIM_PIXELS * examples.scale).all(axis=1)
        labels[rows[near]] = NEITHER
        if planted.t_start + margin <= moment <= planted.t_end - margin:
            labels[rows[(away < _CORE * half).all(axis=1)]] = number
    return labels


def _key(path: Path) -> str:
    """Of the content, and of what the numbers are."""
    digest = hashlib.sha256("\n".join(NAMES).encode())
    with path.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def _measured(path: Path) -> dict[str, NDArray[np.generic] | float | int]:
    out: dict[str, NDArray[np.generic] | float | int] = {}
    count = 0
    for stretch in _stretches(path):
        steps = map_steps(stretch.frames, grey := greys(stretch))
        _, camera = follow(grey, steps)
        field = field_of(stretch, steps, camera)
        if field is None:
            continue
        numbers, seconds, places = [], [], []
        for ways in follow_places(field):
            numbers.append(path_numbers(field, ways, camera))
            seconds.append(np.full(len(numbers[-1]), stretch.pts_seconds[ways.frame], np.float32))
            places.append((ways.at(ways.frame) * CELL + CELL / 2) * stretch.scale)
        if not numbers:
            continue
        out[f"numbers{count}"] = np.concatenate(numbers).astype(np.float16)
        out[f"seconds{count}"] = np.concatenate(seconds)
        out[f"places{count}"] = np.concatenate(places).astype(np.float32)
        out[f"scale{count}"] = stretch.scale
        count += 1
    return {**out, "count": count}


def _stretches(path: Path) -> Iterator[Stretch]:
    with open_media(path, Limits(wall_seconds_per_request=120)) as reader:
        dense = DenseFrames.planned(reader)
        shots = find_shots(reader, closer=dense)
        yield from read_stretches(reader, dense, shots)
