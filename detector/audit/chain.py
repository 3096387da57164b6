"""The append-only log: each entry carries the hash of the one before, and digests of the rows.

    hash = sha256(canonical JSON of [seq, at, kind, body, previous])

Whoever changes, removes or reorders an entry breaks the chain; whoever changes a row contradicts
the entry that tells of it. What no chain can show by itself: that somebody rewrote all of it from
the first entry on, or cut off its end together with the rows. For that its head must be known
elsewhere: printed, noted, or signed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""Stands for the hash before the first entry."""

SCAN_COLUMNS = (
    "id", "settings_id", "run_id", "sha256", "status", "error_code", "error_message", "label",
    "score", "llr", "percentile", "threshold", "fpr", "bucket", "camera_clips", "recheck_score",
    "bytes", "container", "codec", "width", "height", "fps", "frames", "duration_seconds",
    "has_audio", "shots", "findings", "decoder", "finished", "seconds", "timing", "report",
)  # fmt: skip
"""What the digest of a scan is over: all but is_current."""
LABEL_COLUMNS = ("id", "sha256", "label", "generator", "source", "note", "labelled")
SETTINGS_COLUMNS = (
    "id", "fingerprint", "model_name", "model_version", "model_sha256", "model_files", "config",
)  # fmt: skip
RUN_COLUMNS = (
    "id", "settings_id", "started", "tool_version", "host", "command", "engine", "libraries",
    "options",
)  # fmt: skip
RUN_END_COLUMNS = ("id", "ended", "outcome", "counts")


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a log."""

    seq: int
    """0 = the log is empty."""
    hash: str


def canonical(value: Any) -> str:
    """JSON in one spelling: sorted keys, no blanks, ASCII; floats as Python's repr."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, lower-case hexadecimal."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def now() -> str:
    """UTC to the second, for people: nothing is ordered by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def head_of(connection: sqlite3.Connection) -> Head:
    """The last entry."""
    row = connection.execute("SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head(0, GENESIS)


def append(connection: sqlite3.Connection, kind: str, body: dict[str, Any]) -> Head:
    """Add an entry; inside the transaction of what it tells of."""
    before = head_of(connection)
    seq, at, text = before.seq + 1, now(), canonical(body)
    made = entry_hash(seq, at, kind, text, before.hash)
    connection.execute(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", (seq, at, kind, text, before.hash, made)
    )
    return Head(seq, made)


def entry_hash(seq: int, at: str, kind: str, body: str, previous: str) -> str:
    """The hash that an entry must carry."""
    return digest([seq, at, kind, body, previous])


def row_digest(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...], row_id: int
) -> str:
    """Digest of one row as it stands in the store."""
    sql = f"SELECT {', '.join(columns)} FROM {table} WHERE id = ?"
    return digest(list(connection.execute(sql, (row_id,)).fetchone()))


def file_digest(path_bytes: bytes, path: str, sha256: str | None, scan_digest: str) -> str:
    """Digest of what is claimed of a file: this name, these bytes, this scan."""
    return digest([path_bytes.hex(), path, sha256, scan_digest])


def names_digest(names: list[tuple[bytes, str]]) -> str:
    """Digest of the names that one entry added, in the order of their rows."""
    return digest([[exact.hex(), shown] for exact, shown in names])


def entries(connection: sqlite3.Connection) -> Iterator[tuple[int, str, str, str, str, str]]:
    """All entries by number: seq, at, kind, body, previous, hash."""
    yield from connection.execute(
        "SELECT seq, at, kind, body, previous, hash FROM log ORDER BY seq"
    )
