"""What lies behind the pages and the API, from start to stop: uploads, queue, events, keys."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from unreel.detector.calibration import load_calibration
from unreel.detector.errors import UsageError
from unreel.detector.model import DEFAULT_FOLDER
from unreel.detector.serve.answers import Clip, clip_of
from unreel.detector.serve.events import Hub
from unreel.detector.serve.guards import Keys
from unreel.detector.serve.kept import Kept
from unreel.detector.serve.queueing import Queue
from unreel.detector.serve.settings import ServeSettings
from unreel.detector.serve.uploads import Draft, Uploads
from unreel.detector.verdict import POOLED

CLEANING_SECONDS = 60.0
NEW_SECONDS = 3600.0
"""Pictures younger than this may be of a scan whose result is not stored yet."""


class Service:
    """Everything but HTTP; a context manager.

    Args:
        settings: Of the server.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.token)
        self.hub = Hub(settings.max_listeners)
        self.queue = Queue(settings, self._changed)
        self._stopping = threading.Event()
        self._telling = threading.Lock()
        """Held from reading a row to telling it, so that no older word comes after a newer one."""
        self._cleaner = threading.Thread(target=self._clean, name="unreel-cleaner")

    def __enter__(self) -> Service:
        """Begin.

        Raises:
            UnreelError: The folder, the store or the model cannot be used.
        """
        folder = self.settings.model_folder or DEFAULT_FOLDER
        calibration = load_calibration(folder / "calibration.json")
        calibration.operating_point(self.settings.config.fpr, POOLED)
        try:
            self.uploads = Uploads(self.settings.folder)
            self.kept = Kept(self.settings.folder)
        except OSError as error:
            said = f"--folder {self.settings.folder} cannot be used: {error.strerror}"
            raise UsageError(said) from error
        try:
            self.queue.start()
            self.uploads.take_up(self.queue.run)
        except BaseException:
            self.uploads.close()
            raise
        self.queue.wake()
        self._cleaner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._cleaner.join()
        self.queue.stop()
        self.uploads.close()

    def enter(self, draft: Draft, name: str) -> Clip:
        """A clip has come: list it, tell the pages."""
        self.uploads.enter(draft, name, self.queue.run)
        self.queue.wake()
        return self.told(draft.id)

    def clip(self, upload: str) -> Clip:
        """One clip as it is shown.

        Raises:
            KeyError: There is none.
        """
        return self.shown(self.uploads.row(upload))

    def shown(self, row: dict[str, Any]) -> Clip:
        """A row as it is shown."""
        step = self.queue.step(row["file_id"]) if row["file_id"] is not None else None
        clip = clip_of(row, step)
        return clip.model_copy(update={"has_picture": self.kept.has_picture(clip.sha256)})

    def cancel(self, upload: str) -> None:
        """Give up on a clip.

        Raises:
            KeyError: There is none.
        """
        row = self.uploads.row(upload)
        if row["file_id"] is not None and row["state"] != "done":
            self.queue.cancel(row["file_id"])

    def delete(self, upload: str) -> None:
        """Delete video, pictures and name; the result without them stays in the store.

        Raises:
            KeyError: There is none.
        """
        file_id, sha256 = self.uploads.delete(upload)
        if sha256 is not None:
            self.kept.delete(sha256)
        if file_id is not None:
            self.queue.cancel(file_id)
        self.hub.publish("deleted", {"id": upload})

    def told(self, upload: str) -> Clip:
        """Tell the pages how a clip is now, and return it.

        Raises:
            KeyError: There is none.
        """
        with self._telling:
            clip = self.clip(upload)
            self.hub.publish("clip", {"clip": clip.model_dump()})
        return clip

    def _changed(self, file_id: int) -> None:
        row = self.uploads.row_of_file(file_id)
        if row is not None:
            with suppress(KeyError):  # deleted meanwhile
                self.told(row["id"])

    def _clean(self) -> None:
        """Once a minute: what is past its time goes."""
        while not self._stopping.wait(CLEANING_SECONDS):
            self.clean()

    def clean(self) -> None:
        """Delete what is past its time."""
        for upload in self.uploads.expire(self.settings.keep_days):
            self.told(upload)
        self.kept.delete_others(self.uploads.hashes(), time.time() - NEW_SECONDS)
