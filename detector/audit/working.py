"""Works through the list of a run: claims files, hands them to an engine, stores what comes back.

Only this process writes the store. Each round is one transaction: the results that have come and
the files that are taken next. What was committed is never done again, what was not is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from unreel.detector.audit.engine import Engine, Outcome, Task
from unreel.detector.audit.rows import Counts, Work
from unreel.detector.audit.store import Store

MAX_WITHOUT_WORK = 500
"""Files in one transaction that need no worker, because their bytes have a result."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One file is done; for progress and log lines."""

    file_id: int
    scan_id: int
    same_bytes: bool
    """The result is that of another name of the same bytes."""


@dataclass(slots=True)
class Desk:
    """What is in hand, and what is to be done next with it.

    A file whose size another one shares is hashed first; when the same bytes are in hand already,
    it waits for their result. A file whose worker died is tried once more in a fresh one.
    """

    store: Store
    run: int
    counts: Counts
    retry_errors: bool = False
    works: dict[int, Work] = field(default_factory=dict)
    """By file_id: all that was claimed and has no result."""
    finished: list[Finished] = field(default_factory=list)
    """Since they were last taken."""
    begun: int = 0
    """Files claimed up to now."""
    _waiting: dict[str, list[Work]] = field(default_factory=dict)
    """By sha256 of bytes that are being scanned: files that wait for the result."""
    _tried: set[int] = field(default_factory=set)
    _lost: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Files whose scan killed its worker and whose bytes are still to be named."""

    def begin(self, work: Work) -> Task | None:
        """The first task for a file; None when it is done, or waits."""
        self.works[work.file_id] = work
        if work.known_sha256 is not None:
            return self._scan_unless_known(work, work.known_sha256)
        return Task(work.file_id, work.path, "hash" if work.may_be_known else "scan")

    def take(self, outcome: Outcome) -> Task | None:
        """Store an outcome; returns what is to be done next for the file."""
        work = self.works[outcome.task.file_id]
        if outcome.task.do == "hash":
            return self._hashed(work, outcome)
        if outcome.lost is not None:
            return self._scan_was_lost(work, outcome.lost)
        assert outcome.report is not None
        scan_id = self.store.finish(self.run, work, outcome.report)
        self._done(work, scan_id, same_bytes=False)
        return None

    def drop(self, file_id: int, code: str, message: str) -> None:
        """Give up on a file, which becomes a row; those that wait for its result go back.

        Nothing is said of its bytes: the same ones may be looked at again under another name.
        """
        work = self.works.pop(file_id)
        self._tried.discard(file_id)
        self._lost.pop(file_id, None)
        for sha256, waiting in list(self._waiting.items()):
            if work in waiting:
                waiting.remove(work)
            elif sha256 == work.known_sha256:
                for other in self._waiting.pop(sha256):
                    self.store.release(other)
                    del self.works[other.file_id]
        scan_id = self.store.finish_with_error(self.run, Work(file_id, work.path), code, message)
        self._count(scan_id, same_bytes=False)
        self.finished.append(Finished(file_id, scan_id, same_bytes=False))

    def _hashed(self, work: Work, outcome: Outcome) -> Task | None:
        lost = self._lost.pop(work.file_id, None)
        named = Work(work.file_id, work.path, outcome.sha256)
        if lost is not None or outcome.lost is not None:
            self._failed(named, lost or outcome.lost or ("internal", ""))
            return None
        if outcome.sha256 is None:
            return Task(work.file_id, work.path, "scan")  # finds out why it cannot be read
        self.works[work.file_id] = named
        return self._scan_unless_known(named, outcome.sha256)

    def _scan_unless_known(self, work: Work, sha256: str) -> Task | None:
        scan_id = self.store.scan_of(self.run, sha256, errors=not self.retry_errors)
        if scan_id is not None:
            self.store.attach(self.run, work, scan_id)
            self._done(work, scan_id, same_bytes=True)
            return None
        if sha256 in self._waiting:
            self._waiting[sha256].append(work)
            return None
        self._waiting[sha256] = []
        return Task(work.file_id, work.path, "scan")

    def _scan_was_lost(self, work: Work, lost: tuple[str, str]) -> Task | None:
        self.counts.crashes += 1
        if lost[0] == "worker-crash" and work.file_id not in self._tried:
            self._tried.add(work.file_id)
            return Task(work.file_id, work.path, "scan")
        if work.known_sha256 is None:
            self._lost[work.file_id] = lost
            return Task(work.file_id, work.path, "hash")  # the row should say which bytes
        self._failed(work, lost)
        return None

    def _failed(self, work: Work, lost: tuple[str, str]) -> None:
        self.works[work.file_id] = work
        scan_id = self.store.finish_with_error(self.run, work, *lost)
        self._done(work, scan_id, same_bytes=False)

    def _done(self, work: Work, scan_id: int, *, same_bytes: bool) -> None:
        """Count a file, and give its result to those that waited for it."""
        del self.works[work.file_id]
        self._tried.discard(work.file_id)
        self._count(scan_id, same_bytes)
        self.finished.append(Finished(work.file_id, scan_id, same_bytes))
        if work.known_sha256 is None or same_bytes:
            return
        query = "SELECT sha256 FROM scans WHERE id = ?"
        (sha256,) = self.store.connection.execute(query, (scan_id,)).fetchone()
        for other in self._waiting.pop(work.known_sha256, []):
            if sha256 == work.known_sha256:
                self.store.attach(self.run, other, scan_id)
                self._done(other, scan_id, same_bytes=True)
            else:  # it was changed between hashing and scanning: the others are on their own
                self.store.release(other)
                del self.works[other.file_id]

    def _count(self, scan_id: int, same_bytes: bool) -> None:
        query = "SELECT status, label FROM scans WHERE id = ?"
        status, label = self.store.connection.execute(query, (scan_id,)).fetchone()
        self.counts.same_bytes += same_bytes
        self.counts.scanned += not same_bytes
        self.counts.errors += status == "error"
        self.counts.generated += label == "generated"


def work_through(
    store: Store,
    run: int,
    engine: Engine,
    counts: Counts,
    *,
    may_begin: Callable[[int, int], int] = lambda wanted, begun: wanted,
    retry_errors: bool = False,
    tell: Callable[[list[Finished], int], None] = lambda finished, in_hand: None,
) -> None:
    """Do all that is on the list of a run.

    Args:
        store: Locked by the caller.
        run: Number of the run.
        engine: Closed by the caller.
        counts: Are counted up.
        may_begin: Asked how many of so many files may be begun, after how many that were; 0 =
            finish what is in hand.
        retry_errors: Errors of earlier runs do not stand for the same bytes.
        tell: Told of the files of each round, and how many are in hand; also when there are none.

    Raises:
        StoreError: The store cannot be written; what was committed is intact.
        EngineError: No worker can be started.
    """
    desk = Desk(store, run, counts, retry_errors)
    try:
        outcomes: list[Outcome] = []
        while True:
            tasks, more = _round(desk, engine, outcomes, may_begin)
            for task in tasks:
                engine.submit(task)
            finished, desk.finished = desk.finished, []
            tell(finished, engine.in_hand())
            if not engine.in_hand():
                if not more:
                    return
                outcomes = []
                continue
            outcomes = engine.wait(0.0 if more and engine.room() else 1.0)
    except BaseException:
        engine.close()
        _put_back(desk)
        raise


def _round(
    desk: Desk, engine: Engine, outcomes: list[Outcome], may_begin: Callable[[int, int], int]
) -> tuple[list[Task], bool]:
    """One transaction: results in, files out. Also whether more files are on the list."""
    if not outcomes and not (engine.room() and may_begin(1, desk.begun)):
        return [], False
    with desk.store.transaction():
        tasks = [task for outcome in outcomes if (task := desk.take(outcome)) is not None]
        without_work = 0
        while (room := engine.room() - len(tasks)) > 0:
            wanted = may_begin(room, desk.begun)
            works = desk.store.claim(desk.run, wanted) if wanted else []
            desk.begun += len(works)
            begun = [task for work in works if (task := desk.begin(work)) is not None]
            tasks += begun
            without_work += len(works) - len(begun)
            if not works:
                return tasks, False
            if without_work >= MAX_WITHOUT_WORK:
                break
        return tasks, True


def _put_back(desk: Desk) -> None:
    """What is in hand goes back on the list; a store that is broken does so when next opened."""
    from contextlib import suppress

    from unreel.detector.audit.errors import StoreError

    with suppress(StoreError), desk.store.transaction():
        for work in desk.works.values():
            desk.store.release(work)
