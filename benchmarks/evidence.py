"""What the evidence lanes find, and how often they are wrong; makes the reference in the package.

    unreel pairs plant CORPUS/manifest.csv planted/         # events and their lawful twins
    python benchmarks/evidence.py measure CORPUS/manifest.csv --planted planted --into evidence/
    python benchmarks/evidence.py reference CORPUS/manifest.csv evidence/*.jsonl
    python benchmarks/evidence.py tables CORPUS/manifest.csv evidence/*.jsonl --planted planted

`measure` decodes once and keeps every candidate, however weak; it is taken up where it stopped.
`reference` writes detector/reference.json from the camera clips. Both are for an idle machine.
`tables` never judges a clip by a threshold that its own group took part in: thresholds are chosen
on the camera clips of the other folds (unreel.data.splits). With --detector FILE both modes are
measured; they are printed apart.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from evidence_rows import allowed, maxima, read_rows
from evidence_tables import tables

from unreel.data.manifest import read_manifest
from unreel.data.pairs.truth import read_planted
from unreel.detector.config import EVIDENCE_LANES, Limits
from unreel.detector.detecting import ObjectDetector
from unreel.detector.evidence import EvidenceLanes
from unreel.detector.lanes.cadence import HELD, HELD_STATISTIC
from unreel.detector.lanes.flight import FALL_STATISTIC, FLIGHT_STATISTIC
from unreel.detector.lanes.object_counts import STATISTIC as count_statistic
from unreel.detector.lanes.objects import TWICE
from unreel.detector.media import open_media
from unreel.detector.records import Finding
from unreel.detector.reference import PATH, as_dict
from unreel.detector.shots import find_shots

_RARE_LAWS = [("inverted-gravity", FLIGHT_STATISTIC), ("uneven-fall", FALL_STATISTIC)]
NEVER_SEEN = {
    ("plain", "objects"): [("object-duplicate", TWICE)],
    ("detector", "objects"): [
        ("object-duplicate", TWICE),
        ("object-count-flicker", count_statistic),
    ],
    ("plain", "physics"): _RARE_LAWS,
    ("detector", "physics"): _RARE_LAWS,
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
    clips = [
        (c.path, "real" if c.label == "real" else "generated") for c in read_manifest(args.manifest)
    ]
    if args.planted:
        clips += [(Path(args.planted) / p.file, "planted") for p in read_planted(args.planted)]
    args.into.mkdir(parents=True, exist_ok=True)
    modes = ("plain", "detector") if detector else ("plain",)
    for mode in modes:
        target = args.into / f"{mode}.jsonl"
        done = {row.clip for row in read_rows([target])} if target.exists() else set()
        with target.open("a", encoding="utf-8") as out:
            for number, (path, kind) in enumerate(clips, 1):
                if path.name in done:
                    continue
                for row in measured(path, kind, mode, detector if mode == "detector" else None):
                    out.write(json.dumps(row) + "\n")
                out.flush()
                print(f"{mode} {number}/{len(clips)} {path.name}", flush=True)


def measured(
    path: Path, kind: str, mode: str, detector: ObjectDetector | None
) -> Iterable[dict[str, Any]]:
    """Rows of one clip; nothing for a file that cannot be read."""
    with open_media(path, Limits(wall_seconds_per_request=120)) as reader:
        lanes = EvidenceLanes(EVIDENCE_LANES, reader, detector)
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
    for lane in EVIDENCE_LANES:
        yield {
            "clip": path.name, "set": kind, "lane": lane, "mode": mode, "flow": flow,
            "findings": [short(f) for f in found if f.lane == lane],
        }  # fmt: skip


def short(finding: Finding) -> dict[str, Any]:
    """A candidate as it is kept."""
    step = max(1, len(finding.boxes) // MAX_BOXES)
    return {**asdict(finding), "boxes": finding.boxes[::step][:MAX_BOXES]}


# -------------------------------------------------------------------------------------- reference


def reference(args: argparse.Namespace) -> None:
    """Write reference.json from the camera clips."""
    real = {c.path.name for c in read_manifest(args.manifest) if c.label == "real"}
    rows = read_rows(args.rows)
    modes: dict[str, Any] = {"plain": {}, "detector": {}}
    for mode, lane in sorted({(row.mode, row.lane) for row in rows}):
        of_lane = [row for row in rows if (row.mode, row.lane) == (mode, lane)]
        camera = [row for row in of_lane if row.kind == "real" and row.clip in real]
        if not camera:
            continue
        strongest = maxima(camera)
        # What no camera clip shows at all is measured too: its threshold is 0.
        known = [*maxima(of_lane), *NEVER_SEEN.get((mode, lane), ())]
        values = {key: list(strongest.get(key, {}).values()) for key in known}
        shares = {code: allowed(code) for code, _ in values}
        clips = len({row.clip for row in camera})
        for code, statistics in as_dict(values, clips, shares).items():
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
            sub.add_argument("--planted", type=Path, help="folder of `unreel pairs plant`")
        if name == "measure":
            sub.add_argument("--into", type=Path, required=True)
            sub.add_argument("--detector", type=Path)
        if name == "tables":
            sub.add_argument("--events", type=Path, help="JSON: name -> [start, end, what]")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args.run(args)


if __name__ == "__main__":
    main()
