"""Shards of several sites become one store: each result as it was, in a log of its own.

The log of a shard is not copied: its head is named in the log of the whole, so that the shard, kept
aside, proves what it sent.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from unreel.detector.audit import chain
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.rows import Found
from unreel.detector.audit.verifying import verify

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

BATCH_FILES = 1000


def merge(store: Store, shard_path: Path) -> dict[str, int]:
    """Take over what a shard holds; doing it twice changes nothing.

    Where both know a name, a verdict counts before an error, then the later one; the same bytes
    under the same settings stay one scan. Files that the shard was not done with come as pending.

    Args:
        store: The whole; locked by the caller.
        shard_path: Is read only.

    Returns:
        How many files were taken over, were here before, and are pending.

    Raises:
        StoreError: The shard is no store, or its log does not agree with its rows.
    """
    from unreel.detector.audit.store import open_store

    if shard_path.resolve() == store.path.resolve():
        raise StoreError(f"{shard_path} is the store itself: name the others")
    with open_store(shard_path, read_only=True) as shard:
        checked = verify(shard, most=3)
        if checked.problems:
            raise StoreError(
                f"{shard_path} does not agree with its own log ({checked.problems[0]}): see unreel "
                f"audit verify {shard_path}"
            )
        return _Merge(store, shard.connection, shard_path, checked.head).all()


class _Merge:
    """Numbers of the shard -> numbers here."""

    def __init__(
        self, store: Store, shard: sqlite3.Connection, path: Path, head: chain.Head
    ) -> None:
        self._store, self._shard, self._path, self._head = store, shard, path, head
        self._settings: dict[int, int] = {}
        self._runs: dict[int, int] = {}
        self._taken = self._known = self._pending = 0

    def all(self) -> dict[str, int]:
        """Settings, runs, files with their scans, labels; a thousand files at a time."""
        with self._store.transaction() as connection:
            self._copy_settings(connection)
            self._copy_runs(connection)
        names = [spec for spec in chain.SCAN_COLUMNS if spec != "id"]
        sql = (
            f"SELECT files.id, path_bytes, path, size, mtime_ns, state, files.seen_run,"
            f" scans.id, {', '.join(f'scans.{name}' for name in names)}"
            " FROM files LEFT JOIN scans ON scans.id = files.scan_id ORDER BY files.id"
        )
        cursor = self._shard.execute(sql)
        while rows := cursor.fetchmany(BATCH_FILES):
            with self._store.transaction() as connection:
                self._copy_files(connection, names, rows)
        with self._store.transaction() as connection:
            self._copy_labels(connection)
            body = {
                "shard": self._path.name,
                "head": self._head.hash,
                "entries": self._head.seq,
                "taken": self._taken,
            }
            chain.append(connection, "merged", body)
        return {"taken": self._taken, "known": self._known, "pending": self._pending}

    def _copy_settings(self, connection: sqlite3.Connection) -> None:
        columns = chain.SETTINGS_COLUMNS[1:]
        for number, *values in self._shard.execute(
            f"SELECT id, {', '.join(columns)} FROM settings"
        ):
            query = "SELECT id FROM settings WHERE fingerprint = ?"
            known = connection.execute(query, (values[0],)).fetchone()
            made = known[0] if known else _insert(connection, "settings", columns, values)
            self._settings[number] = made
            if not known:
                found = chain.row_digest(connection, "settings", chain.SETTINGS_COLUMNS, made)
                chain.append(connection, "settings", {"settings": made, "digest": found})

    def _copy_runs(self, connection: sqlite3.Connection) -> None:
        columns = (*chain.RUN_COLUMNS[1:], *chain.RUN_END_COLUMNS[1:])
        for number, settings, *values in self._shard.execute(
            f"SELECT id, {', '.join(columns)} FROM runs"
        ):
            mapped = [self._settings[settings], *values]
            same = " AND ".join(f"{name} IS ?" for name in columns)
            known = connection.execute(f"SELECT id FROM runs WHERE {same}", mapped).fetchone()
            made = known[0] if known else _insert(connection, "runs", columns, mapped)
            self._runs[number] = made
            if not known:
                for kind, cols in (("run-started", chain.RUN_COLUMNS),
                                   ("run-ended", chain.RUN_END_COLUMNS)):  # fmt: skip
                    if kind == "run-ended" and values[-3] is None:
                        continue
                    found = chain.row_digest(connection, "runs", cols, made)
                    chain.append(connection, kind, {"run": made, "digest": found})

    def _copy_files(
        self,
        connection: sqlite3.Connection,
        names: list[str],
        rows: list[tuple[object, ...]],
    ) -> None:
        for _, exact, _, size, mtime_ns, state, seen_run, scan, *values in rows:
            scanned = dict(zip(names, values, strict=True))
            query = (
                "SELECT files.id, status, finished FROM files LEFT JOIN scans"
                " ON scans.id = scan_id WHERE path_bytes = ?"
            )
            known = connection.execute(query, (exact,)).fetchone()
            self._pending += state != "done"
            if known is None:
                run = self._runs[int(str(seen_run))]
                assert isinstance(exact, bytes)
                self._store.add_found(run, [Found(os.fsdecode(exact), None, None)])
                connection.execute(
                    "UPDATE files SET size = ?, mtime_ns = ? WHERE path_bytes = ?",
                    (size, mtime_ns, exact),
                )
                known = (connection.execute(query, (exact,)).fetchone()[0], None, None)
            if scan is None or _is_as_good(known[1:], scanned):
                self._known += known[1] is not None
                continue
            made = self._scan_here(connection, names, scanned)
            self._store.point(self._runs[int(str(scanned["run_id"]))], known[0], made)
            if state != "done":
                connection.execute("UPDATE files SET state = 'pending' WHERE id = ?", known[:1])
            self._taken += 1

    def _scan_here(
        self, connection: sqlite3.Connection, names: list[str], scanned: dict[str, object]
    ) -> int:
        """The same bytes under the same settings stay one scan; an error gives way to a result."""
        settings = self._settings[int(str(scanned["settings_id"]))]
        here = None
        if scanned["sha256"] is not None:
            here = connection.execute(
                "SELECT id, status FROM scans WHERE sha256 = ? AND settings_id = ?"
                " AND is_current = 1",
                (scanned["sha256"], settings),
            ).fetchone()
        if here is not None and (here[1] == "ok" or scanned["status"] == "error"):
            return int(here[0])
        if here is not None:
            connection.execute("UPDATE scans SET is_current = 0 WHERE id = ?", here[:1])
        mapped = scanned | {
            "settings_id": settings,
            "run_id": self._runs[int(str(scanned["run_id"]))],
        }
        made = _insert(connection, "scans", names, [mapped[name] for name in names])
        if here is not None:
            query = "SELECT id FROM files WHERE scan_id = ?"
            for (file_id,) in connection.execute(query, here[:1]).fetchall():
                self._store.point(int(str(mapped["run_id"])), file_id, made)
        return made

    def _copy_labels(self, connection: sqlite3.Connection) -> None:
        columns = chain.LABEL_COLUMNS[1:]
        for values in self._shard.execute(f"SELECT {', '.join(columns)} FROM labels ORDER BY id"):
            same = " AND ".join(f"{name} = ?" for name in columns)
            if connection.execute(f"SELECT 1 FROM labels WHERE {same}", values).fetchone():
                continue
            made = _insert(connection, "labels", columns, values)
            found = chain.row_digest(connection, "labels", chain.LABEL_COLUMNS, made)
            chain.append(connection, "label", {"label": made, "digest": found})


def _is_as_good(known: tuple[str | None, str | None], scanned: dict[str, object]) -> bool:
    """Whether a result that is here stands: a verdict before an error, then the later one."""
    if known[0] is None:
        return False
    rank = (known[0] == "ok", known[1] or "")
    return rank >= (scanned["status"] == "ok", str(scanned["finished"]))


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...] | list[str],
    values: list[object] | tuple[object, ...],
) -> int:
    marks = ", ".join("?" * len(columns))
    cursor = connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", list(values)
    )
    return int(cursor.lastrowid or 0)
