"""Stores for the tests of the archive page: real rows of a store, their scores made up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import audit_judges

from unreel.detector.audit import open_store, settings_of
from unreel.detector.audit.planning import plan
from unreel.detector.audit.rows import Counts, Found
from unreel.detector.jsonout import to_json

HOSTILE = "</script><img src=x onerror=alert(1)>&{{7*7}}\u202e\udcff.mp4"
"""Markup, template syntax, a control of direction, and a byte that is no UTF-8."""


def fill(db: Path, count: int, names: tuple[str, ...] = ()) -> None:
    """A store of so many files, every tenth unreadable, the last three not looked at yet.

    Args:
        db: Is made.
        count: Files.
        names: Of the first files; the others are called clip-N.mp4.
    """
    paths = [
        f"/archive/{n % 50:02d}/{names[n] if n < len(names) else f'clip-{n}.mp4'}"
        for n in range(count)
    ]
    with open_store(db) as store, store.lock():
        run = store.begin_run(settings_of(), engine="test")
        plan(store, run, [Found(p, 1000 + n, n) for n, p in enumerate(paths)], Counts())
        with store.transaction():
            for work in store.claim(run, count - 3):
                sha256 = hashlib.sha256(str(work.file_id).encode()).hexdigest()
                if work.file_id % 10 == 0:
                    store.finish_with_error(run, work, "unreadable", "<b>damaged</b>")
                    continue
                score = int(sha256[:6], 16) / 2**24
                report = audit_judges.report_on(work.path, sha256, 1000, round(score, 4))
                store.finish(run, work, to_json(report))
        store.end_run(run, "finished")
