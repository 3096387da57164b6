"""The thread that works through the clips: the one writer of results, with worker processes.

It goes on where the last server stopped: what was in hand then is on the list again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from unreel.detector.audit.engine import Outcome, WorkerSpec
from unreel.detector.audit.local_engine import LocalEngine
from unreel.detector.audit.rows import Counts, Work
from unreel.detector.audit.settings import settings_of
from unreel.detector.audit.store import Store, open_store
from unreel.detector.audit.working import Desk
from unreel.detector.errors import UnreelError
from unreel.detector.serve.settings import ServeSettings
from unreel.detector.serve.steps import Step, read_step

CANCELLED = ("cancelled", "cancelled before it was judged; drop the file again to have it judged")
_ROUND_SECONDS = 0.25
_IDLE_SECONDS = 5.0
_AFTER_TROUBLE_SECONDS = 10.0


class Queue:
    """Works as long as the server runs.

    Args:
        settings: Of the server.
        changed: Told which row of the store has changed.
    """

    def __init__(self, settings: ServeSettings, changed: Callable[[int], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._thread = threading.Thread(target=self._main, name="unreel-queue")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._failed: BaseException | None = None
        self._cancelled: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._steps: dict[int, Step | None] = {}
        self.run = 0
        """Number of the run in the store."""
        self.trouble: str | None = None
        """Why nothing is judged at the moment."""

    def start(self) -> None:
        """Begin.

        Raises:
            UnreelError: The store is in use by another process, the model cannot be used, ...
        """
        self._thread.start()
        self._begun.wait()
        if self._failed is not None:
            self._thread.join()
            raise self._failed

    def stop(self) -> None:
        """Stop the workers; the clips in hand are on the list again."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """There is something new on the list."""
        self._wake.set()

    def cancel(self, file_id: int) -> None:
        """Give up on a clip, in hand or not; does nothing when it is done."""
        self._cancelled.put(file_id)
        self._wake.set()

    def step(self, file_id: int) -> Step | None:
        """How far a clip in hand is."""
        return self._steps.get(file_id)

    def _main(self) -> None:
        try:
            with open_store(self._settings.store_path) as store, store.lock():
                self._serve(store)
        except BaseException as error:
            self._failed = error
            self.trouble = str(error)
        finally:
            self._begun.set()

    def _serve(self, store: Store) -> None:
        options = self._settings
        settings = settings_of(options.model_folder, options.config)
        self.run = store.begin_run(settings, engine="local", command=["unreel", "serve"])
        with store.transaction() as connection:
            connection.execute("UPDATE files SET seen_run = ? WHERE state = 'pending'", (self.run,))
        self._begun.set()
        counts = Counts()
        while not self._stopping.is_set():
            try:
                self._work(store, counts)
                self.trouble = None
            except UnreelError as error:  # a full disk, a worker that does not start: try again
                self.trouble = str(error)
                self._stopping.wait(_AFTER_TROUBLE_SECONDS)
        store.end_run(self.run, "finished", asdict(counts))

    def _work(self, store: Store, counts: Counts) -> None:
        """Until the server stops or something breaks; what is in hand goes back on the list."""
        desk = Desk(store, self.run, counts)
        engine = self._engine()
        try:
            outcomes: list[Outcome] = []
            while not self._stopping.is_set():
                self._wake.clear()
                self._round(desk, engine, outcomes)
                if engine.in_hand():
                    outcomes = engine.wait(_ROUND_SECONDS)
                else:
                    outcomes = []
                    self._wake.wait(_IDLE_SECONDS)
        finally:
            engine.close()
            with store.transaction():
                for work in desk.works.values():
                    store.release(work)
            self._steps.clear()

    def _engine(self) -> LocalEngine:
        options = self._settings
        folder = str(options.model_folder.absolute()) if options.model_folder else None
        return LocalEngine(
            WorkerSpec(options.config, folder, options.judge),
            workers=options.workers,
            file_seconds=options.file_seconds,
            memory_bytes=options.worker_bytes,
        )

    def _round(self, desk: Desk, engine: LocalEngine, outcomes: list[Outcome]) -> None:
        """One transaction: results in, wishes met, clips out; then all pages are told."""
        with desk.store.transaction():
            tasks = [task for o in outcomes if (task := desk.take(o)) is not None]
            changed = self._cancel(desk, engine)
            while (room := engine.room() - len(tasks)) > 0:
                works = desk.store.claim(self.run, room)
                changed |= {work.file_id for work in works}
                tasks += [task for work in works if (task := desk.begin(work)) is not None]
                if not works:
                    break
        for task in tasks:
            engine.submit(task)
        changed |= {finished.file_id for finished in desk.finished}
        desk.finished.clear()
        self._tell(changed, desk.works)

    def _cancel(self, desk: Desk, engine: LocalEngine) -> set[int]:
        """Meet the wishes that have come; returns whose they were."""
        done: set[int] = set()
        while not self._cancelled.empty():
            file_id = self._cancelled.get()
            query = "SELECT state, path FROM files WHERE id = ?"
            state, path = desk.store.connection.execute(query, (file_id,)).fetchone()
            if file_id in desk.works:
                engine.drop(file_id)
                desk.drop(file_id, *CANCELLED)
            elif state == "pending":
                desk.store.finish_with_error(self.run, Work(file_id, path), *CANCELLED)
            done.add(file_id)
        return done

    def _tell(self, changed: set[int], works: dict[int, Work]) -> None:
        """Publish what is new; of clips in hand, how far they are."""
        steps = {i: read_step(Path(work.path).parent) for i, work in works.items()}
        changed |= {i for i, step in steps.items() if step != self._steps.get(i)}
        self._steps = steps
        for file_id in sorted(changed):
            self._changed(file_id)
