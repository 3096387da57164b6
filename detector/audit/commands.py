"""`unreel audit`: the group; each verb is loaded when it is called."""

from __future__ import annotations

import click

from unreel.detector.commands import Lazy, LazyGroup

_RESULTS = "unreel.detector.audit.result_cmds"
_KEEPING = "unreel.detector.audit.keeping_cmds"


@click.group(
    cls=LazyGroup,
    lazy={
        "run": Lazy("unreel.detector.audit.run_cmd:run", "Judge all videos of an archive."),
        "report": Lazy(f"{_RESULTS}:report", "Sum up what was found."),
        "query": Lazy(f"{_RESULTS}:query", "List the files that meet a condition."),
        "export": Lazy(f"{_RESULTS}:export", "Write CSV, JSON lines, Parquet or a manifest."),
        "compare": Lazy(f"{_RESULTS}:compare", "Hold two stores side by side."),
        "label": Lazy(f"{_KEEPING}:label", "Say what a person found."),
        "merge": Lazy(f"{_KEEPING}:merge", "Take the results of shards into one store."),
        "verify": Lazy(f"{_KEEPING}:verify", "Hold every row against the hash-chained log."),
    },
)
def audit() -> None:
    """Audit an archive: every file once, nothing lost, results that can be asked.

    \b
    Examples:
      unreel audit run /archive --db audit.sqlite     again after a crash: it goes on where it was
      unreel audit report audit.sqlite                what to look at, what was not looked at
      unreel audit query audit.sqlite "score > .9"    any question
    """
