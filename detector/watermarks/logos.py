"""Visible logos that generators put into the lower right corner.

Measures: normalised correlation of the corner with templates that are drawn here, over a few sizes;
    found is what stands at one place in enough of the frames.
Why generators leave it: free plans of services mark what they give away.
Blind: where it was cropped, covered or painted over; logos that move (Sora) or of which no sample
    was at hand to check a template against (Veo, Kling, Hailuo): those are not looked for. A logo
    can also be pasted onto anything.
Source: drawn by eye after the logos of Pika (1.0) and Runway (Gen-2); template matching as in
    Lewis, Fast Normalized Cross-Correlation (1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.detector.provenance.records import Watermark
from unreel.detector.records import Sample
from unreel.detector.watermarks.rates import false_alarm_rate

NAME = "logos"
WORKING_HEIGHT = 360
"""Pixels of the frame's height while it is looked at."""
CORNER = (0.30, 0.35)
"""Share of height and width that is looked at."""
PER_WINDOW, MAX_CORNERS = 4, 24
"""Frames that are looked at."""
Picture = NDArray[np.float32]
SIZES = (0.80, 0.86, 0.93, 1.0, 1.08, 1.16, 1.25)


@dataclass(frozen=True, slots=True)
class Logo:
    """What is looked for, and when it counts as found."""

    threshold: float
    """Least correlation."""
    share: float
    """Of the frames that must show it at one place, two at least."""
    forms: int = 1
    """Drawings of it."""


LOGOS = {"Pika": Logo(0.60, 0.8), "Runway Gen-2": Logo(0.70, 0.1, forms=3)}
"""Runway's dots circle each other and merge into one: only some frames show all three."""
LEAST_COLOUR = 80
"""Each of red, green and blue must stand out from grey by so much (0 to 255) somewhere."""
MAX_DRIFT = 5
"""Pixels of the working size."""


class LogoDecoder:
    """Keeps small corners of a few frames, then looks for each logo."""

    def __init__(self) -> None:
        self._corners: list[Picture] = []

    def add(self, sample: Sample) -> None:
        """Keep the corners of a few frames of a window, evenly spread."""
        last = len(sample.frames) - 1
        for index in sorted({last * step // (PER_WINDOW - 1) for step in range(PER_WINDOW)}):
            if len(self._corners) < MAX_CORNERS:
                self._corners.append(corner_of(sample.frames[index]))

    def finish(self) -> Watermark:
        """The logo that is there, if one is."""
        if not self._corners:
            return Watermark(NAME, "skipped", "no frame to look at")
        corners = [corner for corner in self._corners if corner.shape == self._corners[0].shape]
        fits = {name: persistent_fit(name, corners) for name in LOGOS}
        best = max(fits, key=lambda name: fits[name] - LOGOS[name].threshold)
        rate = false_alarm_rate(NAME)
        if fits[best] < LOGOS[best].threshold:
            said = f"no logo of {' or '.join(LOGOS)} in the lower right corner"
            return Watermark(NAME, "not-found", said, round(fits[best], 4), rate)
        said = f"the logo of {best} stands in the lower right corner (correlation {fits[best]:.2f})"
        return Watermark(NAME, "found", said, round(fits[best], 4), rate)


def corner_of(frame: NDArray[np.uint8]) -> Picture:
    """The lower right corner, (h, w, 3) RGB, at the working size.

    Args:
        frame: (H, W, 3) RGB.
    """
    height, width = frame.shape[:2]
    part = frame[-round(height * CORNER[0]) :, -round(width * CORNER[1]) :]
    scale = WORKING_HEIGHT / height
    size = (max(8, round(part.shape[1] * scale)), max(8, round(part.shape[0] * scale)))
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def persistent_fit(name: str, corners: list[Picture]) -> float:
    """How well a logo fits at one place: the value that enough of the frames reach there.

    Each frame is searched by itself, for some logos move a little; a fit elsewhere counts as none.
    """
    fits = [_best_fit(name, _prepared(name, corner)) for corner in corners]
    _, centre = max(fits, key=lambda fit: fit[0])
    values = [v if np.abs(place - centre).max() <= MAX_DRIFT else -1.0 for v, place in fits]
    needed = min(len(values), max(2, math.ceil(LOGOS[name].share * len(values))))
    return sorted(values, reverse=True)[needed - 1]


def _best_fit(name: str, corner: Picture) -> tuple[float, NDArray[np.float64]]:
    """Correlation with the best of all sizes and forms, and where its middle lies."""
    best, at = -1.0, np.zeros(2)
    if corner.ndim == 3 and corner.max(axis=(0, 1)).min() < LEAST_COLOUR:
        return best, at  # no pure red, green and blue: most footage is done with here
    for form in range(LOGOS[name].forms):
        for scale in SIZES:
            template = template_of(name, scale, form)
            height, width = template.shape[:2]
            if height > corner.shape[0] or width > corner.shape[1]:
                continue
            fit = cv2.matchTemplate(corner, template, cv2.TM_CCOEFF_NORMED)
            _, value, _, place = cv2.minMaxLoc(fit)
            if np.isfinite(value) and value > best:
                best, at = float(value), np.array([place[0] + width / 2, place[1] + height / 2])
    return best, at


def _prepared(name: str, corner: Picture) -> Picture:
    """Lettering stands out in brightness from what is around it; the dots in colour."""
    if name != "Pika":
        return np.asarray(corner - corner.mean(axis=2, keepdims=True), np.float32)
    grey = corner.mean(axis=2)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), 12), np.float32)


@cache
def template_of(name: str, scale: float, form: int = 0) -> Picture:
    """The drawn logo at the working size; (h, w) for lettering, (h, w, 3) for colours."""
    drawn = _pika() if name == "Pika" else _runway(form)
    unit = {"Pika": 24.5 / 196, "Runway Gen-2": 11.7 / 64}[name] * scale
    size = (round(drawn.shape[1] * unit), round(drawn.shape[0] * unit))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    if name == "Pika":
        return np.asarray(small - cv2.GaussianBlur(small, (0, 0), 12), np.float32)
    return np.asarray(small - small.mean(axis=2, keepdims=True), np.float32)


def _pika() -> Picture:
    """The word in wide letters, 196 units high, with a margin of 24."""
    canvas = np.zeros((196 + 48, 620 + 48), np.float32)
    stroke = 30

    def line(*points: tuple[int, int]) -> None:
        moved = np.array([(x + 24, y + 24) for x, y in points], np.int32)
        cv2.polylines(canvas, [moved], False, 255, stroke, cv2.LINE_AA)

    def arc(centre: tuple[int, int], axes: tuple[int, int], start: int, end: int) -> None:
        middle = (centre[0] + 24, centre[1] + 24)
        cv2.ellipse(canvas, middle, axes, 0, start, end, 255, stroke, cv2.LINE_AA)

    line((16, 196), (16, 14), (112, 14))  # P
    arc((112, 64), (56, 50), -90, 90)
    line((112, 114), (16, 114))
    line((224, 44), (224, 196))  # i
    line((224, 4), (224, 14))
    line((280, 0), (280, 196))  # k
    line((424, 30), (288, 112))
    line((330, 92), (432, 190))
    arc((528, 78), (76, 48), -165, 0)  # a
    line((604, 78), (604, 196))
    line((604, 100), (510, 108))
    arc((510, 144), (52, 36), 90, 270)
    line((510, 180), (560, 176))
    arc((556, 128), (48, 48), 0, 90)
    return canvas


def _runway(form: int) -> Picture:
    """Three soft discs of light, red, green and blue, 70 units in radius, that add up to white."""
    canvas = np.full((340, 330, 3), 90, np.float32)
    centres = (
        ((120, 110), (160, 205), (205, 145)),  # red, green, blue
        ((120, 115), (200, 185), (215, 115)),
        ((130, 120), (135, 200), (200, 155)),
    )[form]
    lights = np.zeros_like(canvas)
    for channel, centre in enumerate(centres):
        disc = np.zeros(canvas.shape[:2], np.float32)
        cv2.circle(disc, centre, 70, 1.0, -1, cv2.LINE_AA)
        lights[..., channel] = cv2.GaussianBlur(disc, (0, 0), 16)
    covered = lights.max(axis=2, keepdims=True)
    return np.asarray(canvas * (1 - covered) + 255 * lights, np.float32)
