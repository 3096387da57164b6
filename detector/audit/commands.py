"""`unreel audit`: the group; each verb is loaded when it is called."""

from __future__ import annotations

import click

from unreel.detector.commands import Lazy, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "run": Lazy("unreel.detector.audit.run_cmd:run", "Judge all videos of an archive."),
    },
)
def audit() -> None:
    """Audit an archive: every file once, nothing lost, results that can be asked.

    \b
    Examples:
      unreel audit run /archive --db audit.sqlite     again after a crash: it goes on where it was
    """
