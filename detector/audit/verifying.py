"""Does the store still say what the log says was put in? Every entry, every row, both ways.

The log is read once from its beginning; what it tells of each row goes to a temporary table (on
disk if it is large), against which the rows are then held.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain as and_then
from typing import TYPE_CHECKING, Any

from unreel.detector.audit import chain
from unreel.detector.audit.chain import Head

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

_TABLES = {
    "scans": chain.SCAN_COLUMNS,
    "labels": chain.LABEL_COLUMNS,
    "settings": chain.SETTINGS_COLUMNS,
    "runs": chain.RUN_COLUMNS,
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    head: Head
    problems: tuple[str, ...]
    """Sentences; none = rows and log agree."""
    entries: int
    rows: int
    """Rows that were held against the log."""


def verify(store: Store, *, known_heads: Sequence[str] = (), most: int = 100) -> Verification:
    """Hold the log against itself and the rows against the log.

    Args:
        store: May be read-only.
        known_heads: Hashes that were the head at some time: they must still be in the log, or its
            end was cut off, or it was written anew.
        most: Problems after which no further one is told.
    """
    connection = store.connection
    temporary = sqlite3.connect("")  # on disk when it outgrows its cache, gone when closed
    problems: list[str] = []
    try:
        temporary.execute("CREATE TABLE told (kind TEXT, id INTEGER, digest TEXT, scan INTEGER,"
                          " PRIMARY KEY (kind, id)) WITHOUT ROWID")  # fmt: skip
        head, unmet = _read_log(connection, temporary, problems, known_heads)
        problems += [
            f"the head {known} is not in the log: its end was cut off, or it was written anew"
            for known in unmet
        ]
        rows = 0
        for found in _held_against(connection, temporary):
            rows += 1
            if found is not None and len(problems) < most:
                problems.append(found)
    finally:
        temporary.close()
    return Verification(head, tuple(problems[:most]), head.seq, rows)


def _read_log(
    connection: sqlite3.Connection,
    temporary: sqlite3.Connection,
    problems: list[str],
    known_heads: Sequence[str],
) -> tuple[Head, list[str]]:
    """Check the chain, keep what it tells; the head, and which known ones were not met."""
    before = Head(0, chain.GENESIS)
    unmet = {known.lower() for known in known_heads}
    for seq, at, kind, body, previous, made in chain.entries(connection):
        if seq != before.seq + 1:
            problems.append(f"log: entries {before.seq + 1} to {seq - 1} are missing")
        elif previous != before.hash:
            problems.append(f"log: entry {seq} does not follow on entry {before.seq}")
        if made != chain.entry_hash(seq, at, kind, body, previous):
            problems.append(f"log: entry {seq} ({kind}, {at}) was changed")
        else:
            temporary.executemany(
                "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)",
                _told(seq, kind, json.loads(body)),
            )
        unmet.discard(made)
        before = Head(seq, made)
    return before, sorted(unmet)


def _told(seq: int, kind: str, body: dict[str, Any]) -> list[tuple[str, int, str, int | None]]:
    """What one entry says of which rows."""
    if kind == "result":
        return [
            ("files", body["file"], body["file_digest"], body["scan"]),
            ("scans", body["scan"], body["scan_digest"], None),
        ]
    if kind == "files-added":
        return [("added", seq, body["digest"], body["files"])]
    if kind == "run-started":
        return [("runs", body["run"], body["digest"], None)]
    if kind == "run-ended":
        return [("ends", body["run"], body["digest"], None)]
    if kind == "label":
        return [("labels", body["label"], body["digest"], None)]
    if kind == "settings":
        return [("settings", body["settings"], body["digest"], None)]
    return []


def _held_against(
    connection: sqlite3.Connection, temporary: sqlite3.Connection
) -> Iterator[str | None]:
    """For each row that is there, or should be: what is wrong with it, None = nothing."""
    for table, columns in _TABLES.items():
        yield from _rows_of(connection, temporary, table, table, columns)
    yield from _rows_of(connection, temporary, "ends", "runs", chain.RUN_END_COLUMNS)
    yield from _files(connection, temporary)
    yield from _added(connection, temporary)


def _rows_of(
    connection: sqlite3.Connection,
    temporary: sqlite3.Connection,
    kind: str,
    table: str,
    columns: tuple[str, ...],
) -> Iterator[str | None]:
    where = " WHERE ended IS NOT NULL" if kind == "ends" else ""
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}{where} ORDER BY id"):
        told = _take(temporary, kind, row[0])
        if told is None:
            yield f"{table}: row {row[0]} was put in past the log"
        else:
            yield (
                None if told[0] == chain.digest(list(row)) else f"{table}: row {row[0]} was changed"
            )
    yield from _left_over(temporary, kind, f"{table}: row {{}} was taken out")


def _files(connection: sqlite3.Connection, temporary: sqlite3.Connection) -> Iterator[str | None]:
    """Each file points to the scan that the log says, whose digest is checked with the scans."""
    query = (
        "SELECT files.id, path_bytes, path, sha256, scan_id FROM files WHERE scan_id IS NOT NULL"
        " ORDER BY id"
    )
    for file_id, exact, shown, sha256, scan_id in connection.execute(query):
        told = _take(temporary, "files", file_id)
        if told is None:
            yield f"files: the result of {shown} was put in past the log"
            continue
        made = _digest_of_scan(connection, scan_id)
        fits = told == (chain.file_digest(exact, shown, sha256, made), scan_id)
        yield None if fits else f"files: the row of {shown} was changed, or its scan was"
    yield from _left_over(temporary, "files", "files: row {}, which had a result, was taken out")


def _digest_of_scan(connection: sqlite3.Connection, scan_id: int) -> str:
    sql = f"SELECT {', '.join(chain.SCAN_COLUMNS)} FROM scans WHERE id = ?"
    row = connection.execute(sql, (scan_id,)).fetchone()
    return chain.digest(list(row)) if row else ""


def _added(connection: sqlite3.Connection, temporary: sqlite3.Connection) -> Iterator[str | None]:
    """The names that each entry added are still there, all of them."""
    query = "SELECT added_seq, path_bytes, path FROM files ORDER BY added_seq, id"
    names: list[tuple[bytes, str]] = []
    current: int | None = None
    for seq, exact, shown in and_then(connection.execute(query), [(None, b"", "")]):
        if seq != current and current is not None:
            told = _take(temporary, "added", current)
            fits = told is not None and told[0] == chain.names_digest(names)
            yield (
                None
                if fits
                else (f"files: not the {told[1] if told else 0} files that entry {current} added")
            )
            names = []
        current = seq
        names.append((exact, shown))
    yield from _left_over(temporary, "added", "files: all that entry {} added were taken out")


def _take(temporary: sqlite3.Connection, kind: str, row_id: int) -> tuple[str, int | None] | None:
    """What the log tells of a row; each is taken once, so that what is left over is missing."""
    where = "WHERE kind = ? AND id = ?"
    row = temporary.execute(f"SELECT digest, scan FROM told {where}", (kind, row_id)).fetchone()
    temporary.execute(f"DELETE FROM told {where}", (kind, row_id))
    return row  # type: ignore[no-any-return]  # of sqlite3, any type


def _left_over(temporary: sqlite3.Connection, kind: str, sentence: str) -> Iterator[str]:
    for (row_id,) in temporary.execute("SELECT id FROM told WHERE kind = ? LIMIT 100", (kind,)):
        yield sentence.format(row_id)
