"""How a run goes: a bar for a person at a terminal, plain lines for a log file, JSON for a program.

All of it goes to stderr, but the JSON lines, which are results: one for each file, on stdout.
"""

from __future__ import annotations

import json
import sys
import time
from typing import IO, Any

from unreel.detector.audit.rows import Counts
from unreel.detector.audit.running import Watcher
from unreel.detector.audit.store import Store
from unreel.detector.audit.working import Finished

PLAIN_SECONDS = 30.0
"""Between two plain lines."""
RATE_SECONDS = 300.0
"""The rate is that of the last five minutes."""


class Rate:
    """Files per second over the last minutes, on a clock that never jumps."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = [(time.monotonic(), 0)]

    def per_second(self, done: int) -> float:
        """The rate, given how many are done by now."""
        now = time.monotonic()
        if now - self._marks[-1][0] >= 1.0:
            self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > RATE_SECONDS:
            self._marks.pop(0)
        since, before = self._marks[0]
        return (done - before) / max(now - since, 1e-3)


def in_words(seconds: float) -> str:
    """90 -> 1 min 30 s."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 100 else f"{hours / 24:.1f} days"


def status_line(counts: Counts, rate: float) -> str:
    """How far it is, how fast, how long still, what was found."""
    left = max(0, counts.to_do - counts.done)
    eta = in_words(left / rate) + " left" if rate > 0 and left else "done" if not left else "..."
    return (
        f"{counts.done} of {counts.to_do}, {rate * 3600:.0f} files/h, {eta}; "
        f"{counts.generated} called generated, {counts.errors} with an error"
    )


class JsonLines(Watcher):
    """One line of JSON for each file that is finished.

    Args:
        out: Where they go.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        for item in finished:
            self._out.write(json.dumps(line_of(store, item), ensure_ascii=True) + "\n")
        if finished:
            self._out.flush()


def line_of(store: Store, item: Finished) -> dict[str, Any]:
    """What a log line says of one file."""
    names = ("path", "sha256", "bytes", "status", "error_code", "error_message", "label", "score",
             "llr", "seconds", "finished")  # fmt: skip
    sql = f"SELECT {', '.join(names)} FROM results WHERE file_id = ?"
    row = store.connection.execute(sql, (item.file_id,)).fetchone()
    facts = dict(zip(names, row, strict=True))
    return {**{k: v for k, v in facts.items() if v is not None}, "same_bytes": item.same_bytes}


class PlainLines(Watcher):
    """A line every half minute.

    Args:
        out: Where they go.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._rate = Rate()
        self._last = time.monotonic()

    def planned(self, counts: Counts) -> None:
        self._say(
            f"{counts.found} files found: {counts.new} new, {counts.changed} changed, "
            f"{counts.unchanged} done before; {counts.to_do} to do"
        )

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        rate = self._rate.per_second(counts.done)
        if time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            self._say(status_line(counts, rate))

    def stopping(self) -> None:
        self._say("stopping: the clips in hand are finished first; once more to drop them")

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class Bar(Watcher):
    """A live bar by rich, for a person who watches."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[says]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: Any = None
        self._rate = Rate()

    def planned(self, counts: Counts) -> None:
        PlainLines(sys.stderr).planned(counts)
        self._task = self._progress.add_task("audit", total=max(1, counts.to_do), says="")
        self._progress.start()

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        if self._task is not None:
            says = status_line(counts, self._rate.per_second(counts.done))
            self._progress.update(self._task, completed=counts.done, says=says)

    def stopping(self) -> None:
        self._progress.console.print("stopping: the clips in hand are finished first")

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class Several(Watcher):
    """All of them at once."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def planned(self, counts: Counts) -> None:
        for watcher in self._watchers:
            watcher.planned(counts)

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        for watcher in self._watchers:
            watcher.round(store, counts, finished, in_hand)

    def stopping(self) -> None:
        for watcher in self._watchers:
            watcher.stopping()
