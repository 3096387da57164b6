"""Events that no camera records: each takes a lawful scene and breaks one thing in it, once.

The code is that of the finding that should be made. `EVENTS` says on which stage an event is
played where the motion is not given by the footage itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.edited import (
    INSTANT_SECONDS,
    Edited,
    Footage,
    UnsuitableError,
    centres,
    each_look,
    is_inside,
    moment,
    sizes,
    span_mask,
    with_poses,
)
from unreel.data.pairs.layers import OPACITY, Body, Scene
from unreel.data.pairs.particles import snow_that_turns
from unreel.data.pairs.shapes import shape_from
from unreel.data.pairs.simulate import Law

Edit = Callable[[Scene, np.random.Generator], Edited]


@dataclass(frozen=True, slots=True)
class Event:
    """One way to make a clip."""

    how: str
    code: str
    edit: Edit
    stage: str = "drift"
    law: Callable[[float], Law] = lambda seconds: Law()
    """Seconds of the clip -> what the simulation breaks."""
    on_cut_outs: bool = True
    """Also on things cut out of footage, whose motion is what it is."""
    lawful: bool = False


def vanish(scene: Scene, rng: np.random.Generator) -> Edited:
    """Gone from one frame to the next, for good."""
    body = scene.body("thing")
    at = moment(scene, body, rng, lasting=0.3)
    gone = with_poses(body, opacity=np.where(np.arange(len(body.poses)) < at, 1.0, 0.0))
    now = float(scene.seconds[at])
    before = float(scene.seconds[at - 1])
    return Edited(scene.swapped(gone), before, now, box_start=now - INSTANT_SECONDS)


def appear(scene: Scene, rng: np.random.Generator) -> Edited:
    """There from one frame to the next."""
    body = scene.body("thing")
    at = moment(scene, body, rng, lasting=0.3)
    new = with_poses(body, opacity=np.where(np.arange(len(body.poses)) < at, 0.0, 1.0))
    now = float(scene.seconds[at])
    before = float(scene.seconds[at - 1])
    return Edited(scene.swapped(new), before, now, box_end=now + INSTANT_SECONDS)


def dissolve(scene: Scene, rng: np.random.Generator) -> Edited:
    """Fades away while it is watched, as nothing solid does."""
    return _faded(scene, rng, comes=False)


def emerge(scene: Scene, rng: np.random.Generator) -> Edited:
    """Comes into being out of nothing, slowly."""
    return _faded(scene, rng, comes=True)


def flicker(scene: Scene, rng: np.random.Generator) -> Edited:
    """Gone for a while, and back."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.35, 0.8))
    at = moment(scene, body, rng, lasting=lasting)
    start = float(scene.seconds[at])
    hidden = span_mask(scene, start, start + lasting)
    gone = with_poses(body, opacity=np.where(hidden, 0.0, 1.0))
    return Edited(
        scene.swapped(gone), start, start + lasting,
        box_start=start - INSTANT_SECONDS, box_end=start + lasting + INSTANT_SECONDS,
    )  # fmt: skip


def duplicate(scene: Scene, rng: np.random.Generator) -> Edited:
    """A second one beside it, for a while or for good."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.7, 1.2))
    offset = _free_offset(scene, body, rng)
    copy = replace(body, name="copy", depth=body.depth + 0.1)
    copy = with_poses(copy, x=body.poses[:, 0] + offset[0], y=body.poses[:, 1] + offset[1])
    start = float(scene.seconds[moment(scene, copy, rng, lasting=lasting)])
    shown = span_mask(scene, start, start + lasting)
    copy = with_poses(copy, opacity=np.where(shown, 1.0, 0.0))
    return Edited(scene.swapped(copy), start, start + lasting, watched=("thing", "copy"))


def teleport(scene: Scene, rng: np.random.Generator) -> Edited:
    """Elsewhere from one frame to the next."""
    body = scene.body("thing")
    offset = _free_offset(scene, body, rng)
    at = moment(scene, body, rng, lasting=0.2)
    jumped = (np.arange(len(body.poses)) >= at).astype(float)
    moved = with_poses(
        body, x=body.poses[:, 0] + jumped * offset[0], y=body.poses[:, 1] + jumped * offset[1]
    )
    if not is_inside(scene, moved, 0.0)[at : at + 4].all():
        raise UnsuitableError("it would jump out of the frame")
    before, now = float(scene.seconds[at - 1]), float(scene.seconds[at])
    return Edited(
        scene.swapped(moved), before, now,
        box_start=before - INSTANT_SECONDS / 2, box_end=now + INSTANT_SECONDS / 2,
    )  # fmt: skip


def jerk(scene: Scene, rng: np.random.Generator) -> Edited:
    """Thrown to and fro by nothing."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.5, 0.8))
    at = moment(scene, body, rng, lasting=lasting)
    start = float(scene.seconds[at])
    clock = (scene.seconds - start) / 0.26
    wave = 2 * np.abs(2 * (clock - np.floor(clock + 0.5))) - 1 + 1  # triangles, from 0
    swing = 0.5 * wave * span_mask(scene, start, start + lasting)
    reach = float(rng.uniform(0.07, 0.11)) * scene.ground.shape[2]
    way = rng.normal(size=2)
    way = way / np.linalg.norm(way) * reach
    moved = with_poses(
        body, x=body.poses[:, 0] + swing * way[0], y=body.poses[:, 1] + swing * way[1]
    )
    return Edited(scene.swapped(moved), start, start + lasting)


def scale_drift(scene: Scene, rng: np.random.Generator) -> Edited:
    """Grows or shrinks while the camera does neither."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.9, 1.3))
    start = float(scene.seconds[moment(scene, body, rng, early=0.2, late=0.5, lasting=0.5)])
    factor = float(rng.choice([0.5, 0.55, 1.7, 1.9]))
    share = np.clip((scene.seconds - start) / lasting, 0, 1)
    grown = with_poses(body, scale=body.poses[:, 2] * factor**share)
    return Edited(scene.swapped(grown), start, min(start + lasting, float(scene.seconds[-1])))


def bend(scene: Scene, rng: np.random.Generator) -> Edited:
    """A stiff thing ripples like jelly."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.8, 1.2))
    start = float(scene.seconds[moment(scene, body, rng, lasting=0.6)])
    end = min(start + lasting, float(scene.seconds[-1]))
    looks = each_look(body)
    phase = rng.uniform(0, 6.28)
    for index in np.flatnonzero(span_mask(scene, start, end)):
        share = np.sin(np.pi * (scene.seconds[index] - start) / (end - start))
        looks[index] = _rippled(looks[index], 0.16 * share, phase + 9 * scene.seconds[index])
    return Edited(scene.swapped(replace(body, looks=tuple(looks))), start, end)


def morph(scene: Scene, rng: np.random.Generator) -> Edited:
    """One thing turns into another while it is watched."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.6, 1.0))
    start = float(scene.seconds[moment(scene, body, rng, early=0.2, late=0.5, lasting=0.4)])
    other = shape_from(scene.ground[-1], round(float(max(body.size))), rng)
    looks = each_look(body)
    for index, look in enumerate(looks):
        share = float(np.clip((scene.seconds[index] - start) / lasting, 0, 1))
        height, width = look.shape[:2]
        target = cv2.resize(other, (width, height))
        if scene.kind == "cut-out":  # keep the outline: only what it is made of changes
            target = np.dstack([cv2.cvtColor(target[..., :3], cv2.COLOR_RGB2BGR), look[..., 3]])
        looks[index] = ((1 - share) * look + share * target).astype(np.uint8)
    changed = replace(body, looks=tuple(looks))
    return Edited(scene.swapped(changed), start, min(start + lasting, float(scene.seconds[-1])))


def boil(scene: Scene, rng: np.random.Generator) -> Edited:
    """The texture of a thing is painted anew every few frames."""
    body, lasting = scene.body("thing"), float(rng.uniform(0.9, 1.4))
    start = float(scene.seconds[moment(scene, body, rng, early=0.2, late=0.5, lasting=0.6)])
    end = min(start + lasting, float(scene.seconds[-1]))
    looks = each_look(body)
    for index in np.flatnonzero(span_mask(scene, start, end)):
        height, width = looks[index].shape[:2]
        noise = rng.normal(0, 1, (height // 4 + 2, width // 4 + 2, 1)).astype(np.float32)
        fine = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
        rgb = looks[index][..., :3] + 38 * fine
        looks[index][..., :3] = np.clip(rgb, 0, 255).astype(np.uint8)
    return Edited(scene.swapped(replace(body, looks=tuple(looks))), start, end)


def hold(scene: Scene, rng: np.random.Generator) -> Edited:
    """A run of frames is the same picture, and then things have moved on."""
    clock = scene.seconds
    at = int(np.searchsorted(clock, float(rng.uniform(0.3, 0.55)) * clock[-1]))
    stop = int(np.searchsorted(clock, clock[at] + float(rng.uniform(0.25, 0.45))))

    def held(footage: Footage) -> Footage:
        frames, boxes = footage.frames.copy(), footage.boxes.copy()
        frames[at:stop], boxes[:, at:stop] = frames[at], boxes[:, at : at + 1]
        return replace(footage, frames=frames, boxes=boxes)

    return Edited(scene, float(clock[at]), float(clock[stop]), watched=(), after=held)


def rhythm(scene: Scene, rng: np.random.Generator) -> Edited:
    """Frames come in groups, as decoders of video models make them: sharp first, then softer."""
    period = int(rng.choice([4, 8]))

    def grouped(footage: Footage) -> Footage:
        frames = footage.frames.copy()
        for index in range(len(frames)):
            place = index % period
            if place:
                soft = cv2.GaussianBlur(frames[index], (0, 0), 0.8)
                share = 0.35 + 0.5 * place / period
                frames[index] = cv2.addWeighted(frames[index], 1 - share, soft, share, 0)
        return replace(footage, frames=frames)

    return Edited(scene, 0.0, float(scene.seconds[-1]), watched=(), after=grouped)


def float_up(scene: Scene, rng: np.random.Generator) -> Edited:
    """The simulation turned gravity round while the thing was in flight."""
    flips = flip_time(float(scene.seconds[-1]))
    body = scene.body("thing")
    inside = is_inside(scene, body, 0.0) & (scene.seconds >= flips)
    if inside.sum() < 5:
        raise UnsuitableError("it leaves the frame at once")
    return Edited(scene, flips, float(scene.seconds[np.flatnonzero(inside)[-1]]))


def pass_through(scene: Scene, rng: np.random.Generator) -> Edited:
    """Two things share one place: neither is in front, neither is pushed."""
    one, two = scene.body("thing"), scene.body("other")
    meeting = meeting_frames(scene)
    opacity = np.where(meeting, 0.5, 1.0)
    start, end = (float(scene.seconds[np.flatnonzero(meeting)[i]]) for i in (0, -1))
    return Edited(
        scene.swapped(one, with_poses(two, opacity=opacity)), start, end,
        watched=("thing", "other"),
    )  # fmt: skip


def uneven_fall(scene: Scene, rng: np.random.Generator) -> Edited:
    """Two things fall under different gravity."""
    high = max(scene.body(name).poses[0, 1] for name in ("thing", "other"))
    last = min(float(scene.seconds[-1]), 1.6)
    if not np.isfinite(high):
        raise UnsuitableError("nothing falls")
    return Edited(scene, 0.0, last, watched=("thing", "other"))


def _faded(scene: Scene, rng: np.random.Generator, *, comes: bool) -> Edited:
    body, lasting = scene.body("thing"), float(rng.uniform(0.4, 1.1))
    start = float(scene.seconds[moment(scene, body, rng, early=0.2, late=0.5, lasting=0.4)])
    share = np.clip((scene.seconds - start) / lasting, 0, 1)
    faint = with_poses(body, opacity=share if comes else 1 - share)
    return Edited(scene.swapped(faint), start, min(start + lasting, float(scene.seconds[-1])))


def flip_time(duration: float) -> float:
    """When gravity turns round: after the top of the flight."""
    return 0.35 * duration


def meeting_frames(scene: Scene) -> NDArray[np.bool_]:
    """(T,): the two bodies of a pair overlap.

    Raises:
        UnsuitableError: They never do.
    """
    one, two = scene.body("thing"), scene.body("other")
    apart = np.linalg.norm(one.poses[:, :2] - two.poses[:, :2], axis=1)
    meeting = apart < 0.9 * (sizes(one).max(axis=1) + sizes(two).max(axis=1)) / 2
    if not meeting.any():
        raise UnsuitableError("the two never meet")
    return np.asarray(meeting)


def _free_offset(scene: Scene, body: Body, rng: np.random.Generator) -> NDArray[np.float64]:
    """A step aside, at least its own size and a sixth of the width, to where there is room."""
    height, width = scene.ground.shape[1:3]
    middle, size = centres(scene, body), sizes(body)
    shown = body.poses[:, OPACITY] > 0.5
    for _ in range(60):
        angle = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(0.17, 0.38) * width
        offset = far * np.array([np.cos(angle), 0.5 * np.sin(angle)])
        if (np.abs(offset) < 1.1 * np.median(size, axis=0)).all():
            continue
        there = middle + offset
        fits = (there > size / 2).all(1) & (there < np.array([width, height]) - size / 2).all(1)
        if fits[shown].mean() > 0.7:
            return np.asarray(offset)
    raise UnsuitableError("there is no room for it anywhere else")


def _rippled(look: NDArray[np.uint8], amount: float, phase: float) -> NDArray[np.uint8]:
    height, width = look.shape[:2]
    pad = round(0.2 * max(height, width))
    big = cv2.copyMakeBorder(look, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    y, x = np.mgrid[: big.shape[0], : big.shape[1]].astype(np.float32)
    shift = amount * max(height, width)
    x = x + shift * np.sin(2 * np.pi * y / height + phase)
    y = y + shift * np.cos(2 * np.pi * x / width + phase)
    bent = cv2.remap(
        big, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    return np.asarray(bent, np.uint8)


EVENTS: tuple[Event, ...] = (
    Event("remove", "object-vanish", vanish),
    Event("insert", "object-appear", appear),
    Event("remove-and-return", "object-count-flicker", flicker),
    Event("copy", "object-duplicate", duplicate),
    Event("jump", "teleport", teleport),
    Event("jerk", "impossible-acceleration", jerk),
    Event("grow", "scale-drift", scale_drift),
    Event("ripple", "rigidity-break", bend),
    Event("change", "identity-morph", morph),
    Event("repaint", "texture-boiling", boil),
    Event("hold", "duplicated-frames", hold),
    Event("groups", "decoder-rhythm", rhythm),
    Event(
        "fall-up", "inverted-gravity", float_up, "toss",
        lambda seconds: Law(gravity_flips_at=flip_time(seconds)), on_cut_outs=False,
    ),
    Event(
        "pass-through", "interpenetration", pass_through, "pair",
        lambda seconds: Law(passes_through=True), on_cut_outs=False,
    ),
    Event(
        "uneven-fall", "uneven-fall", uneven_fall, "drop",
        lambda seconds: Law(second_gravity=0.35), on_cut_outs=False,
    ),
    Event("snow-up", "inverted-gravity", snow_that_turns),
    Event("dissolve", "object-vanish", dissolve),
    Event("emerge", "object-appear", emerge),
)  # fmt: skip
"""In the order in which a plan goes through them."""
