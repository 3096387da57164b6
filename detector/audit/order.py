"""In which order the files of a run are looked at: one UPDATE over the list, nothing is opened.

suspicious-first   what speaks for it cheaply: the score that the same bytes, or an earlier state of
                   the file, had under another model or configuration; else the mean score of the
                   files in the same folder, for uploads of one source lie together; else 0.5
oldest             by time of change, oldest first
size               smallest first: most files per hour in the beginning
"""

from __future__ import annotations

import os
import sqlite3

ORDERS = ("suspicious-first", "oldest", "size")
UNKNOWN_SCORE = 0.5


def put_in_order(connection: sqlite3.Connection, run: int, order: str) -> None:
    """Set the priority of all pending files of a run; inside a transaction."""
    where = "WHERE state = 'pending' AND seen_run = ?"
    if order == "oldest":
        sql = f"UPDATE files SET priority = -coalesce(mtime_ns, 0) / 1e9 {where}"
        connection.execute(sql, (run,))
    elif order == "size":
        connection.execute(f"UPDATE files SET priority = -coalesce(size, 0) {where}", (run,))
    else:
        connection.create_function("folder", 1, _folder, deterministic=True)
        connection.execute("DROP TABLE IF EXISTS temp.folder_scores")
        connection.execute(
            "CREATE TEMP TABLE folder_scores AS SELECT folder(path_bytes) AS folder,"
            " avg(scans.score) AS score FROM files JOIN scans ON scans.id = files.scan_id"
            " WHERE scans.score IS NOT NULL GROUP BY 1"
        )
        connection.execute("CREATE INDEX temp.by_folder ON folder_scores(folder)")
        connection.execute(
            "UPDATE files SET priority = coalesce("
            " (SELECT score FROM scans WHERE scans.id = files.scan_id),"
            " (SELECT score FROM temp.folder_scores WHERE folder = folder(files.path_bytes)),"
            f" {UNKNOWN_SCORE}) {where}",
            (run,),
        )
        connection.execute("DROP TABLE temp.folder_scores")


def _folder(path: bytes) -> bytes:
    return os.path.dirname(path)
