"""Free flight and its breaches: things that turn round in the air, fall unevenly, jerk about.

A thing in free flight has one constant acceleration, downwards in the picture, and none sideways,
whatever the frame rate, the scale or slow motion. So no number of metres is needed:

    inverted-gravity         downwards first, then upwards as steadily, with nothing to push it
    uneven-fall              two things fall from rest; t1^2 / t2^2 must be h1 / h2
    impossible-acceleration  thrown to and fro several times within a moment

A tilted camera turns "down" by its tilt, which the test for sideways acceleration allows for up
to some fifteen degrees; slow motion stretches all times alike. What swings, is held, flies or
floats is not in free flight: that is why an acceleration must be constant to the pixel, and its
change sudden.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unreel.detector.lanes.body_findings import body_finding
from unreel.detector.records import Finding
from unreel.detector.rigid_bodies import Body
from unreel.detector.scenes import Scene

MIN_FLIGHT_SECONDS = 0.3
MAX_FALL_SECONDS = 2.5
"""From thirty metres; in slow motion the beginning of a fall is enough."""
MIN_BEND = 0.02
"""Share of the frame's height that a parabola must leave its chord by, to be one."""
MAX_SIDEWAYS = 0.3
"""Sideways acceleration against that along the picture: 16 degrees of camera tilt."""
JERK_SECONDS = 0.6
FLIGHT_FLOOR, FALL_FLOOR = 6.0, 7.0
"""Less sharp parabolas are not kept as candidates."""
FLIGHT_STATISTIC, FALL_STATISTIC = "sharpness of both parabolas", "log ratio x sharpness"
JERK_STATISTIC = "widths per second"
JERK_FLOOR = 0.1


@dataclass(frozen=True, slots=True)
class Flight:
    """A stretch of a body's way with one constant acceleration."""

    body: Body
    first: int
    last: int
    """Positions within the body's arrays."""
    acceleration: float
    """Small pixels a second squared, down the picture positive."""
    sharpness: float
    """Sagitta of the parabola against the rms of what it leaves."""
    rest: float
    """Rms of what the parabola leaves, small pixels."""
    speed_at_start: float
    """Down the picture, small pixels a second."""


def inverted_gravity(scene: Scene, bodies: tuple[Body, ...]) -> list[Finding]:
    """Bodies whose fall turns into a rise that is as steady."""
    found = []
    for body in bodies:
        best = _turn(scene, body)
        if best is not None and best[1] >= FLIGHT_FLOOR:
            at, value, ratio = best
            clock = scene.stretch.pts_seconds[body.indices]
            end = len(clock) - 1
            said = (
                f"a thing that was falling is pulled upwards from {clock[at]:.2f} s on, "
                f"{ratio:.1f} times as strongly and as steadily, and nothing touches it"
            )
            checked = (
                "up and down are those of the picture: a camera tilted by more than about 15 "
                "degrees is left out",
                "slow motion does not change the sign of an acceleration",
                "the way before is a fall: what is lifted or flies does not begin so",
            )
            found.append(
                body_finding(scene, ((body, at, end),), "inverted-gravity", FLIGHT_STATISTIC,
                         value, checked, said)
            )  # fmt: skip
    return found


def _turn(scene: Scene, body: Body) -> tuple[int, float, float] | None:
    """Position of the turn, statistic, and how strong the second pull is against the first."""
    clock = scene.stretch.pts_seconds[body.indices]
    least = max(4, int(np.ceil(MIN_FLIGHT_SECONDS / max(float(np.median(np.diff(clock))), 1e-3))))
    best: tuple[int, float, float] | None = None
    for at in range(least, len(clock) - least):
        one = _fly(scene, body, max(0, at - 4 * least), at)
        two = _fly(scene, body, at, min(len(clock) - 1, at + 4 * least))
        if one is None or two is None or one.acceleration <= 0 or two.acceleration >= 0:
            continue
        ratio = -two.acceleration / one.acceleration
        value = min(one.sharpness, two.sharpness)
        if not _is_sudden(clock, body.centres[:, 1], one, two):
            continue
        if 0.3 < ratio < 3.5 and (best is None or value > best[1]):
            best = at, value, ratio
    return best


def _is_sudden(
    clock: NDArray[np.float64], y: NDArray[np.float64], one: Flight, two: Flight
) -> bool:
    """The pull turns round at once; of what swings it does so bit by bit, as in a cubic."""
    part = slice(one.first, two.last + 1)
    rest = np.polynomial.Polynomial.fit(clock[part], y[part], 3)(clock[part]) - y[part]
    return float(np.sqrt((rest**2).mean())) > 2 * (max(one.rest, two.rest) + 0.1)


def uneven_fall(scene: Scene, bodies: tuple[Body, ...]) -> list[Finding]:
    """Pairs of bodies that fall from rest at the same time under unlike gravity."""
    falls = [fall for body in bodies if (fall := _fall(scene, body)) is not None]
    found = []
    for one, two in combinations(falls, 2):
        if one.acceleration < two.acceleration:
            one, two = two, one
        shared = _overlap_seconds(scene, one, two)
        ratio = one.acceleration / two.acceleration
        if shared < MIN_FLIGHT_SECONDS or ratio < 1.3:
            continue
        value = float(np.log(ratio)) * min(one.sharpness, two.sharpness, 20.0)
        if value < FALL_FLOOR:
            continue
        said = (
            f"two things fall at the same time, one {ratio:.1f} times as fast as the other: "
            "t1^2 / t2^2 is not h1 / h2"
        )
        checked = (
            "frame rate and slow motion cancel: both are in the same frames",
            "both begin at rest and move straight down the picture",
            "not excluded: one is so much farther from the camera that it looks slower",
        )
        found.append(
            body_finding(scene, tuple((f.body, f.first, f.last) for f in (two, one)),
                         "uneven-fall", FALL_STATISTIC, value, checked, said)
        )  # fmt: skip
    return found


def _fall(scene: Scene, body: Body) -> Flight | None:
    """The sharpest flight that begins nearly at rest and goes down: to where the thing lands."""
    best: Flight | None = None
    clock = scene.stretch.pts_seconds[body.indices]
    within = int(np.searchsorted(clock, clock[0] + MAX_FALL_SECONDS))
    for last in range(5, min(within, len(clock))):
        flight = _fly(scene, body, 0, last)
        if flight is None or flight.acceleration <= 0:
            continue
        if abs(flight.speed_at_start) >= 0.35 * flight.acceleration * _seconds(scene, body, flight):
            continue
        if best is None or flight.sharpness >= best.sharpness:
            best = flight
    return best


def jerks(scene: Scene, bodies: tuple[Body, ...]) -> list[Finding]:
    """Bodies that are thrown to and fro: the third strongest turn within a moment counts."""
    width = scene.stretch.frames.shape[2]
    found = []
    for body in bodies:
        clock = scene.stretch.pts_seconds[body.indices]
        if len(clock) < 6:
            continue
        steps = np.diff(body.centres, axis=0) / np.diff(clock)[:, None]
        turns = np.linalg.norm(np.diff(steps, axis=0), axis=1) / width  # widths a second
        # A turn is sudden: neither half-way there before nor going on after.
        usual = float(np.median(turns))
        best, where = 0.0, 0
        for at in range(len(turns)):
            inside = (clock[1:-1] >= clock[at + 1]) & (clock[1:-1] < clock[at + 1] + JERK_SECONDS)
            if inside.sum() >= 3:
                third = float(np.sort(turns[inside])[-3])
                if third > best:
                    best, where = third, at
        value = best * best / (best + 4 * usual + 1e-6)
        if value < JERK_FLOOR:
            continue
        last = int(np.searchsorted(clock, clock[where] + JERK_SECONDS, side="right")) - 1
        said = (
            f"a thing changes its speed by {best:.2f} picture widths a second three times between "
            f"{clock[where]:.2f} and {clock[last]:.2f} s, and stays stiff"
        )
        checked = (
            "the camera's own motion is taken out",
            "one bounce or blow is one turn: at least three are asked for",
            "not excluded: hands, tools and strings that are shaken do the same",
        )
        found.append(
            body_finding(scene, ((body, where, last),), "impossible-acceleration",
                         JERK_STATISTIC, value, checked, said)
        )  # fmt: skip
    return found


def _fly(scene: Scene, body: Body, first: int, last: int) -> Flight | None:
    """The parabola through a part of a body's way; None where there is none, or sideways."""
    clock = scene.stretch.pts_seconds[body.indices[first : last + 1]]
    if len(clock) < 5 or clock[-1] - clock[0] < MIN_FLIGHT_SECONDS:
        return None
    time = clock - clock[0]
    y, x = body.centres[first : last + 1, 1], body.centres[first : last + 1, 0]
    bend, rest, speed = _parabola(time, y)
    sideways, _, _ = _parabola(time, x)
    sagitta = abs(bend) * float(time[-1]) ** 2 / 8
    if sagitta < MIN_BEND * scene.stretch.frames.shape[1]:
        return None
    if abs(sideways) > MAX_SIDEWAYS * abs(bend):
        return None
    return Flight(body, first, last, bend, sagitta / (rest + 0.3), rest, speed)


def _parabola(time: NDArray[np.float64], place: NDArray[np.float64]) -> tuple[float, float, float]:
    """Acceleration, rms of what is left, and speed at the start, by least squares."""
    columns = np.stack([np.ones_like(time), time, 0.5 * time**2], axis=1)
    fit, *_ = np.linalg.lstsq(columns, place, rcond=None)
    rest = float(np.sqrt(((place - columns @ fit) ** 2).mean()))
    return float(fit[2]), rest, float(fit[1])


def _seconds(scene: Scene, body: Body, flight: Flight) -> float:
    clock = scene.stretch.pts_seconds[body.indices]
    return float(clock[flight.last] - clock[flight.first])


def _overlap_seconds(scene: Scene, one: Flight, two: Flight) -> float:
    spans = [
        scene.stretch.pts_seconds[f.body.indices[[f.first, f.last]]] for f in (one, two)
    ]  # fmt: skip
    return float(min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0]))
