"""One run, from the names that were given to the last row: what `unreel audit run` does.

begin_run -> find -> plan -> put in order -> work through -> end_run
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from unreel.detector.audit.chain import Head
from unreel.detector.audit.engine import SCANNING, Engine, WorkerSpec
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.local_engine import LocalEngine, usable_cores
from unreel.detector.audit.order import ORDERS, put_in_order
from unreel.detector.audit.planning import plan
from unreel.detector.audit.rows import Counts
from unreel.detector.audit.settings import settings_of
from unreel.detector.audit.store import Store
from unreel.detector.audit.walk import Choice, find
from unreel.detector.audit.working import Finished, work_through
from unreel.detector.calibration import load_calibration
from unreel.detector.config import ScanConfig
from unreel.detector.model import DEFAULT_FOLDER
from unreel.detector.verdict import POOLED


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """All settings of one run."""

    names: tuple[str, ...] = ()
    """Files and folders; none = what is still on the list of the store."""
    choice: Choice = field(default_factory=Choice)
    model_folder: Path | None = None
    config: ScanConfig = field(default_factory=ScanConfig)
    engine: str = "local"
    address: str | None = None
    """Of a Ray cluster; None = one is started here."""
    workers: int = 0
    """0 = one for each core."""
    file_seconds: float = 600.0
    """Wall-clock limit for one file."""
    worker_bytes: int = 4 << 30
    """Resident memory of one worker with its decoder."""
    order: str = "suspicious-first"
    limit: int | None = None
    """Files that are begun at most."""
    budget_seconds: float | None = None
    """After so many seconds no file is begun."""
    retry_errors: bool = False
    rehash: bool = False
    temp_folder: Path | None = None
    """Where objects of buckets are put while they are looked at; None = the system's place."""
    temp_bytes: int = 40 << 30
    """All workers together may put so much there."""
    judge: str = SCANNING


@dataclass(slots=True)
class Ending:
    """How a run ended."""

    run: int
    outcome: str
    """finished, interrupted, limit or time-budget."""
    counts: Counts
    head: Head
    left_on_list: int
    """Files that are still to be done."""


class Watcher:
    """Whoever wants to see how it goes; does nothing by itself."""

    def planned(self, counts: Counts) -> None:
        """The list is made."""

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        """Files were finished, or a second has passed."""

    def stopping(self) -> None:
        """Asked to stop: what is in hand is finished first."""


class Stop:
    """Set by the first SIGINT or SIGTERM; the second one does not wait for the files in hand."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.asked = False
        self._told = told

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._told()


def run_audit(store: Store, options: AuditOptions, watcher: Watcher | None = None) -> Ending:
    """Do a run and write down how it ended.

    Raises:
        StoreError: Somebody else works on the store, or it cannot be written.
        ModelError: The model cannot be used.
        UsageError: Its calibration does not support the share of false alarms.
        EngineError: No worker can be started.
    """
    watcher = watcher or Watcher()
    folder = options.model_folder or DEFAULT_FOLDER
    settings = settings_of(folder, options.config)
    load_calibration(folder / "calibration.json").operating_point(options.config.fpr, POOLED)
    with store.lock(), _stop_on_signals(watcher.stopping) as stop:
        run = store.begin_run(settings, engine=options.engine, options=_facts(options))
        counts = Counts()
        try:
            _make_list(store, run, options, counts)
            watcher.planned(counts)
            watcher.round(store, counts, _done_by_planning(store, run), 0)
            outcome = _work(store, run, options, counts, watcher, stop)
        except BaseException as error:
            _write_down_failure(store, run, counts, error)
            raise
        head = store.end_run(run, outcome, asdict(counts))
        query = "SELECT count(*) FROM files WHERE state != 'done' AND seen_run = ?"
        (left,) = store.connection.execute(query, (run,)).fetchone()
    return Ending(run, outcome, counts, head, left)


def _facts(options: AuditOptions) -> dict[str, Any]:
    """What the store keeps of the options; names and commands are in the command line."""
    return {
        "workers": options.workers,
        "order": options.order,
        "limit": options.limit,
        "budget_seconds": options.budget_seconds,
        "file_seconds": options.file_seconds,
        "worker_bytes": options.worker_bytes,
        "decoder_limits": asdict(options.config.limits),
        "shard": options.choice.shard,
        "include": options.choice.include,
        "exclude": options.choice.exclude,
        "follow_links": options.choice.follow_links,
        "retry_errors": options.retry_errors,
        "rehash": options.rehash,
        "model_folder": str(options.model_folder) if options.model_folder else None,
    }


def _make_list(store: Store, run: int, options: AuditOptions, counts: Counts) -> None:
    """Find the files, enter them, put them in order."""
    if options.names:
        left_out: dict[tuple[str, str], int] = {}

        def count(where: str, reason: str) -> None:
            left_out[where, reason] = left_out.get((where, reason), 0) + 1

        found = find(options.names, options.choice, count)
        plan(
            store,
            run,
            found,
            counts,
            rehash=options.rehash,
            retry_errors=options.retry_errors,
        )
        _write_left_out(store, run, left_out)
    else:
        with store.transaction() as connection:
            if options.retry_errors:
                connection.execute(
                    "UPDATE files SET state = 'pending' WHERE scan_id IN"
                    " (SELECT id FROM scans WHERE status = 'error')"
                )
            cursor = connection.execute(
                "UPDATE files SET seen_run = ? WHERE state = 'pending'", (run,)
            )
            counts.found = counts.to_do = cursor.rowcount
    with store.transaction():
        put_in_order(store.connection, run, options.order)


def _done_by_planning(store: Store, run: int) -> list[Finished]:
    """Files that cannot even be tried have their rows by now: FIFOs, unlisted folders, ..."""
    query = "SELECT files.id, scan_id FROM files JOIN scans ON scans.id = scan_id WHERE run_id = ?"
    return [Finished(f, s, same_bytes=False) for f, s in store.connection.execute(query, (run,))]


def _write_left_out(store: Store, run: int, left_out: dict[tuple[str, str], int]) -> None:
    from unreel.detector.jsonout import json_safe

    with store.transaction() as connection:
        connection.executemany(
            "INSERT INTO left_out VALUES (?, ?, ?, ?)",
            [(run, json_safe(where), why, number) for (where, why), number in left_out.items()],
        )


def _work(
    store: Store, run: int, options: AuditOptions, counts: Counts, watcher: Watcher, stop: Stop
) -> str:
    """Work through the list; returns why it ended."""
    until = None if options.budget_seconds is None else time.monotonic() + options.budget_seconds
    why: list[str] = []

    def may_begin(wanted: int, begun: int) -> int:
        if stop.asked:
            why.append("interrupted")
            return 0
        if until is not None and time.monotonic() >= until:
            why.append("time-budget")
            return 0
        if options.limit is not None and wanted and begun >= options.limit:
            why.append("limit")
            return 0
        return wanted if options.limit is None else min(wanted, options.limit - begun)

    engine = engine_of(options)
    try:
        work_through(
            store,
            run,
            engine,
            counts,
            may_begin=may_begin,
            retry_errors=options.retry_errors,
            tell=lambda finished, in_hand: watcher.round(store, counts, finished, in_hand),
        )
    finally:
        engine.close()
    query = "SELECT EXISTS (SELECT 1 FROM files WHERE state = 'pending' AND seen_run = ?)"
    (left,) = store.connection.execute(query, (run,)).fetchone()
    return why[0] if left and why else "finished"


def engine_of(options: AuditOptions) -> Engine:
    """The engine that the options name; its workers start when there is work."""
    folder = str(options.model_folder.absolute()) if options.model_folder else None
    workers = options.workers or usable_cores()
    temp_folder = str(options.temp_folder.absolute()) if options.temp_folder else None
    share = options.temp_bytes // workers
    spec = WorkerSpec(options.config, folder, options.judge, temp_folder, share)
    if options.engine == "ray":
        from unreel.detector.audit.ray_engine import RayEngine

        return RayEngine(
            spec,
            address=options.address,
            workers=options.workers,
            file_seconds=options.file_seconds,
            memory_bytes=options.worker_bytes,
        )
    return LocalEngine(
        spec,
        workers=workers,
        file_seconds=options.file_seconds,
        memory_bytes=options.worker_bytes,
    )


def _write_down_failure(store: Store, run: int, counts: Counts, error: BaseException) -> None:
    """Say in the store how the run ended, where it can still be written."""
    from contextlib import suppress

    interrupted = isinstance(error, KeyboardInterrupt)
    with suppress(StoreError):
        store.end_run(run, "interrupted" if interrupted else "failed", asdict(counts))


@contextmanager
def _stop_on_signals(told: Callable[[], None]) -> Iterator[Stop]:
    """Finish the files in hand on Ctrl-C; only the main thread may ask for that."""
    import threading

    stop = Stop(told)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def never_inputs(db: Path) -> frozenset[str]:
    """The store and what lies beside it."""
    whole = os.path.abspath(db)
    return frozenset(whole + end for end in ("", "-wal", "-shm", "-journal", ".lock"))


__all__ = ["ORDERS", "AuditOptions", "Ending", "Watcher", "engine_of", "never_inputs", "run_audit"]
