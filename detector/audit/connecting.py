"""Opens the SQLite file of a store, and says in words what SQLite says in codes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.schema import check_version

BUSY_SECONDS = 60.0
"""How long a writer waits for another one, e.g. for `unreel audit label` beside a run."""


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as StoreError, with the file and what helps."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}{_advice(str(error))}") from error


def _advice(message: str) -> str:
    hints = {
        "full": "; free some space and run the same command again: what was stored is intact",
        "readonly": "; it may not be written by this user: chmod u+w, or copy it elsewhere",
        "unable to open": "; does its folder exist, and may this user write there?",
        "not a database": "; name an audit store with --db",
        "locked": "; another program holds it: close that and try again",
        "malformed": "; the file is damaged: restore a copy, or start a new store",
    }
    return next((hint for word, hint in hints.items() if word in message), "")


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun and ended by hand.

    Args:
        path: On a local disk.
        read_only: No row can be changed.

    Raises:
        StoreError: Read-only, and there is no such file.
        sqlite3.Error: See `named_errors`.
    """
    address = path.absolute().as_uri()
    if not read_only:
        connection = _open(address)
        check_version(connection, str(path))  # another program's file is left as it is
        connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing. Power cut: the last commits may be gone, and are redone.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection
    if not path.is_file():
        raise StoreError(f"there is no store {path}: `unreel audit run PATH --db {path}` makes one")
    # As a writer that writes nothing: the last one to close a store tidies up beside it. Where this
    # user may not write, or in a folder without room for WAL's shared memory, less must do.
    for mode in ("rw", "ro", "ro&immutable=1"):
        connection = _open(f"{address}?mode={mode}")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            break
        except sqlite3.OperationalError:
            connection.close()
            beside = path.with_name(path.name + "-wal")
            has_news = beside.exists() and beside.stat().st_size
            if mode == "ro&immutable=1" or (mode == "ro" and has_news):
                raise
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
