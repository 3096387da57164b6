"""How well hands are counted: hands that are planted in camera clips, or taken out of them.

    unreel models pull hands
    python benchmarks/hands.py CORPUS/manifest.csv --faces centerface.onnx

In camera clips in which a hand is seen steadily for long enough one of three things is done to the
small frames that the lane looks at, for about a second: the hand is painted over from its
surroundings (Telea), it dissolves so for good, or a copy of it is put elsewhere beside it. Each
takes 0.2 s to come and to go. What was done, whether the lane says so, and the strongest candidate
are printed clip by clip; a finding counts when it is within 0.4 s of what was done.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import read_manifest
from unreel.detector.config import Limits
from unreel.detector.dense import DenseFrames, Stretch, read_stretches
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.hands.finding import Hand, HandDetector
from unreel.detector.hands.following import HandTrack, face_boxes, follow_hands
from unreel.detector.hands.published import place
from unreel.detector.lanes.limb_counts import limb_candidates
from unreel.detector.media import open_media
from unreel.detector.records import Finding
from unreel.detector.reference import load_reference
from unreel.detector.scenes import Scene
from unreel.detector.shots import find_shots
from unreel.detector.step_maps import map_steps
from unreel.detector.tracking import follow, greys

SECONDS = 1.1
FADE_SECONDS = 0.2
MIN_STEADY = 9
"""Sightings in a row: before, during and after."""
NEAR_SECONDS = 0.4
HOWS = ("gone for a while", "gone for good", "a copy for a while")


def stretch_of(path: Path) -> Stretch | None:
    """The longest stretch of a clip, as the lane gets it."""
    with open_media(path, Limits(wall_seconds_per_request=120)) as reader:
        dense = DenseFrames.planned(reader)
        found = read_stretches(reader, dense, find_shots(reader, closer=dense))
    return max(found, key=lambda s: len(s.frames), default=None)


def scene_of(stretch: Stretch, detector: HandDetector, faces: FaceDetector | None) -> Scene:
    """What limb_candidates needs of a scene."""
    grey = greys(stretch)
    steps = map_steps(stretch.frames, grey)
    points, camera = follow(grey, steps)
    finder = None if faces is None else face_boxes(faces)
    hands = follow_hands(stretch, steps, detector, finder)
    return Scene(stretch, points, camera, steps, (), (), False, hands)


def steady(scene: Scene) -> tuple[HandTrack, int] | None:
    """The surest hand that is seen in MIN_STEADY frames in a row, and the row where these begin."""
    best: tuple[float, HandTrack, int] | None = None
    for track in scene.hands.tracks if scene.hands else ():
        for row in range(len(track.samples) - MIN_STEADY + 1):
            rows = slice(row, row + MIN_STEADY)
            if track.samples[rows][-1] - track.samples[rows][0] != MIN_STEADY - 1:
                continue
            sure = float(track.presence[rows].min())
            if sure >= 0.8 and (best is None or sure > best[0]):
                best = sure, track, row
    return None if best is None else best[1:]


def planted(
    scene: Scene, track: HandTrack, row: int, how: str
) -> tuple[NDArray[np.uint8], float, float] | None:
    """Frames in which it happens, from when until when; None where there is no room."""
    assert scene.hands is not None
    times, frames = scene.stretch.pts_seconds, scene.stretch.frames.copy()
    sampled = scene.hands.indices[track.samples[row : row + MIN_STEADY]]
    hands = track.hands[row : row + MIN_STEADY]
    start = float(times[sampled[3]]) - 0.1
    end = float(times[-1]) + 1 if how == HOWS[1] else start + SECONDS
    aside = np.zeros(2)
    if how == HOWS[2]:
        room = _aside(frames.shape[1:3], hands)
        if room is None:
            return None
        aside = room
    for index in range(len(frames)):
        amount = _amount(float(times[index]), start, end)
        if amount <= 0:
            continue
        hand = _between(sampled, track, row, index)
        if how == HOWS[2]:
            frames[index] = _copied(frames[index], hand, aside, amount)
        else:
            frames[index] = _painted_over(frames[index], hand, amount)
    return frames, start, min(end, float(times[-1]))


def _amount(t: float, start: float, end: float) -> float:
    return float(np.clip(min((t - start) / FADE_SECONDS, (end - t) / FADE_SECONDS), 0, 1))


def _between(sampled: NDArray[np.int64], track: HandTrack, row: int, index: int) -> Hand:
    """The hand in any frame; beyond the last sighting where it was last."""
    boxes = np.array([h.box for h in track.hands[row : row + MIN_STEADY]])
    box = [float(np.interp(index, sampled, boxes[:, k])) for k in range(4)]
    nearest = int(np.abs(sampled - index).argmin())
    return replace(track.hands[row + nearest], box=(box[0], box[1], box[2], box[3]))


def _mask(shape: tuple[int, ...], hand: Hand) -> NDArray[np.float32]:
    """(h, w) 0..1, soft at the rim: palm, fingers and wrist."""
    mask = np.zeros(shape[:2], np.uint8)
    middle = hand.middle + 0.35 * hand.size * np.array(hand.up)
    angle = float(np.degrees(np.arctan2(hand.up[1], hand.up[0])))
    axes = (max(1, round(1.5 * hand.size)), max(1, round(1.0 * hand.size)))
    centre = (round(float(middle[0])), round(float(middle[1])))
    cv2.ellipse(mask, centre, axes, angle, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5), np.float32) / 255


def _painted_over(frame: NDArray[np.uint8], hand: Hand, amount: float) -> NDArray[np.uint8]:
    soft = _mask(frame.shape, hand)
    hard = (soft > 0.02).astype(np.uint8) * 255
    without = cv2.inpaint(frame, hard, 4, cv2.INPAINT_TELEA)
    return _mixed(frame, without, amount * soft)


def _copied(
    frame: NDArray[np.uint8], hand: Hand, aside: NDArray[np.float64], amount: float
) -> NDArray[np.uint8]:
    matrix = np.array([[1, 0, aside[0]], [0, 1, aside[1]]], np.float64)
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(frame, matrix, size, borderMode=cv2.BORDER_REFLECT)
    soft = cv2.warpAffine(_mask(frame.shape, hand), matrix, size)
    return _mixed(frame, moved, amount * np.asarray(soft, np.float32))


def _mixed(
    frame: NDArray[np.uint8], other: NDArray[np.uint8], share: NDArray[np.float32]
) -> NDArray[np.uint8]:
    mixed = frame + share[..., None] * (other.astype(np.float32) - frame)
    return np.asarray(mixed.round(), np.uint8)


def _aside(shape: tuple[int, int], hands: tuple[Hand, ...]) -> NDArray[np.float64] | None:
    """Where a copy stays inside of the frame, apart from the hand."""
    size = max(h.size for h in hands)
    for x, y in ((1, 0), (-1, 0), (0.7, -0.7), (-0.7, -0.7), (0, -1), (0, 1)):
        way = 3.2 * size * np.array([x, y])
        ends = np.array([h.middle for h in hands]) + way
        if (ends > 2 * size).all() and (ends < np.array(shape[::-1]) - 2 * size).all():
            return way
    return None


def near(found: list[Finding], start: float, end: float) -> list[Finding]:
    """Findings at the time of the event."""
    return [f for f in found if f.t_start <= end + NEAR_SECONDS and f.t_end >= start - NEAR_SECONDS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--hands", type=Path, help="folder; default: what was pulled")
    parser.add_argument("--faces", type=Path, help="CenterFace or YuNet")
    parser.add_argument("--clips", type=int, default=30, help="with a steady hand")
    parser.add_argument("--only", help="part of the names")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each event")
    parser.add_argument("--seconds", type=float, default=1e9)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    detector = HandDetector(asked.hands or place())
    faces = None if asked.faces is None else FaceDetector(asked.faces)
    reference, tally, used = load_reference("hands"), defaultdict(list), 0
    started = time.monotonic()
    for clip in read_manifest(asked.manifest):
        if clip.label != "real" or (asked.only and asked.only not in clip.path.name):
            continue
        if used == asked.clips or time.monotonic() - started > asked.seconds:
            break
        stretch = stretch_of(clip.path)
        scene = None if stretch is None else scene_of(stretch, detector, faces)
        hand = None if scene is None else steady(scene)
        if scene is None or hand is None:
            continue
        used += 1
        quiet = reference.judged(limb_candidates(scene))
        for how in HOWS:
            made = planted(scene, *hand, how)
            if made is None:
                continue
            frames, start, end = made
            again = scene_of(replace(scene.stretch, frames=frames), detector, faces)
            candidates = near(limb_candidates(again), start, end)
            said = near(list(reference.judged(candidates)), start, end)
            best = max((f.value for f in candidates), default=0.0)
            kinds = "+".join(sorted({f.statistic.split()[0] for f in said})) or "-"
            tally[how].append(bool(said))
            print(
                f"{clip.path.name}: {how} {start:.1f}-{end:.1f} s: {kinds} (strongest {best:.2f}; "
                f"{len(quiet)} before)", flush=True,
            )  # fmt: skip
            if asked.pictures:
                _picture(asked.pictures / f"{clip.path.stem}-{HOWS.index(how)}.png", again, start)
    for how, hits in tally.items():
        print(f"{how}: {sum(hits)} of {len(hits)} found")


def _picture(target: Path, scene: Scene, start: float) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    times = scene.stretch.pts_seconds
    rows = [int(np.abs(times - t).argmin()) for t in (start - 0.2, start + 0.5, start + 1.5)]
    cv2.imwrite(str(target), np.hstack([scene.stretch.frames[r] for r in rows])[..., ::-1])


if __name__ == "__main__":
    main()
