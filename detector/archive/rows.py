"""From an audit store to the rows of the archive page: few bytes each, for there may be 10,000."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unreel.detector.audit.reading import under_name
from unreel.detector.audit.store import Store
from unreel.detector.text import printable

_SQL = (
    "SELECT results.file_id, files.path_bytes, results.state, results.status, results.error_code,"
    " results.label, results.score, results.threshold, results.duration_seconds, results.width,"
    " results.height, results.bytes, results.sha256, results.reviewed_as, results.codec,"
    " scans.report FROM results JOIN files ON files.id = results.file_id"
    " LEFT JOIN scans ON scans.id = results.scan_id"
    " ORDER BY results.score IS NULL, results.score DESC, results.file_id"
)


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """One file of the archive."""

    file_id: int
    path: str
    """Bytes that are not UTF-8 stand as surrogates (os.fsdecode)."""
    kind: str
    """generated, inconclusive, no-evidence, error, or waiting."""
    error_code: str | None
    score: float | None
    threshold: float | None
    duration_seconds: float | None
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None
    reviewed_as: str | None
    codec: str | None
    report: dict[str, Any] | None
    """As `unreel scan --json` gives it, under this name; None = not looked at yet."""

    @property
    def strongest_seconds(self) -> float:
        """The middle of the stretch with the highest score, else of the clip."""
        lanes = (self.report or {}).get("lanes", {}).values()
        windows = [w for lane in lanes for w in lane.get("windows", ())]
        if not windows:
            return (self.duration_seconds or 0.0) / 2
        top = max(windows, key=lambda w: w["logit"])
        return float(top["t_start"] + top["t_end"]) / 2

    def compact(self, has_picture: bool, has_report: bool) -> list[object]:
        """What the script of the page reads, by position; names harmless to look at."""
        folder, name = os.path.split(self.path)
        return [
            self.file_id,
            printable(name),
            printable(folder),
            self.kind,
            self.error_code,
            self.score,
            self.threshold,
            self.duration_seconds,
            self.width,
            self.height,
            self.bytes,
            self.sha256 if has_picture else None,
            self.reviewed_as,
            int(has_report),
        ]


def archive_rows(store: Store) -> Iterator[ArchiveRow]:
    """All files, the highest score first."""
    for row in store.connection.execute(_SQL):
        (file_id, path_bytes, state, status, error_code, label, *facts, codec, report) = row
        score, threshold, duration, width, height, size, sha256, reviewed = facts
        kind = "waiting" if state != "done" else "error" if status != "ok" else label
        yield ArchiveRow(
            file_id, os.fsdecode(path_bytes), kind, error_code, score, threshold, duration, width,
            height, size, sha256, reviewed, codec,
            None if report is None else under_name(path_bytes, report),
        )  # fmt: skip


def as_script_data(rows: list[list[object]]) -> str:
    """Rows as JSON that may stand inside a script element: nothing in a name can end it."""
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
