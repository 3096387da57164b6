"""Faces lane: is a face swapped, reenacted, or its mouth drawn anew, in footage that may be real?

Measures: each face that is large enough and seen long enough, followed through its shot and cut out
    upright: how fine detail falls off and how much moves in each part of it, against the others
    (detector/faces/statistics.py), weighed by a line.
Why manipulation leaves it: a face that was made elsewhere is blended in; sharpness, colours and
    compression change at its rim or around the mouth, and no network paints skin like a lens.
Blind: faces below 48 pixels, whole frames that are generated (the learned lane's matter), what is
    said against what is heard: sound is not looked at. Heavy compression and beauty filters look
    like drawing anew.
Source: self-blended images (Shiohara & Yamasaki 2022) for what it is fitted on; a face against its
    own surroundings as in Face X-ray (Li et al. 2020).
Command: unreel scan --face-detector FILE, after `unreel models pull faces` without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unreel.detector.faces.finding import FaceDetector
from unreel.detector.faces.looking import FaceSearch
from unreel.detector.faces.tracks import MIN_SIZE, FaceTrack
from unreel.detector.records import (
    Evidence,
    FacePicture,
    FaceTrackScore,
    Finding,
    Measured,
    OperatingPoint,
    Sample,
    Skipped,
)

if TYPE_CHECKING:
    from unreel.detector.faces.judging import FaceLogits, FaceModel

NAME = "faces"
CODE = "face-manipulated"
STATISTIC = "score of a face over its track"
NO_DETECTOR = "no face detector: `unreel models pull faces` fetches one, --face-detector names one"
MIN_FRAMES = 4
"""Of one face that were looked at."""
MAX_TRACKS = 4
"""Largest faces of a clip that are judged."""
CHECKED = ("size of the face", "number of frames", "cut")


class FacesLane:
    """Collects faces as windows are decoded, then judges them.

    Args:
        detector: Finds faces; None = there is none, and the lane is skipped.
    """

    def __init__(self, detector: FaceDetector | None) -> None:
        self._search = FaceSearch(detector) if detector else None
        self._pictures: list[FacePicture] = []

    def add(self, sample: Sample) -> None:
        """Look for faces in the frames of one window."""
        if self._search is not None:
            self._search.add(sample.window.shot, sample.frames, sample.pts_seconds)

    def finish(self) -> Evidence:
        """Judge what was found."""
        if self._search is None:
            return Skipped(NAME, NO_DETECTOR)
        tracks = self._search.tracks()
        usable = [t for t in tracks if len(t.crops) >= MIN_FRAMES][:MAX_TRACKS]
        if not usable:
            return Skipped(NAME, why_none(tracks, self._search.searched))
        from unreel.detector.faces.judging import load_face_model

        model = load_face_model()
        point = model.point
        judged = [self._judge(number, t, model) for number, t in enumerate(usable, start=1)]
        scores = tuple(score for score, _ in judged)
        findings = tuple(
            finding_of(score, track, logits, point, model)
            for (score, logits), track in zip(judged, usable, strict=True)
            if score.manipulated
        )
        strongest = max(scores, key=lambda s: s.logit)
        return Measured(
            NAME, strongest.logit, (), findings, strongest.score, tracks=scores, point=point
        )

    def recheck(self, crf: int) -> float | None:
        """Nothing: no face is judged again after a re-encode."""
        return None

    def pictures(self) -> tuple[FacePicture, ...]:
        """The faces that were judged by `finish`."""
        return tuple(self._pictures)

    def _judge(
        self, number: int, track: FaceTrack, model: FaceModel
    ) -> tuple[FaceTrackScore, FaceLogits]:
        logits = model.judge(track.crops, track.pts_seconds)
        value = float(logits.frames.mean())
        loudest = int(np.argmax(logits.frames))
        self._pictures.append(
            FacePicture(
                number,
                float(track.pts_seconds[loudest]),
                track.crops[loudest].copy(),
                logits.places(),
            )
        )
        span = model.span(track.pts_seconds, logits.frames)
        score = model.calibration.score(value)
        found = FaceTrackScore(
            track=number,
            shot=track.shot,
            t_start=float(track.pts_seconds[0]),
            t_end=float(track.pts_seconds[-1]),
            frames=len(track.crops),
            size=round(track.size, 1),
            logit=value,
            score=score,
            manipulated=score >= model.point.threshold,
            strongest=span,
            boxes=boxes_of(track),
        )
        return found, logits


def why_none(tracks: list[FaceTrack], searched: int) -> str:
    """Why there is no face to judge."""
    if not tracks:
        return f"no face in the {searched} frames that were looked at"
    largest = max(t.size for t in tracks)
    if largest < MIN_SIZE:
        return f"face too small: {largest:.0f} pixels, {MIN_SIZE:.0f} are needed"
    longest = max(len(t.crops) for t in tracks)
    return f"too few frames: a face is seen in {longest}, {MIN_FRAMES} are needed"


def boxes_of(track: FaceTrack) -> tuple[tuple[float, float, float, float, float], ...]:
    """(t, x, y, w, h) of each frame."""
    rows = np.column_stack([track.pts_seconds, track.boxes]).tolist()
    return tuple((t, x, y, w, h) for t, x, y, w, h in rows)


def finding_of(
    score: FaceTrackScore,
    track: FaceTrack,
    logits: FaceLogits,
    point: OperatingPoint,
    model: FaceModel,
) -> Finding:
    """What a person can go and look at."""
    t_start, t_end = score.strongest
    boxes = tuple(box for box in boxes_of(track) if t_start <= box[0] <= t_end)
    share = model.calibration.percentile_among_real(score.logit, point.bucket)
    clips = model.calibration.real_clips
    where = max(logits.parts, key=lambda part: logits.parts[part])
    return Finding(
        code=CODE,
        lane=NAME,
        t_start=t_start,
        t_end=t_end,
        boxes=boxes,
        statistic=STATISTIC,
        value=score.score,
        percentile_among_real=share,
        confounders_checked=CHECKED,
        explanation=(
            f"the face of track {score.track} looks blended in or drawn anew, most at the {where} "
            f"(as strong in {round((1 - share) * clips)} of {clips} camera clips with faces)"
        ),
        series=tuple(
            (float(t), round(model.calibration.score(float(x)), 4))
            for t, x in zip(track.pts_seconds, logits.frames, strict=True)
        ),
    )
