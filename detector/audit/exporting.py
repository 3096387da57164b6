"""Results as files for other programs: CSV, JSON lines, Parquet, and a manifest for training.

Names and messages come from strangers. CSV cells that a spreadsheet would take for a formula begin
with an apostrophe, and no control character gets through; JSON is ASCII; Parquet holds text as is.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from unreel.detector.audit.query import COLUMNS, Condition
from unreel.detector.audit.reading import under_name

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

FORMATS = ("csv", "jsonl", "parquet", "manifest")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""What spreadsheets take for the beginning of a formula, a macro or a command."""
MANIFEST_COLUMNS = (
    "path", "label", "family", "generator", "pair_id", "group", "source", "width", "height",
    "fps", "codec", "bytes", "sha256", "note",
)  # fmt: skip
PARQUET_ROWS = 10_000
_REAL = {"score", "llr", "percentile", "threshold", "fpr", "recheck_score", "fps",
         "duration_seconds", "seconds"}  # fmt: skip
_WHOLE = {"bytes", "width", "height", "frames", "has_audio", "shots", "findings", "run_id"}


def rows_of(store: Store, condition: Condition) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS that meet a condition, highest score first."""
    sql = (
        f"SELECT {', '.join(COLUMNS)} FROM results WHERE {condition.sql}"
        " ORDER BY score IS NULL, score DESC, path"
    )
    yield from store.connection.execute(sql, condition.parameters)


def write_csv(store: Store, condition: Condition, out: IO[str]) -> int:
    """A header and a row for each file; returns how many files."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows_of(store, condition):
        writer.writerow([cell(value) for value in row])
        count += 1
    return count


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula and no terminal acts on."""
    if not isinstance(value, str):
        return value
    shown = "".join(c if c.isprintable() else _escaped(c) for c in value)
    return f"'{shown}" if shown.startswith(FORMULA_STARTS) else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def write_json_lines(store: Store, condition: Condition, out: IO[str]) -> int:
    """The full report of each file, one a line, under its own name; returns how many.

    Files that were not looked at yet have none and are left out.
    """
    sql = (
        "SELECT files.path_bytes, scans.report FROM results"
        " JOIN files ON files.id = results.file_id JOIN scans ON scans.id = results.scan_id"
        f" WHERE {_qualified(condition)} ORDER BY results.score IS NULL, results.score DESC,"
        " results.path"
    )
    count = 0
    for exact, report in store.connection.execute(sql, condition.parameters):
        out.write(json.dumps(under_name(exact, report), ensure_ascii=True) + "\n")
        count += 1
    return count


def _qualified(condition: Condition) -> str:
    """The condition on the view alone: other tables have columns of the same names."""
    return f"results.file_id IN (SELECT file_id FROM results WHERE {condition.sql})"


def write_parquet(store: Store, condition: Condition, path: Path) -> int:
    """One table with typed columns; needs pyarrow. Returns how many files."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    kinds = [
        arrow.float64() if c in _REAL else arrow.int64() if c in _WHOLE else arrow.string()
        for c in COLUMNS
    ]
    schema = arrow.schema(list(zip(COLUMNS, kinds, strict=True)))
    rows, count = rows_of(store, condition), 0
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, PARQUET_ROWS)):
            arrays = [
                arrow.array(column, kind)
                for column, kind in zip(zip(*batch, strict=True), kinds, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def write_manifest(store: Store, condition: Condition, out: IO[str]) -> tuple[int, dict[str, int]]:
    """Reviewed clips as the list that training and evaluation read; each content once.

    `group` is what splits keep together: the source that the reviewer named, else the folder, for
    clips of one folder are often of one scene.

    Returns:
        How many clips, and how many were left out for which reason.
    """
    sql = (
        "SELECT files.path_bytes, latest_labels.label, latest_labels.generator,"
        " latest_labels.source, latest_labels.note, scans.width, scans.height, scans.fps,"
        " scans.codec, scans.bytes, latest_labels.sha256"
        " FROM latest_labels JOIN files ON files.id ="
        "   (SELECT min(id) FROM files WHERE files.sha256 = latest_labels.sha256)"
        " LEFT JOIN scans ON scans.id = files.scan_id"
        f" WHERE files.id IN (SELECT file_id FROM results WHERE {condition.sql})"
        " ORDER BY latest_labels.id"
    )
    writer = csv.DictWriter(out, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    left_out: dict[str, int] = {}
    for row in store.connection.execute(sql, condition.parameters):
        reason, clip = _clip(row)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        writer.writerow(clip)
        count += 1
    return count, left_out


def _clip(row: tuple[Any, ...]) -> tuple[str | None, dict[str, Any]]:
    """A row of the manifest, or why there is none."""
    exact, label, generator, source, note, width, height, fps, codec, size, sha256 = row
    if label == "unsure":
        return "unsure", {}
    try:
        path = exact.decode("utf-8")
    except UnicodeDecodeError:
        return "a name that is not UTF-8: a manifest cannot hold it", {}
    if any(not c.isprintable() for c in path):
        return "a name with control characters: a manifest cannot hold it", {}
    values = {
        "path": path,
        "label": label,
        "generator": cell(generator),
        "group": cell(source) or cell(os.path.dirname(path)),
        "source": cell(source),
        "width": width,
        "height": height,
        "fps": fps,
        "codec": codec,
        "bytes": size,
        "sha256": sha256,
        "note": cell(note),
    }
    return None, {name: values.get(name) for name in MANIFEST_COLUMNS}
