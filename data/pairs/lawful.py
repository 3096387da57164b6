"""The lawful twin of each planted event: it looks like one, and any camera could record it.

Each is marked with the code that it must not be taken for.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.artefacts import Event, meeting_frames
from unreel.data.pairs.edited import (
    Edited,
    Footage,
    UnsuitableError,
    centres,
    is_inside,
    moment,
    sizes,
    with_poses,
)
from unreel.data.pairs.layers import OPACITY, Body, Scene, X, steady
from unreel.data.pairs.particles import bubbles, snowfall
from unreel.data.pairs.shapes import pillar_from
from unreel.data.pairs.simulate import Law

_SLOWER = 3.0


def occlusion(scene: Scene, rng: np.random.Generator) -> Edited:
    """It passes behind something upright that stands still."""
    body = scene.body("thing")
    height, _width = scene.ground.shape[1:3]
    middle = body.poses[:, X]
    at = moment(scene, body, rng, early=0.35, late=0.65)
    wide = int(1.25 * float(sizes(body)[at, 0]))
    if np.ptp(middle) < 1.6 * wide:
        raise UnsuitableError("it does not go far enough to come out again")
    pillar = pillar_from(scene.ground[0], round(1.6 * height), wide)
    poses = steady(float(middle[at]), height / 2, len(middle))
    near = np.abs(middle - middle[at]) < wide
    start, end = (float(scene.seconds[np.flatnonzero(near)[i]]) for i in (0, -1))
    return Edited(scene.swapped(Body("pillar", (pillar,), poses, depth=9.0)), start, end)


def entry(scene: Scene, rng: np.random.Generator) -> Edited:
    """It comes in over the edge."""
    return _over_the_edge(scene, entering=True)


def leaving(scene: Scene, rng: np.random.Generator) -> Edited:
    """It goes out over the edge."""
    return _over_the_edge(scene, entering=False)


def second_entry(scene: Scene, rng: np.random.Generator) -> Edited:
    """One just like it comes in over the edge."""
    body = scene.body("thing")
    copy = replace(body, name="copy", depth=body.depth + 0.1)
    height = scene.ground.shape[1]
    shifted = with_poses(copy, y=body.poses[:, 1] + 0.25 * height * _room(scene, body))
    found = _over_the_edge(scene.swapped(shifted), entering=True, name="copy")
    return replace(found, watched=("thing", "copy"))


def bounce(scene: Scene, rng: np.random.Generator) -> Edited:
    """It hits the ground and turns round in an instant."""
    drop = np.diff(scene.body("thing").poses[:, 1])
    turns = np.flatnonzero((drop[:-1] > 2) & (drop[1:] < 0)) + 1
    if not len(turns):
        raise UnsuitableError("it does not reach the ground")
    now = float(scene.seconds[turns[0]])
    return Edited(scene, max(0.0, now - 0.2), min(now + 0.2, float(scene.seconds[-1])))


def throw(scene: Scene, rng: np.random.Generator) -> Edited:
    """It rises because it was thrown, and comes down again."""
    top = int(scene.body("thing").poses[:, 1].argmin())
    return Edited(scene, 0.0, float(scene.seconds[max(1, top)]))


def slow_motion(scene: Scene, rng: np.random.Generator) -> Edited:
    """The same throw, shown three times slower."""
    found = throw(scene, rng)

    def slowed(footage: Footage) -> Footage:
        return replace(footage, seconds=footage.seconds * _SLOWER)

    return replace(found, t_end=found.t_end * _SLOWER, after=slowed)


def in_front(scene: Scene, rng: np.random.Generator) -> Edited:
    """One passes in front of the other, and hides it as it should."""
    meeting = meeting_frames(scene)
    start, end = (float(scene.seconds[np.flatnonzero(meeting)[i]]) for i in (0, -1))
    return Edited(scene, start, end, watched=("thing", "other"))


def collision(scene: Scene, rng: np.random.Generator) -> Edited:
    """Two things meet and push each other away."""
    gap = np.diff([scene.body(name).poses[:, X] for name in ("thing", "other")], axis=0)[0]
    now = float(scene.seconds[int(np.abs(gap).argmin())])
    return Edited(
        scene, max(0.0, now - 0.2), min(now + 0.2, float(scene.seconds[-1])),
        watched=("thing", "other"),
    )  # fmt: skip


def even_fall(scene: Scene, rng: np.random.Generator) -> Edited:
    """Two things fall from different heights under one gravity."""
    return Edited(scene, 0.0, min(1.6, float(scene.seconds[-1])), watched=("thing", "other"))


def zoom(scene: Scene, rng: np.random.Generator) -> Edited:
    """The camera zooms in, on all alike."""
    body, lasting = scene.body("thing"), 1.2
    at = moment(scene, body, rng, early=0.2, late=0.5)
    start = float(scene.seconds[at])
    most = float(rng.uniform(1.5, 1.8))
    x, y = centres(scene, body)[min(at + 6, len(body.poses) - 1)]

    def zoomed(footage: Footage) -> Footage:
        frames, boxes = footage.frames.copy(), footage.boxes.copy()
        height, width = frames.shape[1:3]
        for index, now in enumerate(footage.seconds):
            factor = most ** float(np.clip((now - start) / lasting, 0, 1))
            left = np.clip(x - width / factor / 2, 0, width - width / factor)
            top = np.clip(y - height / factor / 2, 0, height - height / factor)
            matrix = np.array([[factor, 0, -factor * left], [0, factor, -factor * top]])
            frames[index] = cv2.warpAffine(frames[index], matrix, (width, height))
            boxes[:, index] = (boxes[:, index] - [left, top, 0, 0]) * factor
        return Footage(frames, footage.seconds, boxes)

    return Edited(
        scene, start, min(start + lasting, float(scene.seconds[-1])), after=zoomed
    )  # fmt: skip


def turn(scene: Scene, rng: np.random.Generator) -> Edited:
    """A stiff thing turns in the plane of the picture, and stays stiff."""
    body = scene.body("thing")
    start = float(scene.seconds[moment(scene, body, rng, early=0.2, late=0.5, lasting=0.5)])
    share = np.clip(scene.seconds - start, 0, 1.0)
    turned = with_poses(body, angle=body.poses[:, 3] + share * float(rng.choice([-70, 70])))
    return Edited(scene.swapped(turned), start, min(start + 1, float(scene.seconds[-1])))


def rush(scene: Scene, rng: np.random.Generator) -> Edited:
    """It darts across, smeared by the shutter."""
    body = scene.body("thing")
    way = body.poses[-1, :2] - body.poses[0, :2]
    at = moment(scene, body, rng, early=0.3, late=0.55)
    start = float(scene.seconds[at])
    share = np.clip((scene.seconds - start) / 0.35, 0, 1)
    ease = share**2 * (3 - 2 * share)
    far = 0.25 * scene.ground.shape[2] * np.sign(way[0] or 1.0)
    moved = with_poses(body, x=body.poses[:, X] + far * ease)
    if not is_inside(scene, moved, 0.0)[at : at + 10].all():
        raise UnsuitableError("it would dart out of the frame")
    return Edited(replace(scene.swapped(moved), blur=0.9), start, start + 0.35)


def cut(scene: Scene, rng: np.random.Generator) -> Edited:
    """A cut to another setting of the same scene."""
    clock = scene.seconds
    at = int(np.searchsorted(clock, float(rng.uniform(0.4, 0.6)) * clock[-1]))

    def recut(footage: Footage) -> Footage:
        frames, boxes = footage.frames.copy(), footage.boxes.copy()
        height, width = frames.shape[1:3]
        factor, left, top = 1.6, 0.1 * width, 0.05 * height
        matrix = np.array([[-factor, 0, width + factor * left], [0, factor, -factor * top]])
        for index in range(at, len(frames)):
            tone = np.clip(frames[index] * np.array([1.1, 0.95, 0.8]) + 18, 0, 255)
            frames[index] = cv2.warpAffine(
                tone.astype(np.uint8), matrix, (width, height), borderMode=cv2.BORDER_REFLECT
            )
        x, y, w, h = np.moveaxis(boxes[:, at:], -1, 0)
        x = width + factor * left - factor * (x + w)
        boxes[:, at:] = np.stack([x, (y - top) * factor, w * factor, h * factor], axis=-1)
        return Footage(frames, footage.seconds, boxes)

    return Edited(scene, float(clock[at - 1]), float(clock[at]), watched=(), after=recut)


def flash(scene: Scene, rng: np.random.Generator) -> Edited:
    """Two frames are overexposed."""
    clock = scene.seconds
    at = int(np.searchsorted(clock, float(rng.uniform(0.35, 0.6)) * clock[-1]))

    def flashed(footage: Footage) -> Footage:
        frames = footage.frames.copy()
        bright = frames[at : at + 2].astype(np.float32) * 1.7 + 60
        frames[at : at + 2] = np.clip(bright, 0, 255).astype(np.uint8)
        return replace(footage, frames=frames)

    return Edited(scene, float(clock[at]), float(clock[at + 2]), watched=(), after=flashed)


def grain(scene: Scene, rng: np.random.Generator) -> Edited:
    """Film grain, over everything and at all times."""

    def grained(footage: Footage) -> Footage:
        frames = footage.frames.copy()
        height, width = frames.shape[1:3]
        for index in range(len(frames)):
            noise = rng.normal(0, 14, (height // 2 + 1, width // 2 + 1, 1)).astype(np.float32)
            fine = cv2.resize(noise, (width, height))[..., None]
            frames[index] = np.clip(frames[index] + fine, 0, 255).astype(np.uint8)
        return replace(footage, frames=frames)

    return Edited(scene, 0.0, float(scene.seconds[-1]), watched=(), after=grained)


def stop_motion(scene: Scene, rng: np.random.Generator) -> Edited:
    """Every picture is held for a few frames, all along: animation, or a camera at a low rate."""
    step = int(rng.choice([2, 3, 4]))

    def stepped(footage: Footage) -> Footage:
        shown = np.arange(len(footage.frames)) // step * step
        return Footage(footage.frames[shown], footage.seconds, footage.boxes[:, shown])

    return Edited(scene, 0.0, float(scene.seconds[-1]), watched=(), after=stepped)


def _room(scene: Scene, body: Body) -> float:
    """Below it or above it, whichever has more room."""
    below = float(body.poses[:, 1].mean()) < scene.ground.shape[1] / 2
    return 1.0 if below else -1.0


def _over_the_edge(scene: Scene, *, entering: bool, name: str = "thing") -> Edited:
    """Move a body's way so that it crosses the nearer side of the frame, half-way through."""
    body = scene.body(name)
    _height, width = scene.ground.shape[1:3]
    rightwards = body.poses[-1, X] >= body.poses[0, X]
    size = float(sizes(body).max())
    # The way runs from outside to inside, at least as fast as crossing takes.
    outside = -0.6 * size if rightwards == entering else width + 0.6 * size
    inside = 0.4 * width if outside < 0 else 0.6 * width
    share = np.clip(scene.seconds / scene.seconds[-1] * 1.25 - 0.15, 0, 1)
    way = (outside, inside) if entering else (inside, outside)
    x = way[0] + share * (way[1] - way[0])
    moved = with_poses(body, x=x, opacity=np.ones(len(x)))
    there = np.asarray((x > -size / 2) & (x < width + size / 2))
    partly: NDArray[np.bool_] = there & ((x < size / 2) | (x > width - size / 2))
    if not partly.any():
        raise UnsuitableError("it does not cross the edge")
    start, end = (float(scene.seconds[np.flatnonzero(partly)[i]]) for i in (0, -1))
    shown = scene.swapped(moved)
    assert shown.body(name).poses[:, OPACITY].all()
    return Edited(shown, start, end, watched=(name,))


def _apart_in_depth(seconds: float) -> Law:
    """They do not touch because one is nearer."""
    return Law(passes_through=True)


TWINS: tuple[Event, ...] = tuple(
    replace(event, lawful=True)
    for event in (
        Event("exit", "object-vanish", leaving, on_cut_outs=False),
        Event("entry", "object-appear", entry, on_cut_outs=False),
        Event("occlusion", "object-count-flicker", occlusion),
        Event("second-entry", "object-duplicate", second_entry, on_cut_outs=False),
        Event("cut", "teleport", cut),
        Event("bounce", "impossible-acceleration", bounce, "toss", on_cut_outs=False),
        Event("zoom", "scale-drift", zoom),
        Event("turn", "rigidity-break", turn, on_cut_outs=False),
        Event("rush", "identity-morph", rush, on_cut_outs=False),
        Event("grain", "texture-boiling", grain),
        Event("stop-motion", "duplicated-frames", stop_motion),
        Event("flash", "decoder-rhythm", flash),
        Event("throw", "inverted-gravity", throw, "toss", on_cut_outs=False),
        Event("in-front", "interpenetration", in_front, "pair", _apart_in_depth, on_cut_outs=False),
        Event("even-fall", "uneven-fall", even_fall, "drop", on_cut_outs=False),
        Event("slow-motion", "inverted-gravity", slow_motion, "toss", on_cut_outs=False),
        Event("collision", "interpenetration", collision, "pair", on_cut_outs=False),
        Event("snowfall", "inverted-gravity", snowfall),
        Event("bubbles", "inverted-gravity", bubbles),
    )
)
"""In the order of EVENTS; further ones at the end."""
