"""The store: one SQLite file that holds the work list, the results, the labels and the log.

Whoever works on the list holds `lock()`; any number of others may read and label meanwhile. A
transaction is either there as a whole or not at all, so that a process may be killed at any moment:
what was in hand then is in the list again when the lock is next taken.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from unreel.detector.audit import chain
from unreel.detector.audit.connecting import connect, named_errors
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.results import columns_of, error_report, names_of
from unreel.detector.audit.rows import Counts, FileRow, Found, Work
from unreel.detector.audit.runs import insert_run, insert_settings
from unreel.detector.audit.schema import bring_up_to_date, check_version
from unreel.detector.audit.settings import Settings, as_json


def open_store(path: str | os.PathLike[str], *, read_only: bool = False) -> Store:
    """Open an audit store, or make one.

    Args:
        path: The SQLite file. Its folder must be on a local disk: WAL needs shared memory.
        read_only: No row can be changed; the store must be there, also on a read-only disk.

    Raises:
        StoreError: It cannot be opened, is no audit store, or is of a newer version.
    """
    return Store(Path(path), read_only=read_only)


class Store:
    """An open store; made by `open_store`. One for each thread."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        with named_errors(path):
            self.connection = connect(path, read_only)
            try:
                if read_only:
                    if not check_version(self.connection, str(path)):
                        raise StoreError(f"{path} is empty: `unreel audit run` makes a store")
                else:
                    bring_up_to_date(self.connection, str(path))
            except BaseException:
                self.connection.close()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written inside is there as a whole or not at all.

        Raises:
            StoreError: The disk is full, the store may not be written, ...
        """
        with named_errors(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite rolls some errors back by itself
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one process that works on the list; files in hand of a dead one are free again.

        The kernel lets go of the lock when the process ends, however it ends.

        Raises:
            StoreError: Another process holds it.
        """
        import fcntl

        beside = self.path.with_name(self.path.name + ".lock")
        try:
            handle = beside.open("a+")
        except OSError as error:
            raise StoreError(f"{beside} cannot be written: {error.strerror}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                raise StoreError(
                    f"another process works on {self.path} ({handle.read().strip()}): wait for it, "
                    "or read the store meanwhile: unreel audit report"
                ) from None
            handle.seek(0)
            handle.truncate()
            handle.write(f"process {os.getpid()}\n")
            handle.flush()
            with self.transaction() as connection:
                connection.execute("UPDATE files SET state = 'pending' WHERE state = 'in-hand'")
            yield

    def begin_run(
        self,
        settings: Settings,
        *,
        engine: str,
        command: list[str] | None = None,
        options: dict[str, Any] | None = None,
    ) -> int:
        """Write down who works how from now on; returns the number of the run."""
        with self.transaction() as connection:
            settings_id = insert_settings(connection, settings)
            return insert_run(connection, settings_id, engine, command, options or {})

    def end_run(self, run: int, outcome: str, counts: dict[str, int] | None = None) -> chain.Head:
        """Write down how it ended; returns the head of the log."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE runs SET ended = ?, outcome = ?, counts = ? WHERE id = ?",
                (chain.now(), outcome, as_json(counts or {}), run),
            )
            made = chain.row_digest(connection, "runs", chain.RUN_END_COLUMNS, run)
            return chain.append(connection, "run-ended", {"run": run, "digest": made})

    def add(self, path: str | os.PathLike[str], run: int, *, priority: float = 0.0) -> bool:
        """Put one file on the list of a run.

        Returns:
            False when it has a result under the settings of the run and has not changed since.
        """
        from unreel.detector.audit.planning import look_at, plan

        counts = Counts()
        plan(self, run, [look_at(os.fsdecode(path))], counts, priority=priority, again=True)
        return counts.unchanged == 0

    def add_found(self, run: int, found: list[Found]) -> None:
        """Insert files that the store does not know; inside a transaction.

        One entry of the log tells of all of them, so that none can be taken out unnoticed.
        """
        names = [names_of(item.path) for item in found]
        body = {"run": run, "files": len(names), "digest": chain.names_digest(names)}
        seq = chain.append(self.connection, "files-added", body).seq
        self.connection.executemany(
            "INSERT INTO files (path_bytes, path, size, mtime_ns, state, seen_run, added_seq)"
            " VALUES (?, ?, ?, ?, 'pending', ?, ?)",
            [
                (exact, shown, item.size, item.mtime_ns, run, seq)
                for (exact, shown), item in zip(names, found, strict=True)
            ],
        )

    def claim(self, run: int, count: int) -> list[Work]:
        """Take the next files of a run in hand, at most `count`; inside a transaction.

        Those that were in hand when a process died come last: should one of them be the reason,
        all others are done before it is tried again.
        """
        rows = self.connection.execute(
            "SELECT id, path_bytes, CASE WHEN is_stale THEN NULL ELSE sha256 END,"
            " is_stale OR EXISTS (SELECT 1 FROM files AS other WHERE other.size = files.size"
            "   AND other.id != files.id)"
            " FROM files WHERE state = 'pending' AND seen_run = ?"
            " ORDER BY attempts, priority DESC, id LIMIT ?",
            (run, count),
        ).fetchall()
        self.connection.executemany(
            "UPDATE files SET state = 'in-hand', attempts = attempts + 1 WHERE id = ?",
            [(row[0],) for row in rows],
        )
        return [Work(i, os.fsdecode(p), sha256, bool(twin)) for i, p, sha256, twin in rows]

    def release(self, work: Work) -> None:
        """Put a file back on the list, as if it had not been begun; inside a transaction."""
        self.connection.execute(
            "UPDATE files SET state = 'pending', attempts = attempts - 1"
            " WHERE id = ? AND state = 'in-hand'",
            (work.file_id,),
        )

    def scan_of(self, run: int, sha256: str, *, errors: bool = True) -> int | None:
        """The scan that stands for these bytes under the settings of a run.

        Args:
            run: Number of the run.
            sha256: Of the bytes.
            errors: False = an error of an earlier run does not stand: the bytes are tried again.
        """
        row = self.connection.execute(
            "SELECT id FROM scans WHERE sha256 = ? AND is_current = 1"
            " AND settings_id = (SELECT settings_id FROM runs WHERE id = ?)"
            " AND (status = 'ok' OR ? OR run_id = ?)",
            (sha256, run, errors, run),
        ).fetchone()
        return row[0] if row else None

    def attach(self, run: int, work: Work, scan_id: int) -> None:
        """Give a file the scan of the same bytes; inside a transaction."""
        self.point(run, work.file_id, scan_id)

    def finish(self, run: int, work: Work, report: str) -> int:
        """Store the result of a file; inside a transaction.

        When the same bytes have a scan already, that one stands; an error that was tried again is
        replaced for all names of the bytes.

        Args:
            run: Number of the run.
            work: As claimed.
            report: One line of JSON as `to_json(report, with_run=True)` gives it.

        Returns:
            The number of the scan that now stands for the file.
        """
        settings_id = self._settings_of(run)
        row = columns_of(report)
        sha256 = row["sha256"]
        others: list[int] = []
        before = None
        if sha256 is not None:
            before = self.connection.execute(
                "SELECT id, status FROM scans WHERE sha256 = ? AND settings_id = ?"
                " AND is_current = 1",
                (sha256, settings_id),
            ).fetchone()
        if before is not None and before[1] == "ok":
            self.attach(run, work, before[0])
            return int(before[0])
        if before is not None:
            query = "SELECT id FROM files WHERE scan_id = ? AND state = 'done' AND id != ?"
            others = [r[0] for r in self.connection.execute(query, (before[0], work.file_id))]
            self.connection.execute("UPDATE scans SET is_current = 0 WHERE id = ?", before[:1])
        row |= {"settings_id": settings_id, "run_id": run, "finished": chain.now()}
        cursor = self.connection.execute(
            f"INSERT INTO scans ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            list(row.values()),
        )
        scan_id = int(cursor.lastrowid or 0)
        for file_id in (work.file_id, *others):
            self.point(run, file_id, scan_id)
        return scan_id

    def finish_with_error(self, run: int, work: Work, code: str, message: str) -> int:
        """Store that a file could not be looked at; inside a transaction.

        Args:
            run: Number of the run.
            work: As claimed; its `known_sha256` says of which bytes this is said.
            code: A stable word, see `unreel.detector.errors`.
            message: What happened and what helps.
        """
        model = self.connection.execute(
            "SELECT model_name, model_version, model_sha256 FROM settings WHERE id = ?",
            (self._settings_of(run),),
        ).fetchone()
        return self.finish(run, work, error_report(work, model, code, message))

    def _settings_of(self, run: int) -> int:
        query = "SELECT settings_id FROM runs WHERE id = ?"
        return int(self.connection.execute(query, (run,)).fetchone()[0])

    def point(self, run: int, file_id: int, scan_id: int) -> None:
        """A file is done, with this scan; the log tells it. Inside a transaction."""
        scan_digest = chain.row_digest(self.connection, "scans", chain.SCAN_COLUMNS, scan_id)
        exact, shown, sha256 = self.connection.execute(
            "UPDATE files SET state = 'done', scan_id = ?, is_stale = 0, attempts = 0,"
            " sha256 = (SELECT sha256 FROM scans WHERE id = ?)"
            " WHERE id = ? RETURNING path_bytes, path, sha256",
            (scan_id, scan_id, file_id),
        ).fetchone()
        body = {
            "run": run,
            "file": file_id,
            "path": shown,
            "sha256": sha256,
            "scan": scan_id,
            "scan_digest": scan_digest,
            "file_digest": chain.file_digest(exact, shown, sha256, scan_digest),
        }
        chain.append(self.connection, "result", body)

    def label(
        self,
        name: str | os.PathLike[str],
        label: str,
        *,
        generator: str = "",
        source: str = "",
        note: str = "",
    ) -> str:
        """Say what a person found; the last word on the same bytes counts, all words are kept.

        Args:
            name: A file of the store, or at least eight digits of its SHA-256.
            label: real, generated, manipulated or unsure.
            generator: What made it, when that is known.
            source: Where it comes from: clips of one source are kept together in training.
            note: Anything else.

        Returns:
            SHA-256 of the bytes that carry the label now.
        """
        from unreel.detector.audit.labels import add_label

        return add_label(self, name, label, generator, source, note)

    def file(self, name: str | os.PathLike[str]) -> FileRow:
        """One file by its name or by at least eight digits of its SHA-256.

        Raises:
            StoreError: The store does not know it, or knows several.
        """
        from unreel.detector.audit.reading import file_row

        return file_row(self, name)

    def report(self, name: str | os.PathLike[str]) -> dict[str, Any] | None:
        """The report on a file, as `unreel scan --json` writes it; None = not looked at yet."""
        from unreel.detector.audit.reading import report_of

        return report_of(self, name)
