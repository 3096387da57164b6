"""Candidates of clips as `evidence.py measure` keeps them, and the thresholds that follow."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unreel.data.pairs.truth import Planted, read_planted

ALLOWED = 0.0035
"""Share of camera clips that may have a finding, for each statistic: 1 of 289. About a dozen of
them together stay below the 5 % that a scan at default severity may have."""
ALLOWED_MORE = {"texture-boiling": 0.0105}
"""By code: 3 of 289. What camera clips show of it ends far above what the next ones show."""

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


def allowed(code: str) -> float:
    """Share of camera clips that may have a finding of a code."""
    return ALLOWED_MORE.get(code, ALLOWED)


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
