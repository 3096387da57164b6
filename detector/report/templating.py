"""Templates of pages: names and metadata come from strangers, so that everything is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def source(path: Path) -> str:
    """A style sheet or script that goes into a page as it is."""
    return path.read_text(encoding="utf-8")


@cache
def environment(folder: Path) -> Any:
    """The Jinja2 environment of a folder of templates; a name that is not given is an error."""
    import jinja2  # here: a scan without a page does without it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
