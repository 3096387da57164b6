"""From the files that were found to the list of what is to be done.

A file is left alone when it has a result under the same settings and neither size nor time of
change differ. When they differ, its bytes are hashed first: the same bytes need no second scan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from unreel.detector.audit.results import names_of
from unreel.detector.audit.rows import Counts, Found, Work

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

BATCH_FILES = 1000
"""Files that are planned in one transaction."""


def look_at(path: str) -> Found:
    """Size and time of change of a file that was named itself; it is not opened.

    What is wrong with it, if anything, the scan says.
    """
    whole = path if "://" in path else os.path.abspath(path)
    try:
        facts = os.stat(whole)
    except (OSError, ValueError):
        return Found(whole)
    return Found(whole, facts.st_size, facts.st_mtime_ns)


def plan(
    store: Store,
    run: int,
    found: Iterable[Found],
    counts: Counts,
    *,
    rehash: bool = False,
    retry_errors: bool = False,
    priority: float = 0.0,
    again: bool = False,
) -> None:
    """Enter files into the list of a run; a thousand at a time, so that memory stays flat.

    Args:
        store: Locked by the caller.
        run: Number of the run.
        found: What a walk came across; a file that comes twice is taken once.
        counts: Are counted up.
        rehash: Trust no size and no time: read every byte again.
        retry_errors: Try files again that ended with an error.
        priority: Of files that need work; higher = earlier.
        again: Look again at files that this very run is done with.
    """
    source = iter(found)
    while batch := list(islice(source, BATCH_FILES)):
        with store.transaction():
            _plan_batch(store, run, batch, counts, rehash, retry_errors, again)
            if priority:
                names = [(priority, names_of(item.path)[0]) for item in batch]
                store.connection.executemany(
                    "UPDATE files SET priority = ? WHERE path_bytes = ?", names
                )


def _plan_batch(
    store: Store,
    run: int,
    batch: list[Found],
    counts: Counts,
    rehash: bool,
    retry_errors: bool,
    again: bool,
) -> None:
    new: dict[bytes, Found] = {}
    for item in batch:
        exact = names_of(item.path)[0]
        row = store.connection.execute(
            "SELECT files.id, size, mtime_ns, state, status, seen_run, files.sha256,"
            " scans.settings_id = (SELECT settings_id FROM runs WHERE id = ?)"
            " FROM files LEFT JOIN scans ON scans.id = files.scan_id WHERE path_bytes = ?",
            (run, exact),
        ).fetchone()
        if row is None:
            new.setdefault(exact, item)
            continue
        file_id, size, mtime_ns, state, status, seen_run, sha256, same_settings = row
        if seen_run == run and (state != "done" or not again):
            continue  # found by two ways
        counts.found += 1
        differs = (size, mtime_ns) != (item.size, item.mtime_ns)
        retry = retry_errors and status == "error"
        idle = state == "done" and same_settings and not (differs or rehash or retry)
        counts.unchanged += bool(idle)
        counts.changed += bool(differs and status is not None)
        counts.to_do += not idle
        store.connection.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, seen_run = ?, state = ?, priority = 0,"
            " is_stale = max(is_stale, ?) WHERE id = ?",
            (
                item.size,
                item.mtime_ns,
                run,
                "done" if idle else "pending",
                int(sha256 is not None and (differs or rehash)),
                file_id,
            ),
        )
        if item.error is not None and not idle:
            store.finish_with_error(run, Work(file_id, item.path), *item.error)
            counts.errors += 1
            counts.scanned += 1
    _add_new(store, run, list(new.values()), counts)


def _add_new(store: Store, run: int, new: list[Found], counts: Counts) -> None:
    if not new:
        return
    store.add_found(run, new)
    counts.found += len(new)
    counts.new += len(new)
    counts.to_do += len(new)
    for work, item in _with_errors(store, new):
        assert item.error is not None
        store.finish_with_error(run, work, *item.error)
        counts.errors += 1
        counts.scanned += 1


def _with_errors(store: Store, found: list[Found]) -> Iterator[tuple[Work, Found]]:
    """Those that cannot even be tried, e.g. folders that may not be listed."""
    query = "SELECT id FROM files WHERE path_bytes = ?"
    for item in found:
        if item.error is not None:
            row = store.connection.execute(query, (names_of(item.path)[0],)).fetchone()
            yield Work(row[0], item.path), item
