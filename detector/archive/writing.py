"""`unreel audit report --html`: opens the store, writes the page, says how far it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from unreel.detector.archive.page import ArchiveOptions, write_archive
from unreel.detector.audit.local_engine import usable_cores
from unreel.detector.audit.store import open_store
from unreel.detector.errors import UsageError
from unreel.detector.text import printable


def write_html(db: Path, out: Path, language: str, thumbnails: bool, clip_reports: bool) -> None:
    """Write the archive page of a store and print where it is.

    Raises:
        StoreError: There is no such store.
        UsageError: The page cannot be written.
    """
    if out.exists() and db.exists() and out.samefile(db):
        raise UsageError(f"--html {out} would overwrite the store: name another file")
    watched = sys.stderr is not None and sys.stderr.isatty()

    def told(what: str, done: int, of: int) -> None:
        if watched:
            click.echo(f"\r\x1b[K{what}: {done} of {of}", nl=False, err=True)

    options = ArchiveOptions(language, thumbnails, clip_reports, usable_cores())
    with open_store(db, read_only=True) as store:
        count = write_archive(store, out, options, told)
    if watched:
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(printable(os.fspath(out)))
    click.echo(f"{count} files", err=True)
