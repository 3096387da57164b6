"""What the evidence lanes find and how often they are wrong: planted events, camera footage, generated clips.

    unreel pairs plant CORPUS/manifest.csv planted/         # events and their lawful twins
    python benchmarks/evidence.py measure CORPUS/manifest.csv --planted planted --into evidence/
    python benchmarks/evidence.py reference CORPUS/manifest.csv evidence/*.jsonl     # reference.json
    python benchmarks/evidence.py tables CORPUS/manifest.csv evidence/*.jsonl --planted planted

`measure` decodes once and keeps every candidate, however weak; it is taken up where it stopped.
`tables` never judges a clip by a threshold that its own group took part in: thresholds are chosen
on the camera clips of the other folds (unreel.data.splits). With --detector FILE both modes are
measured; they are printed apart.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unreel.data.manifest import Clip, read_manifest
from unreel.data.pairs.truth import Planted, read_planted
from unreel.data.splits import group_folds
from unreel.detector.config import EVIDENCE_LANES, Limits
from unreel.detector.detecting import ObjectDetector
from unreel.detector.evidence import EvidenceLanes
from unreel.detector.media import open_media
from unreel.detector.records import Finding
from unreel.detector.reference import PATH, as_dict, threshold_for
from unreel.detector.shots import find_shots

FOLDS = 5
MAX_BOXES = 12
"""Kept of a candidate: enough for the overlap of boxes."""
ALLOWED = 0.0035
"""Share of camera clips that may have a finding, for each statistic: 1 of 289. About a dozen of
them together stay below the 5 % that a scan at default severity may have."""
MIN_SPAN = 0.6
"""Seconds that instants are widened to before their overlap in time is taken, truth and finding
alike: a thing that is gone between two frames has no length of its own."""
MIN_OVERLAP = 0.3

Key = tuple[str, str]
"""Code and statistic."""


@dataclass(frozen=True, slots=True)
class Row:
    """The candidates of one clip by one lane."""

    clip: str
    kind: str
    """real, generated or planted."""
    lane: str
    mode: str
    flow: float | None
    """Mean motion, small pixels a second; None = that lane did not say."""
    found: tuple[dict[str, Any], ...]


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


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """All lines of some files; of a clip that stands twice the last one counts."""
    rows: dict[tuple[str, str, str, str], Row] = {}
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            raw = json.loads(line)
            row = Row(
                raw["clip"], raw["set"], raw["lane"], raw["mode"], raw.get("flow"),
                tuple(raw["findings"]),
            )  # fmt: skip
            rows[row.clip, row.kind, row.lane, row.mode] = row
    return list(rows.values())


# -------------------------------------------------------------------------------------- reference


def maxima(rows: Iterable[Row]) -> dict[Key, dict[str, float]]:
    """Strongest candidate of each clip: by code and statistic, then by clip."""
    strongest: dict[Key, dict[str, float]] = defaultdict(dict)
    for row in rows:
        for f in row.found:
            best = strongest[f["code"], f["statistic"]]
            best[row.clip] = max(best.get(row.clip, 0.0), f["value"])
    return dict(strongest)


def reference(args: argparse.Namespace) -> None:
    """Write reference.json from the camera clips."""
    real = {c.path.name for c in read_manifest(args.manifest) if c.label == "real"}
    rows = [row for row in read_rows(args.rows) if row.kind == "real" and row.clip in real]
    modes: dict[str, Any] = {}
    for mode in ("plain", "detector"):
        chosen = [row for row in rows if row.mode == mode]
        if not chosen:
            modes[mode] = {}
            continue
        clips_of: dict[str, set[str]] = defaultdict(set)
        for row in chosen:
            clips_of[row.lane].add(row.clip)
        made: dict[str, Any] = {}
        for lane, clips in clips_of.items():
            found = maxima(row for row in chosen if row.lane == lane)
            values = {key: list(by_clip.values()) for key, by_clip in found.items()}
            allowed = dict.fromkeys({code for code, _ in values}, ALLOWED)
            for code, statistics in as_dict(values, len(clips), allowed).items():
                made.setdefault(code, {}).update(statistics)
        modes[mode] = made
        print(f"{mode}: {len(made)} codes, {len({r.clip for r in chosen})} camera clips")
    PATH.write_text(json.dumps({"modes": modes}, separators=(",", ":")) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------ tables


@dataclass(frozen=True, slots=True)
class Said:
    """A finding that a fold's thresholds let through."""

    code: str
    t_start: float
    t_end: float
    boxes: tuple[tuple[float, ...], ...]
    value: float


class OutOfFold:
    """Judges each clip by thresholds of camera clips of other folds.

    Args:
        rows: Of one mode.
        clips: Of the manifest; their folds keep groups together.
        planted: Records of planted clips: they are in the fold of the footage they are made of.
    """

    def __init__(
        self, rows: Sequence[Row], clips: Sequence[Clip], planted: Sequence[Planted]
    ) -> None:
        folds = group_folds(clips, FOLDS)
        self.fold = {clip.path.name: fold for clip, fold in zip(clips, folds, strict=True)}
        for p in planted:
            self.fold[Path(p.file).name] = self.fold.get(p.source, hash_fold(p.file))
        self.rows = rows
        self._thresholds = [self._of(fold) for fold in range(FOLDS)]

    def _of(self, held_out: int) -> dict[Key, float]:
        train = [r for r in self.rows if r.kind == "real" and self.fold.get(r.clip) != held_out]
        found: dict[Key, float] = {}
        for lane in {row.lane for row in train}:
            of_lane = [row for row in train if row.lane == lane]
            clips = len({row.clip for row in of_lane})
            for key, by_clip in maxima(of_lane).items():
                found[key] = threshold_for(list(by_clip.values()), clips, ALLOWED)
        return found

    def said(self) -> dict[tuple[str, str], list[Said]]:
        """Findings by (kind, clip); clips without one have an empty list."""
        told: dict[tuple[str, str], list[Said]] = defaultdict(list)
        for row in self.rows:
            thresholds = self._thresholds[self.fold.get(row.clip, 0)]
            kept = told[row.kind, row.clip]
            for f in row.found:
                # What no camera clip of the other folds shows at all is held to the floor of its lane.
                if f["value"] >= thresholds.get((f["code"], f["statistic"]), 0.0):
                    boxes = tuple(tuple(box) for box in f["boxes"])
                    kept.append(Said(f["code"], f["t_start"], f["t_end"], boxes, f["value"]))
        return told


def hash_fold(name: str) -> int:
    """A fold for clips on drawn grounds, which belong to no footage."""
    return sum(name.encode()) % FOLDS


def widened(start: float, end: float) -> tuple[float, float]:
    """At least MIN_SPAN around the middle."""
    middle, half = (start + end) / 2, max(end - start, MIN_SPAN) / 2
    return middle - half, middle + half


def time_overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans of seconds."""
    (a0, a1), (b0, b1) = widened(*a), widened(*b)
    both = min(a1, b1) - max(a0, b0)
    return max(0.0, both) / (max(a1, b1) - min(a0, b0))


def box_overlap(said: Said, truth: Planted) -> float:
    """Best intersection over union of a box said and a true one within a fifth of a second."""
    from unreel.detector.detecting import overlap

    near = [
        overlap(mine[1:], true[1:])
        for mine in said.boxes
        for true in truth.boxes
        if abs(mine[0] - true[0]) <= 0.2
    ]
    return max(near, default=0.0)


def planted_table(told: dict[tuple[str, str], list[Said]], planted: Sequence[Planted]) -> None:
    """Recall, precision, F1 for each code; boxes; twins that raised an alarm."""
    print("\nplanted events (findings in a planted clip that fit no truth count as false)")
    print("| code | events | found | false | recall | precision | F1 | box IoU .3 of the hits |")
    print("|---|---|---|---|---|---|---|---|")
    known = [
        (p, told[("planted", Path(p.file).name)])
        for p in planted
        if ("planted", Path(p.file).name) in told
    ]
    for code in sorted({p.code for p, _ in known if not p.lawful}):
        events = [(p, s) for p, s in known if p.code == code and not p.lawful]
        hits = boxed = 0
        for p, said in events:
            fitting = [
                s for s in said
                if s.code == code and time_overlap((s.t_start, s.t_end), (p.t_start, p.t_end)) >= MIN_OVERLAP
            ]  # fmt: skip
            hits += bool(fitting)
            boxed += any(box_overlap(s, p) >= MIN_OVERLAP for s in fitting)
        false = sum(
            s.code == code
            and not (
                p.code == code
                and not p.lawful
                and time_overlap((s.t_start, s.t_end), (p.t_start, p.t_end)) >= MIN_OVERLAP
            )
            for p, said in known
            for s in said
        )
        recall = hits / len(events)
        precision = hits / (hits + false) if hits + false else float("nan")
        f1 = 2 * hits / (2 * hits + false + len(events) - hits) if hits else 0.0
        share = f"{boxed}/{hits}" if hits else "-"
        print(
            f"| {code} | {len(events)} | {hits} | {false} | {recall:.2f} | {precision:.2f} | {f1:.2f} | {share} |"
        )
    any_code = [
        (
            p,
            any(
                time_overlap((s.t_start, s.t_end), (p.t_start, p.t_end)) >= MIN_OVERLAP
                for s in said
            ),
        )
        for p, said in known
        if not p.lawful
    ]
    print(f"\nevents at which anything is said: {sum(a for _, a in any_code)} of {len(any_code)}")
    twins = [(p, said) for p, said in known if p.lawful]
    wrong = [(p, said) for p, said in twins if said]
    print(
        f"lawful twins with any finding: {len(wrong)} of {len(twins)} ({share_of(len(wrong), len(twins))})"
    )
    for p, said in wrong:
        words = ", ".join(f"{s.code} {s.t_start:.1f}-{s.t_end:.1f} s" for s in said[:3])
        print(f"  {Path(p.file).name} ({p.how}, like {p.code}): {words}")


def share_of(part: int, whole: int) -> str:
    """With a 95 % Wilson interval."""
    if not whole:
        return "none measured"
    p, z = part / whole, 1.96
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * np.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2)) / (1 + z * z / whole)
    return (
        f"{100 * p:.1f} %, 95 % interval {100 * (middle - half):.1f} to {100 * (middle + half):.1f}"
    )


def corpus_tables(
    told: dict[tuple[str, str], list[Said]], clips: Sequence[Clip], rows: Sequence[Row]
) -> None:
    """Alarms on camera clips one by one, shares of both classes, also at the same motion."""
    by_name = {clip.path.name: clip for clip in clips}
    real = {n: said for (kind, n), said in told.items() if kind == "real"}
    made = {n: said for (kind, n), said in told.items() if kind == "generated"}
    alarms = {n: said for n, said in real.items() if said}
    print(
        f"\ncamera clips with any finding: {len(alarms)} of {len(real)} ({share_of(len(alarms), len(real))})"
    )
    for name, said in sorted(alarms.items()):
        words = ", ".join(
            f"{s.code} {s.t_start:.1f}-{s.t_end:.1f} s ({s.value:.1f})" for s in said[:3]
        )
        print(f"  {name}: {words}   [{by_name[name].note}]")
    found = sum(bool(said) for said in made.values())
    print(
        f"\ngenerated and manipulated clips with any finding: {found} of {len(made)} ({share_of(found, len(made))})"
    )
    flow = {(row.kind, row.clip): row.flow for row in rows if row.flow is not None}
    camera = np.array([flow["real", n] for n in real if ("real", n) in flow])
    if len(camera) < 8:
        return
    edges = np.quantile(camera, (0.25, 0.5, 0.75))
    print(
        "| motion (quartile of camera clips) | camera clips | with a finding | generated | with a finding |"
    )
    print("|---|---|---|---|---|")
    for quartile in range(4):
        cells = []
        for kind, group in (("real", real), ("generated", made)):
            inside = [
                n for n in group
                if (kind, n) in flow and int(np.searchsorted(edges, flow[kind, n])) == quartile
            ]  # fmt: skip
            cells += [str(len(inside)), str(sum(bool(group[n]) for n in inside))]
        print(f"| {quartile + 1} | " + " | ".join(cells) + " |")


def annotated_table(told: dict[tuple[str, str], list[Said]], events: Path) -> None:
    """Generated clips whose events a person annotated: found within 0.7 s or not."""
    listed = json.loads(events.read_text(encoding="utf-8"))
    hits = 0
    print("\nannotated generated clips (start and end in seconds, as a person sees them)")
    for name, (start, end, what) in sorted(listed.items()):
        said = told.get(("generated", name))
        if said is None:
            print(f"  not measured  {name}: {what}")
            continue
        near = [s for s in said if s.t_start <= end + 0.7 and s.t_end >= start - 0.7]
        hits += bool(near)
        words = ", ".join(f"{s.code} {s.t_start:.1f}-{s.t_end:.1f}" for s in near[:2]) or "-"
        print(f"  {'found ' if near else 'missed'}  {name} {start}-{end} s, {what}: {words}")
    print(f"found within 0.7 s: {hits} of {len(listed)}")


def tables(args: argparse.Namespace) -> None:
    """Print everything, mode by mode."""
    clips = read_manifest(args.manifest)
    planted = read_planted(args.planted) if args.planted else []
    rows = read_rows(args.rows)
    for mode in ("plain", "detector"):
        of_mode = [row for row in rows if row.mode == mode]
        if not of_mode:
            continue
        words = "without a detector" if mode == "plain" else "with an object detector"
        lanes = ", ".join(sorted({row.lane for row in of_mode}))
        print(f"\n=== {words}; lanes {lanes}; thresholds out of fold, {FOLDS} folds by group")
        told = OutOfFold(of_mode, clips, planted).said()
        if planted:
            planted_table(told, planted)
        corpus_tables(told, clips, of_mode)
        if args.events:
            annotated_table(told, args.events)


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
