"""What was planted: one record for each clip, as JSON lines with boxes and as a flat table.

    {"file": ..., "code": "teleport", "lawful": false, "t_start": 1.2, "t_end": 1.24, "boxes": ...}

A lawful twin has `code` = the event that it looks like and `lawful` = true: nothing in it may be
reported.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from unreel.detector.audit.exporting import cell
from unreel.detector.errors import UsageError

JSON_LINES = "planted.jsonl"
TABLE = "planted.csv"


@dataclass(frozen=True, slots=True)
class Planted:
    """One clip that was made, and what is in it."""

    file: str
    """Relative to the folder of the manifest."""
    code: str
    """Of the finding that should be made, or that a twin could be mistaken for."""
    lawful: bool
    """A twin in which nothing impossible happens."""
    how: str
    """What was done, e.g. teleport, occlusion, cut."""
    t_start: float
    """Seconds from the first frame; of a twin, of what could be mistaken."""
    t_end: float
    boxes: tuple[tuple[float, float, float, float, float], ...]
    """(t, x, y, w, h): seconds, then pixels."""
    scene: str
    """cut-out (a real thing cut out of its footage), overlay (a textured shape laid over footage)
    or simulated."""
    source: str
    """Name of the footage, empty for a procedural ground."""
    source_sha256: str
    seed: int
    width: int
    height: int
    fps: float
    seconds: float
    sha256: str
    """Of the clip that was written."""


def read_record(line: str, where: str) -> Planted:
    """One line of JSON.

    Raises:
        UsageError: It is no record of a planted clip.
    """
    try:
        found = json.loads(line)
        found["boxes"] = tuple(tuple(map(float, box)) for box in found["boxes"])
        return Planted(**found)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{where} is no record of a planted clip: {error!r}") from error


def read_planted(folder: str | Path) -> list[Planted]:
    """All records of a folder that `plant` wrote.

    Raises:
        UsageError: There is no manifest, or a line of it cannot be read.
    """
    path = Path(folder) / JSON_LINES
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): make it with `unreel pairs plant`"
        ) from error
    return [read_record(line, f"{path} line {n}") for n, line in enumerate(lines, start=1)]


def write_manifests(folder: Path, planted: list[Planted]) -> None:
    """Write both forms of the manifest; the flat one counts the boxes instead of listing them."""
    text = "".join(json.dumps(asdict(p), sort_keys=True) + "\n" for p in planted)
    partial = folder / (JSON_LINES + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, folder / JSON_LINES)
    names = [spec.name for spec in fields(Planted)]
    partial = folder / (TABLE + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        for row in planted:
            flat = {**asdict(row), "boxes": len(row.boxes)}
            writer.writerow({name: cell(value) for name, value in flat.items()})
    os.replace(partial, folder / TABLE)
