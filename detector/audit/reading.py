"""Single rows of a store: which file is meant, and all that is known of it."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.rows import FileRow
from unreel.detector.jsonout import json_safe

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

_HASH = re.compile(r"[0-9a-f]{8,64}")


def file_id_of(store: Store, name: str | os.PathLike[str]) -> int:
    """The file that a name, or the beginning of a SHA-256, means.

    Raises:
        StoreError: The store does not know it, or several different contents begin like that.
    """
    text = os.fsdecode(name)
    for spelled in (text, os.path.abspath(text)):
        query = "SELECT id FROM files WHERE path_bytes = ?"
        row = store.connection.execute(query, (os.fsencode(spelled),)).fetchone()
        if row:
            return int(row[0])
    if _HASH.fullmatch(text):
        rows = store.connection.execute(
            "SELECT min(id) FROM files WHERE sha256 >= ? AND sha256 < ? GROUP BY sha256 LIMIT 2",
            (text, text + "g"),
        ).fetchall()
        if len(rows) == 1:
            return int(rows[0][0])
        if rows:
            raise StoreError(f"several contents begin with {text}: give more digits of the hash")
    raise StoreError(
        f"{store.path} has no file {json_safe(text)}; files are known by their whole path or by 8 "
        "and more digits of their sha256: unreel audit query DB \"path like '%name%'\""
    )


def file_row(store: Store, name: str | os.PathLike[str]) -> FileRow:
    """One file; see `Store.file`."""
    names = [spec.name for spec in fields(FileRow)]
    sql = f"SELECT {', '.join(names)} FROM results WHERE file_id = ?"
    row = store.connection.execute(sql, (file_id_of(store, name),)).fetchone()
    return FileRow(*row)


def report_of(store: Store, name: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The report on a file under its own name; see `Store.report`."""
    row = store.connection.execute(
        "SELECT path_bytes, report FROM files LEFT JOIN scans ON scans.id = files.scan_id"
        " WHERE files.id = ?",
        (file_id_of(store, name),),
    ).fetchone()
    return None if row[1] is None else under_name(row[0], row[1])


def under_name(path_bytes: bytes, report: str) -> dict[str, Any]:
    """A report as if this name had been scanned: the same bytes may lie under several.

    Args:
        path_bytes: The name.
        report: As stored, under the name that was scanned first.
    """
    whole: dict[str, Any] = json.loads(report)
    path = os.fsdecode(path_bytes)
    facts = whole["file"]
    facts.pop("path_base64", None)
    shown = json_safe(path)
    named = {"path": shown}
    if shown != path:
        named["path_base64"] = base64.b64encode(path_bytes).decode("ascii")
    whole["file"] = named | {k: v for k, v in facts.items() if k != "path"}
    return whole
