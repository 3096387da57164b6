"""The options that `unreel scan` and `unreel report` share: which files to leave behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_OPTIONS = (
    click.option(
        "--overlay",
        type=click.Path(path_type=Path),
        metavar="OUT.mp4",
        help="Write the clip with scores and findings drawn in; a folder for several inputs.",
    ),
    click.option(
        "--timeline",
        type=click.Path(path_type=Path),
        metavar="OUT",
        help="Write times for editors: .vtt, .csv or .edl; a folder gets all three.",
    ),
    click.option(
        "--pdf",
        type=click.Path(path_type=Path),
        metavar="OUT.pdf",
        help="Write the report as PDF (extra pdf); a folder for several inputs.",
    ),
    click.option(
        "--lang",
        "language",
        type=click.Choice(["en", "de"]),
        default="en",
        show_default=True,
        help="Language of reports.",
    ),
)


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --overlay, --timeline, --pdf and --lang to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
