"""Audit an archive: a store that survives everything, workers that may die, results to ask.

    store = open_store("audit.sqlite")
    with store.lock():                                      # one process works, any may read
        run = store.begin_run(settings_of(), engine="api")
        store.add("clip.mp4", run)
        with store.transaction():
            (work,) = store.claim(run, 1)
        report = scan_video(work.path)
        with store.transaction():
            store.finish(run, work, to_json(report, with_run=True))
        store.end_run(run, "finished")
    row = store.file("clip.mp4")                            # score, label, error, ...
    print(row.score, store.report("clip.mp4"))              # the full report as a dict
    store.label("clip.mp4", "generated", generator="sora")

docs/audit.md describes the tables and the commands.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unreel.detector.audit.rows import FileRow, Work
    from unreel.detector.audit.settings import Settings, settings_of
    from unreel.detector.audit.store import Store, open_store

__all__ = ["FileRow", "Settings", "Store", "Work", "open_store", "settings_of"]

_HOMES = {
    "FileRow": "rows",
    "Settings": "settings",
    "Store": "store",
    "Work": "rows",
    "open_store": "store",
    "settings_of": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
