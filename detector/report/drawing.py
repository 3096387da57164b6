"""What is burnt into the frames of an overlay: boxes, and a strip below with score and timeline.

The strip stands below the picture and covers none of it: what is judged stays visible whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unreel.detector.records import Measured, Media, Report, WindowScore
from unreel.detector.report import verbal
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.report.findings import boxes_at, boxes_near
from unreel.detector.report.pictures import BOX_COLOUR, Box
from unreel.detector.report.view import windows_of
from unreel.detector.text import printable

GROUND = (24, 28, 35)
QUIET = (120, 130, 145)
WORDS = (240, 243, 247)
CAMERA = (99, 169, 232)
GENERATED = (255, 140, 66)

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in pixels of the written video."""

    width: int
    """Even; one column more than the picture where that is odd."""
    picture_height: int
    strip_height: int

    @property
    def height(self) -> int:
        """Even."""
        return self.picture_height + self.strip_height


def layout_of(media: Media) -> Layout:
    """Room for a strip of a tenth of the picture's height, never too low to be read."""
    strip = min(max(44, round(media.height * 0.1)), 160)
    total = media.height + strip
    return Layout(media.width + media.width % 2, media.height, strip + total % 2)


class Overlay:
    """Draws on one frame after the other.

    Args:
        report: Of the clip, with media and verdict.
        say: Language of the words.
    """

    def __init__(self, report: Report, say: Catalogue) -> None:
        assert report.media is not None and report.verdict is not None
        self._media, self._verdict = report.media, report.verdict
        self._findings = report.findings
        lanes = [e for e in report.evidence if isinstance(e, Measured)]
        self._faces = [track for lane in lanes for track in lane.tracks]
        self._windows = windows_of(report)
        self.layout = layout_of(report.media)
        self._font = _font_scale(self.layout.strip_height)
        self._say = say
        self._ground = self._timeline()

    def draw(self, frame: Frame, t: float) -> Frame:
        """The frame with what belongs to its time, at the size of the layout.

        Args:
            frame: (H, W, 3) RGB as displayed.
            t: Seconds from the first frame.
        """
        drawn = np.empty((self.layout.height, self.layout.width, 3), np.uint8)
        height, width = frame.shape[:2]
        drawn[:height, :width] = frame
        drawn[:height, width:] = frame[:, -1:]
        drawn[height:] = self._ground
        for face in self._faces:
            score = verbal.score(face.score, self._say)
            words = self._say("overlay-face", track=face.track, score=score)
            colour = GENERATED if face.manipulated else CAMERA
            self._boxes(drawn, boxes_near(face.boxes, t, self._media), words, colour)
        for finding in self._findings:
            if finding.t_start <= t <= finding.t_end:
                boxes = boxes_at(finding, t, self._media)
                self._boxes(drawn, boxes, finding.code, BOX_COLOUR)
        self._strip(drawn[height:], t)
        return drawn

    def _boxes(self, drawn: Frame, boxes: list[Box], words: str, colour: Sequence[int]) -> None:
        import cv2

        thick = max(2, round(self._media.height / 240))
        name = ascii_only(words)
        for x, y, w, h in boxes:
            left, top = round(x * self._media.width), round(y * self._media.height)
            right = round((x + w) * self._media.width)
            bottom = round((y + h) * self._media.height)
            cv2.rectangle(drawn, (left, top), (right, bottom), (0, 0, 0), 3 * thick)
            cv2.rectangle(drawn, (left, top), (right, bottom), tuple(colour), thick)
            self._words(drawn, name, (left, max(top - 2 * thick, 12)), colour, on_black=True)

    def _strip(self, strip: Frame, t: float) -> None:
        """Words, score bar and the needle of the timeline, into the strip in place."""
        window = self._window_at(t)
        here = None if window is None else window.score
        words = self._say(
            "overlay-line",
            label=self._say(f"label-{self._verdict.label}"),
            score=verbal.score(self._verdict.score, self._say),
            here=verbal.score(here, self._say),
            time=self._say.number(t, 2),
        )
        middle = strip.shape[0] // 2
        baseline = middle - max(4, strip.shape[0] // 10)
        self._words(strip, ascii_only(words), (6, baseline), WORDS)
        if here is not None:
            self._score_bar(strip, here)
        x = self._x(t)
        strip[middle:, max(0, x - 1) : x + 1] = WORDS

    def _score_bar(self, strip: Frame, score: float) -> None:
        """At the right edge: as high as the score, with the threshold across it."""
        height, wide = strip.shape[0] // 2, max(6, self.layout.width // 60)
        threshold = self._threshold()
        filled = round(score * height)
        colour = GENERATED if score >= threshold else CAMERA
        strip[:height, -wide:] = QUIET
        strip[height - filled : height, -wide:] = colour
        line = min(height - 1, round((1 - threshold) * height))
        strip[line : line + 1, -wide - 3 :] = WORDS

    def _timeline(self) -> Frame:
        """The strip's ground: judged stretches by score, findings as a line below them."""
        ground = np.full((self.layout.strip_height, self.layout.width, 3), GROUND, np.uint8)
        top, bottom = self.layout.strip_height // 2, self.layout.strip_height
        ground[top:bottom] = tuple(channel // 2 for channel in QUIET)
        threshold = self._threshold()
        for window in self._windows:
            score = window.score or 0.0
            rise = max(2, round(score * (bottom - top)))
            colour = GENERATED if score >= threshold else CAMERA
            left, right = self._x(window.t_start), self._x(window.t_end)
            ground[bottom - rise : bottom, left : max(right, left + 2)] = colour
        for finding in self._findings:
            left, right = self._x(finding.t_start), self._x(finding.t_end)
            ground[top : top + 3, left : max(right, left + 2)] = BOX_COLOUR
        return ground

    def _threshold(self) -> float:
        point = self._verdict.operating_point
        return 1.1 if point is None else point.threshold

    def _x(self, t: float) -> int:
        share = t / max(self._media.duration_seconds, 1e-6)
        return min(self.layout.width - 1, max(0, round(share * self.layout.width)))

    def _window_at(self, t: float) -> WindowScore | None:
        return next((w for w in self._windows if w.t_start - 1e-6 <= t <= w.t_end + 1e-6), None)

    def _words(
        self,
        target: Frame,
        text: str,
        place: tuple[int, int],
        colour: Sequence[int],
        on_black: bool = False,
    ) -> None:
        import cv2

        font = cv2.FONT_HERSHEY_SIMPLEX
        if on_black:
            (wide, high), below = cv2.getTextSize(text, font, self._font, 1)
            left, bottom = place
            target[max(0, bottom - high - 2) : bottom + below, max(0, left) : left + wide] = 0
        cv2.putText(target, text, place, font, self._font, tuple(colour), 1, cv2.LINE_AA)


def ascii_only(text: str) -> str:
    """Text that the built-in font can draw: umlauts as two letters, the rest without accents."""
    for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"),
                            ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):  # fmt: skip
        text = text.replace(letter, spelled)
    text = text.replace("\N{EN DASH}", "-")
    plain = unicodedata.normalize("NFKD", printable(text))
    return plain.encode("ascii", "ignore").decode("ascii")[:80]


def _font_scale(strip_height: int) -> float:
    return max(0.35, strip_height / 120)
