"""Candidates of clips as `evidence.py measure` keeps them, and the thresholds that follow."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unreel.data.pairs.truth import Planted, read_planted
from unreel.detector.lanes.boiling import STATISTIC as BOILING
from unreel.detector.lanes.flight import JERK_STATISTIC as OF_JERKS
from unreel.detector.lanes.growth import STATISTIC as OF_GROWTH
from unreel.detector.lanes.object_counts import STATISTIC as OF_NAMES
from unreel.detector.lanes.odd_paths import STATISTIC as OF_PATHS

ALLOWED = 0.0035
"""Share of camera clips that may have a finding, for each statistic: 1 of 289. About a dozen of
them together stay below the 5 % that a scan at default severity may have."""
Key = tuple[str, str]
"""Code and statistic."""

ALLOWED_OTHERWISE: dict[Key, float] = {
    # 3 and 2 of 289: what one or two camera clips show ends far above what the next ones show.
    ("texture-boiling", BOILING): 0.0105,
    ("identity-morph", OF_PATHS): 0.007,
    # None: by points alone no planted event is found, so that nothing is paid for them.
    ("impossible-acceleration", OF_JERKS): 0.0,
    ("scale-drift", OF_GROWTH): 0.0,
    # Likewise by names: those of a detector come back by chance.
    ("object-count-flicker", OF_NAMES): 0.0,
}
MARGIN: dict[Key, float] = {
    ("identity-morph", OF_PATHS): 1.75,
    ("rigidity-break", OF_PATHS): 0.75,
    ("impossible-acceleration", OF_PATHS): 2.5,
    ("object-count-flicker", OF_NAMES): 0.5,
}
"""Added to the threshold: clips of one group fool a trained head together, so that a group which
it has not seen exceeds what the others show; names come back in so few that two say little."""


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


def allowed(key: Key) -> float:
    """Share of camera clips that may have a finding by a statistic."""
    return ALLOWED_OTHERWISE.get(key, ALLOWED)


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


def planted_in(folders: Iterable[Path] | None) -> list[tuple[Path, Planted]]:
    """Clips of `unreel pairs plant` and their records, which are named by folder and file."""
    return [
        (Path(folder) / p.file, replace(p, file=f"{Path(folder).name}/{Path(p.file).name}"))
        for folder in folders or ()
        for p in read_planted(folder)
    ]


def maxima(rows: Iterable[Row]) -> dict[Key, dict[str, float]]:
    """Strongest candidate of each clip: by code and statistic, then by clip."""
    strongest: dict[Key, dict[str, float]] = defaultdict(dict)
    for row in rows:
        for f in row.found:
            best = strongest[f["code"], f["statistic"]]
            best[row.clip] = max(best.get(row.clip, 0.0), f["value"])
    return dict(strongest)
