"""The clips that were dropped on the page: where they lie, what they were called, how they stand.

    FOLDER/uploads/ID/clip    the bytes; ID is drawn by us, and no part of the path is ever theirs
    FOLDER/audit.sqlite       the store; its table `uploads` keeps the names, which are only shown

A clip's state is that of its row in the store: what was committed there survives everything.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unreel.detector.audit.store import Store, open_store

ID = re.compile(r"[0-9a-f]{24}")
CLIP_FILE = "clip"
MAX_NAME_CHARACTERS = 200
_TABLE = """
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,                     -- as the browser gave it; shown, never used as a name
  bytes INTEGER NOT NULL,
  created REAL NOT NULL,                  -- seconds since 1970
  file_id INTEGER UNIQUE REFERENCES files(id),   -- NULL = not on the list yet
  has_video INTEGER NOT NULL DEFAULT 1,   -- 0 = deleted after its time, the result stays
  deleted INTEGER NOT NULL DEFAULT 0      -- by request; name and pictures are gone as well
)
"""
_COLUMNS = (
    "uploads.rowid AS number, uploads.id, uploads.name, uploads.bytes, uploads.created,"
    " uploads.file_id, uploads.has_video, results.state, results.status, results.error_code,"
    " results.error_message, results.label, results.score, results.llr, results.percentile,"
    " results.threshold, results.fpr, results.sha256, results.duration_seconds, results.width,"
    " results.height, results.reviewed_as, results.model_name, results.model_version,"
    " results.model_sha256, results.bucket, results.finished"
)
_FROM = "FROM uploads LEFT JOIN results ON results.file_id = uploads.file_id WHERE NOT deleted"


@dataclass(frozen=True, slots=True)
class Draft:
    """An upload that is being received."""

    id: str
    folder: Path

    @property
    def part(self) -> Path:
        """Where its bytes go until all have come."""
        return self.folder / "part"


class Uploads:
    """The table and the folders; may be used from any thread.

    Args:
        folder: Of the server; made when it is not there, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "uploads"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._store = open_store(folder / "audit.sqlite")
        with self._using() as store, store.transaction() as connection:
            connection.execute(_TABLE)

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            self._store.close()

    @contextmanager
    def _using(self) -> Iterator[Store]:
        with self._lock:
            yield self._store

    def folder_of(self, upload: str) -> Path:
        """The folder of a clip.

        Raises:
            KeyError: This is no id, whatever else it may be.
        """
        if not ID.fullmatch(upload):
            raise KeyError(upload)
        return self.root / upload

    def draft(self) -> Draft:
        """A new folder for a clip that is about to come."""
        name = secrets.token_hex(12)
        folder = self.root / name
        folder.mkdir(mode=0o700)
        return Draft(name, folder)

    def drop(self, draft: Draft) -> None:
        """It did not come to its end, or is not wanted."""
        shutil.rmtree(draft.folder, ignore_errors=True)

    def enter(self, draft: Draft, name: str, run: int) -> None:
        """All bytes have come: put the clip on the list of a run."""
        clip = draft.folder / CLIP_FILE
        draft.part.rename(clip)
        size = clip.stat().st_size
        with self._using() as store:
            with store.transaction() as connection:
                connection.execute(
                    "INSERT INTO uploads (id, name, bytes, created) VALUES (?, ?, ?, ?)",
                    (draft.id, shown_name(name), size, time.time()),
                )
            self._list(store, draft.id, run)

    def _list(self, store: Store, upload: str, run: int) -> None:
        clip = os.path.abspath(self.root / upload / CLIP_FILE)
        store.add(clip, run)
        with store.transaction() as connection:
            connection.execute(
                "UPDATE uploads SET file_id = (SELECT id FROM files WHERE path_bytes = ?)"
                " WHERE id = ?",
                (os.fsencode(clip), upload),
            )

    def take_up(self, run: int) -> None:
        """After a restart: list what was not listed yet, drop what never came to its end."""
        with self._using() as store:
            query = "SELECT id FROM uploads WHERE file_id IS NULL AND NOT deleted"
            for (upload,) in store.connection.execute(query).fetchall():
                self._list(store, upload, run)
            known = {row[0] for row in store.connection.execute("SELECT id FROM uploads")}
        for folder in self.root.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def row(self, upload: str) -> dict[str, Any]:
        """One clip.

        Raises:
            KeyError: There is none, or it was deleted.
        """
        rows = self._rows("AND uploads.id = ?", (upload,))
        if not rows or not ID.fullmatch(upload):
            raise KeyError(upload)
        return rows[0]

    def row_of_file(self, file_id: int) -> dict[str, Any] | None:
        """The clip behind a row of the store; None = deleted meanwhile."""
        rows = self._rows("AND uploads.file_id = ?", (file_id,))
        return rows[0] if rows else None

    def rows(self, *, before: int | None = None, most: int = 100) -> list[dict[str, Any]]:
        """The newest clips first.

        Args:
            before: Only those with a smaller `number`.
            most: So many.
        """
        return self._rows(
            "AND uploads.rowid < ? ORDER BY uploads.rowid DESC LIMIT ?",
            (before if before is not None else 1 << 62, most),
        )

    def _rows(self, condition: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        with self._using() as store:
            cursor = store.connection.execute(f"SELECT {_COLUMNS} {_FROM} {condition}", values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def counts(self) -> dict[str, int]:
        """How many clips there are, wait, and how many bytes of video are kept."""
        with self._using() as store:
            clips, waiting, size = store.connection.execute(
                "SELECT count(*), coalesce(sum(coalesce(state, 'pending') != 'done'), 0),"
                f" coalesce(sum(has_video * uploads.bytes), 0) {_FROM}"
            ).fetchone()
        return {"clips": clips, "waiting": waiting, "bytes": size}

    def hashes(self) -> set[str]:
        """SHA-256 of the clips that there are, as far as they are known."""
        with self._using() as store:
            sql = f"SELECT DISTINCT results.sha256 {_FROM} AND results.sha256 IS NOT NULL"
            return {row[0] for row in store.connection.execute(sql)}

    def report(self, upload: str) -> dict[str, Any] | None:
        """The full report as `unreel scan --json` writes it, under the name it was dropped with.

        Raises:
            KeyError: There is no such clip.
        """
        row = self.row(upload)
        with self._using() as store:
            found = store.report(self.folder_of(upload).absolute() / CLIP_FILE)
        if found is not None:
            found["file"]["path"] = row["name"]
            found["file"].pop("path_base64", None)
        return found

    def label(self, upload: str, label: str, generator: str, source: str, note: str) -> None:
        """Say what a person found.

        Raises:
            KeyError: There is no such clip.
            StoreError: Its bytes are not known yet.
            UsageError: The label is none.
        """
        self.row(upload)
        with self._using() as store:
            path = self.folder_of(upload).absolute() / CLIP_FILE
            store.label(path, label, generator=generator, source=source, note=note)

    def delete(self, upload: str) -> tuple[int | None, str | None]:
        """Delete video and name; returns row of the store and hash, if others do not share it.

        Raises:
            KeyError: There is no such clip.
        """
        row = self.row(upload)
        with self._using() as store:
            with store.transaction() as connection:
                connection.execute(
                    "UPDATE uploads SET deleted = 1, has_video = 0, name = '' WHERE id = ?",
                    (upload,),
                )
            (others,) = store.connection.execute(
                f"SELECT count(*) {_FROM} AND results.sha256 = ?", (row["sha256"],)
            ).fetchone()
        shutil.rmtree(self.folder_of(upload), ignore_errors=True)
        return row["file_id"], None if others else row["sha256"]

    def expire(self, keep_days: float) -> list[str]:
        """Delete videos past their time whose result is there and that nobody labelled."""
        if keep_days <= 0:
            return []
        until = time.time() - keep_days * 86400
        rows = self._rows(
            "AND has_video AND state = 'done' AND reviewed_as IS NULL AND created < ?", (until,)
        )
        for row in rows:
            with contextlib.suppress(OSError):
                (self.folder_of(row["id"]) / CLIP_FILE).unlink()
            with self._using() as store, store.transaction() as connection:
                connection.execute("UPDATE uploads SET has_video = 0 WHERE id = ?", (row["id"],))
        return [row["id"] for row in rows]


def shown_name(name: str) -> str:
    """What a browser said the file is called, without folders and without half characters."""
    last = re.split(r"[/\\]", name)[-1]
    clean = last.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return clean[:MAX_NAME_CHARACTERS] or "clip"
