"""Tables of `evidence.py tables`: planted events, lawful twins, camera and generated clips."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from evidence_rows import MARGIN, Key, Row, allowed, maxima, planted_in, read_rows

from unreel.data.manifest import Clip, read_manifest
from unreel.data.pairs.truth import Planted
from unreel.data.splits import group_folds
from unreel.detector.detecting import overlap
from unreel.detector.media import open_media
from unreel.detector.reference import threshold_for

FOLDS = 5
MODES = {
    "plain": "without a detector",
    "detector": "with an object detector",
    "hands": "with a hand detector",
}
MIN_SPAN = 0.6
"""Seconds that instants are widened to before their overlap in time is taken, truth and finding
alike: a thing that is gone between two frames has no length of its own."""
MIN_OVERLAP = 0.3
NEAR_SECONDS = 0.7
"""A finding that is so near to an annotated event has found it."""


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
            self.fold[p.file] = self.fold.get(p.source, hash_fold(p.file))
        self.rows = rows
        self._thresholds = [self._of(fold) for fold in range(FOLDS)]

    def _of(self, held_out: int) -> dict[Key, float]:
        train = [r for r in self.rows if r.kind == "real" and self.fold.get(r.clip) != held_out]
        found: dict[Key, float] = {}
        for lane in {row.lane for row in train}:
            of_lane = [row for row in train if row.lane == lane]
            clips = len({row.clip for row in of_lane})
            for key, by_clip in maxima(of_lane).items():
                limit = threshold_for(list(by_clip.values()), clips, allowed(key))
                found[key] = limit + MARGIN.get(key, 0.0)
        return found

    def said(self) -> dict[tuple[str, str], list[Said]]:
        """Findings by (kind, clip); clips without one have an empty list."""
        told: dict[tuple[str, str], list[Said]] = defaultdict(list)
        for row in self.rows:
            thresholds = self._thresholds[self.fold.get(row.clip, 0)]
            kept = told[row.kind, row.clip]
            for f in row.found:
                # What no camera clip of the other folds shows is held to the floor of its lane.
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
    near = [
        overlap(mine[1:], true[1:])
        for mine in said.boxes
        for true in truth.boxes
        if abs(mine[0] - true[0]) <= 0.2
    ]
    return max(near, default=0.0)


def fits(said: Said, truth: Planted) -> bool:
    """At the right time."""
    spans = (said.t_start, said.t_end), (truth.t_start, truth.t_end)
    return time_overlap(*spans) >= MIN_OVERLAP


def is_false(said: Said, truth: Planted) -> bool:
    """Nothing was planted at that time: neither all of it nor its start or end.

    A copy that goes again does vanish; where it is called so, no harm is done to anybody.
    """
    if truth.lawful or said.code == truth.code:
        return truth.lawful or not fits(said, truth)
    edges = ((t, t) for t in (truth.t_start, truth.t_end))
    return all(time_overlap((said.t_start, said.t_end), edge) < MIN_OVERLAP for edge in edges)


Told = dict[tuple[str, str], list[Said]]
"""Findings by kind and name of the clip."""


def planted_table(told: Told, planted: Sequence[Planted]) -> None:
    """Recall, precision, F1 for each code; boxes; twins that raised an alarm."""
    print("\nplanted events (false: a finding where nothing begins, ends or is planted)")
    print("| code | events | found | false | recall | precision | F1 | box IoU .3 of the hits |")
    print("|---|---|---|---|---|---|---|---|")
    known = [(p, told["planted", p.file]) for p in planted if ("planted", p.file) in told]
    for code in sorted({p.code for p, _ in known if not p.lawful}):
        events = [(p, said) for p, said in known if p.code == code and not p.lawful]
        fitting = [[s for s in said if s.code == code and fits(s, p)] for p, said in events]
        hits = sum(map(bool, fitting))
        boxed = sum(
            any(box_overlap(s, p) >= MIN_OVERLAP for s in found)
            for (p, _), found in zip(events, fitting, strict=True)
        )
        false = sum(s.code == code and is_false(s, p) for p, said in known for s in said)
        recall = hits / len(events)
        precision = f"{hits / (hits + false):.2f}" if hits + false else "-"
        f1 = 2 * hits / (hits + false + len(events)) if hits else 0.0
        cells = (code, len(events), hits, false, f"{recall:.2f}", precision, f"{f1:.2f}")
        print("| " + " | ".join(map(str, cells)) + f" | {boxed}/{hits} |")
    events = [(p, said) for p, said in known if not p.lawful]
    spoken = sum(any(fits(s, p) for s in said) for p, said in events)
    print(f"\nevents at which anything is said: {spoken} of {len(events)}")
    twins = [(p, said) for p, said in known if p.lawful]
    wrong = [(p, said) for p, said in twins if said]
    share = share_of(len(wrong), len(twins))
    print(f"lawful twins with any finding: {len(wrong)} of {len(twins)} ({share})")
    for p, said in wrong:
        print(f"  {p.file} ({p.how}, like {p.code}): {in_words(said)}")


def in_words(said: Sequence[Said]) -> str:
    """The first few findings."""
    return ", ".join(f"{s.code} {s.t_start:.1f}-{s.t_end:.1f} s ({s.value:.1f})" for s in said[:3])


def share_of(part: int, whole: int) -> str:
    """With a 95 % Wilson interval."""
    if not whole:
        return "none measured"
    p, z = part / whole, 1.96
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * np.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2)) / (1 + z * z / whole)
    low, high = max(0.0, middle - half), middle + half
    return f"{100 * p:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f}"


def corpus_tables(told: Told, clips: Sequence[Clip], rows: Sequence[Row]) -> None:
    """Alarms on camera clips one by one, shares of both classes, also at the same motion."""
    notes = {clip.path.name: clip.note for clip in clips}
    real = {n: said for (kind, n), said in told.items() if kind == "real"}
    made = {n: said for (kind, n), said in told.items() if kind == "generated"}
    alarms = {n: said for n, said in real.items() if said}
    share = share_of(len(alarms), len(real))
    print(f"\ncamera clips with any finding: {len(alarms)} of {len(real)} ({share})")
    for name, said in sorted(alarms.items()):
        print(f"  {name}: {in_words(said)}   [{notes[name]}]")
    found = sum(map(bool, made.values()))
    share = share_of(found, len(made))
    print(f"\ngenerated and manipulated clips with any finding: {found} of {len(made)} ({share})")
    flow = {(row.kind, row.clip): row.flow for row in rows if row.flow is not None}
    camera = [flow["real", n] for n in real if ("real", n) in flow]
    if len(camera) < 8:
        return
    edges = np.quantile(camera, (0.25, 0.5, 0.75))
    print("| motion, quartile of camera clips | camera | with a finding | generated | with one |")
    print("|---|---|---|---|---|")
    for quartile in range(4):
        cells = [str(quartile + 1)]
        for kind, group in (("real", real), ("generated", made)):
            named = [n for n in group if (kind, n) in flow]
            inside = [n for n in named if np.searchsorted(edges, flow[kind, n]) == quartile]
            cells += [str(len(inside)), str(sum(bool(group[n]) for n in inside))]
        print("| " + " | ".join(cells) + " |")


def annotated_table(told: Told, events: Path, clips: Sequence[Clip]) -> None:
    """Generated clips with annotated events: found in time or not, and how many by chance."""
    listed = json.loads(events.read_text(encoding="utf-8"))
    paths = {clip.path.name: clip.path for clip in clips}
    hits, by_chance = 0, 0.0
    print("\nannotated generated clips (start and end in seconds, as a person sees them)")
    for name, (start, end, what) in sorted(listed.items()):
        said = told.get(("generated", name))
        if said is None:
            print(f"  not measured  {name}: {what}")
            continue
        first, last = start - NEAR_SECONDS, end + NEAR_SECONDS
        near = [s for s in said if s.t_start <= last and s.t_end >= first]
        hits += bool(near)
        length = _seconds_of(paths[name])
        by_chance += max(0.0, min(length, last) - max(0.0, first)) / length
        words = ", ".join(f"{s.code} {s.t_start:.1f}-{s.t_end:.1f}" for s in near[:2]) or "-"
        print(f"  {'found ' if near else 'missed'}  {name} {start}-{end} s, {what}: {words}")
    print(f"found within {NEAR_SECONDS} s: {hits} of {len(listed)}")
    print(f"so near lies a moment that is drawn blindly in each clip: {by_chance:.1f}")


@cache
def _seconds_of(path: Path) -> float:
    """When the last frame of a clip begins; each mode asks again."""
    with open_media(path) as reader:
        return float(reader.pts_seconds[-1])


def tables(args: argparse.Namespace) -> None:
    """Print everything, mode by mode."""
    clips = read_manifest(args.manifest)
    planted = [p for _, p in planted_in(args.planted)]
    rows = read_rows(args.rows)
    for mode, words in MODES.items():
        of_mode = [row for row in rows if row.mode == mode]
        if not of_mode:
            continue
        if mode == "hands":  # what it adds to a scan without a detector
            seen = {row.clip for row in of_mode}
            of_mode += [row for row in rows if row.mode == "plain" and row.clip in seen]
        lanes = ", ".join(sorted({row.lane for row in of_mode}))
        print(f"\n=== {words}; lanes {lanes}; thresholds out of fold, {FOLDS} folds by group")
        told = OutOfFold(of_mode, clips, planted).said()
        if planted:
            planted_table(told, planted)
        corpus_tables(told, clips, of_mode)
        if args.events:
            annotated_table(told, args.events, clips)
