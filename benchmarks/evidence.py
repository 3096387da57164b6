"""What the evidence lanes find, and how often they are wrong; makes the reference in the package.

    unreel pairs plant CORPUS/manifest.csv planted/         # events and their lawful twins
    unreel train-paths --manifest CORPUS/manifest.csv --planted others/ --out runs/paths
    python benchmarks/evidence.py measure CORPUS/manifest.csv --planted planted --into evidence/ \
        --path-heads runs/paths
    python benchmarks/evidence.py reference CORPUS/manifest.csv evidence/*.jsonl
    python benchmarks/evidence.py tables CORPUS/manifest.csv evidence/*.jsonl --planted planted

`measure` decodes once and keeps every candidate, however weak; it is taken up where it stopped,
also after --seconds. --planted may be given more than once.
`reference` writes detector/reference.json from the camera clips. Both are for an idle machine.
`tables` never judges a clip by a threshold that its own group took part in: thresholds are chosen
on the camera clips of the other folds (unreel.data.splits). With --detector FILE both modes are
measured; they are printed apart. With --hands DIR (`unreel models pull hands`) only hands are
counted, and --faces FILE tells how many people there are: the third mode, which is printed together
with what is found without any detector.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from evidence_rows import MARGIN, allowed, maxima, planted_in, read_rows
from evidence_tables import tables

from unreel.data.manifest import read_manifest
from unreel.detector.config import EVIDENCE_LANES, Limits
from unreel.detector.detecting import ObjectDetector
from unreel.detector.evidence import EvidenceLanes
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.hands.finding import HandDetector
from unreel.detector.lanes.cadence import HELD, HELD_STATISTIC
from unreel.detector.lanes.flight import FALL_STATISTIC, FLIGHT_STATISTIC
from unreel.detector.lanes.hand_numbers import CODE as LIMBS
from unreel.detector.lanes.hand_numbers import TOO_MANY
from unreel.detector.lanes.limb_counts import CHANGED
from unreel.detector.lanes.object_counts import STATISTIC as count_statistic
from unreel.detector.lanes.objects import TWICE, ObjectsLane
from unreel.detector.lanes.particles import STATISTIC as PARTICLE_STATISTIC
from unreel.detector.lanes.passing import STATISTIC as PASSING_STATISTIC
from unreel.detector.media import open_media
from unreel.detector.object_tracks import track_objects
from unreel.detector.path_judge import PathHead, load_path_head
from unreel.detector.records import Finding
from unreel.detector.reference import PATH, as_dict
from unreel.detector.scenes import ClipScenes, Finders
from unreel.detector.shots import find_shots
from unreel.training.path_run import fold_of, fold_of_each

_RARE_LAWS = [
    ("inverted-gravity", FLIGHT_STATISTIC),
    ("inverted-gravity", PARTICLE_STATISTIC),
    ("interpenetration", PASSING_STATISTIC),
    ("uneven-fall", FALL_STATISTIC),
]
NEVER_SEEN = {
    ("plain", "objects"): [("object-duplicate", TWICE)],
    ("detector", "objects"): [
        ("object-duplicate", TWICE),
        ("object-count-flicker", count_statistic),
    ],
    ("plain", "physics"): _RARE_LAWS,
    ("detector", "physics"): _RARE_LAWS,
    ("hands", "objects"): [(LIMBS, CHANGED), (LIMBS, TOO_MANY)],
    ("plain", "residual"): [(HELD, HELD_STATISTIC)],
    ("detector", "residual"): [(HELD, HELD_STATISTIC)],
}
"""Statistics of lanes that need not have a candidate in any clip."""
MAX_BOXES = 12
"""Kept of a candidate: enough for the overlap of boxes."""


# ---------------------------------------------------------------------------------------- measure


def measure(args: argparse.Namespace) -> None:
    """Candidates of all clips, a line of JSON for each clip, lane and mode."""
    detector = None if args.detector is None else ObjectDetector(args.detector)
    if args.hands is not None:
        find_faces = None if args.faces is None else FaceDetector(args.faces)
        finders = Finders(hands=HandDetector(args.hands), faces=find_faces)
    corpus, planted = read_manifest(args.manifest), planted_in(args.planted)
    clips = [(c.path, c.path.name, "real" if c.label == "real" else "generated") for c in corpus]
    clips += [(path, p.file, "planted") for path, p in planted]
    heads = args.path_heads
    fold = fold_of_each(corpus)
    fold |= {p.file: fold_of(p, fold) for _, p in planted}
    # What thresholds are made of comes first: a run that is cut short has them.
    clips.sort(key=lambda clip: ("real", "planted", "generated").index(clip[2]))
    args.into.mkdir(parents=True, exist_ok=True)
    target = args.into / ("plain.jsonl" if detector is None else "both.jsonl")
    if args.hands is not None:
        target = args.into / "hands.jsonl"
    done = {row.clip for row in read_rows([target])} if target.exists() else set()
    started = time.monotonic()
    with target.open("a", encoding="utf-8") as out:
        for number, (path, name, kind) in enumerate(clips, 1):
            if name in done:
                continue
            if args.seconds and time.monotonic() - started > args.seconds:
                raise SystemExit(f"{number - 1} of {len(clips)} clips; call again to go on")
            head = None if heads is None else load_path_head(heads / f"fold{fold[name]}.npz")
            found = hands_of(path, finders) if args.hands else measured(path, detector, head)
            rows = [{"clip": name, "set": kind, **row} for row in found]
            out.write("".join(json.dumps(row) + "\n" for row in rows))
            out.flush()
            print(f"{number}/{len(clips)} {name}", flush=True)


def measured(
    path: Path, detector: ObjectDetector | None, head: PathHead | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of one clip in one mode or in both, decoded once."""
    with open_media(path, Limits(wall_seconds_per_request=120)) as reader:
        lanes = EvidenceLanes(EVIDENCE_LANES, reader, Finders(paths=head))
        shots = find_shots(reader, closer=lanes.closer, glance=lanes.glance)
        found, clip = lanes.candidates(shots)
    flow = None
    if clip is not None and clip.scenes:
        steps = [
            float(np.linalg.norm(step.flow, axis=-1).mean())
            / float(np.diff(scene.stretch.pts_seconds).mean())
            for scene in clip.scenes
            for step in scene.steps
        ]
        flow = float(np.mean(steps))
    modes = {"plain": found}
    if detector is not None:
        # Names of things concern one lane alone: the others say the same in both modes.
        modes["detector"] = [f for f in found if f.lane != ObjectsLane.name]
        if clip is not None:
            modes["detector"] += ObjectsLane().candidates(named(clip, detector))
    for mode, candidates in modes.items():
        for lane in EVIDENCE_LANES:
            yield {
                "lane": lane, "mode": mode, "flow": flow,
                "findings": [short(f) for f in candidates if f.lane == lane],
            }  # fmt: skip


def hands_of(path: Path, finders: Finders) -> Iterator[dict[str, Any]]:
    """The row of one clip in the mode that counts hands."""
    with open_media(path, Limits(wall_seconds_per_request=120)) as reader:
        lanes = EvidenceLanes((ObjectsLane.name,), reader, finders)
        shots = find_shots(reader, closer=lanes.closer, glance=lanes.glance)
        found, _ = lanes.candidates(shots)
    counted = [short(f) for f in found if f.code == LIMBS]
    yield {"lane": ObjectsLane.name, "mode": "hands", "flow": None, "findings": counted}


def named(clip: ClipScenes, detector: ObjectDetector) -> ClipScenes:
    """The same scenes with the things that a detector sees in them, as build_scene would."""
    scenes = []
    for scene in clip.scenes:
        frames = scene.stretch.frames
        seen = [detector.detect(frame) for frame in frames]
        things = track_objects(seen, scene.stretch.pts_seconds, frames, scene.camera)
        scenes.append(replace(scene, objects=things, has_names=True))
    return replace(clip, scenes=tuple(scenes))


def short(finding: Finding) -> dict[str, Any]:
    """A candidate as it is kept."""
    step = max(1, len(finding.boxes) // MAX_BOXES)
    return {**asdict(finding), "boxes": finding.boxes[::step][:MAX_BOXES]}


# -------------------------------------------------------------------------------------- reference


def reference(args: argparse.Namespace) -> None:
    """Write reference.json from the camera clips."""
    real = {c.path.name for c in read_manifest(args.manifest) if c.label == "real"}
    rows = read_rows(args.rows)
    # Modes of which no rows are given stay as they were measured.
    modes: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))["modes"]
    modes |= {row.mode: {} for row in rows}
    for mode, lane in sorted({(row.mode, row.lane) for row in rows}):
        of_lane = [row for row in rows if (row.mode, row.lane) == (mode, lane)]
        camera = [row for row in of_lane if row.kind == "real" and row.clip in real]
        if not camera:
            continue
        strongest = maxima(camera)
        # What no camera clip shows at all is measured too: its threshold is 0.
        known = [*maxima(of_lane), *NEVER_SEEN.get((mode, lane), ())]
        values = {key: list(strongest.get(key, {}).values()) for key in known}
        shares = {key: allowed(key) for key in values}
        clips = len({row.clip for row in camera})
        for code, statistics in as_dict(values, clips, shares, MARGIN).items():
            modes[mode].setdefault(code, {}).update(statistics)
        print(f"{mode} {lane}: {len(values)} statistics of {clips} camera clips")
    PATH.write_text(json.dumps({"modes": modes}, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    verbs = parser.add_subparsers(required=True)
    for name, verb in (("measure", measure), ("reference", reference), ("tables", tables)):
        sub = verbs.add_parser(name, help=verb.__doc__)
        sub.set_defaults(run=verb)
        sub.add_argument("manifest", type=Path)
        if name != "measure":
            sub.add_argument("rows", nargs="+", type=Path, help="JSON lines of `measure`")
        if name != "reference":
            sub.add_argument(
                "--planted", type=Path, action="append", help="folder of `unreel pairs plant`"
            )
        if name == "measure":
            sub.add_argument("--into", type=Path, required=True)
            sub.add_argument("--detector", type=Path)
            sub.add_argument(
                "--path-heads", type=Path,
                help="folder of `unreel train-paths`: each clip by the head that has not seen it",
            )  # fmt: skip
            sub.add_argument("--hands", type=Path, help="folder of `unreel models pull hands`")
            sub.add_argument("--faces", type=Path, help="with --hands: CenterFace or YuNet")
            sub.add_argument("--seconds", type=float, help="stop after so long, to go on later")
        if name == "tables":
            sub.add_argument("--events", type=Path, help="JSON: name -> [start, end, what]")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args.run(args)


if __name__ == "__main__":
    main()
