"""`unreel audit report`, `query`, `export` and `compare`: what a store holds; it is only read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from unreel.detector.errors import UsageError

if TYPE_CHECKING:
    from unreel.detector.audit.query import Condition

DB = click.Path(path_type=Path, dir_okay=False)
SHOWN = ("score", "label", "error_code", "duration_seconds", "reviewed_as", "path")
"""Columns of `query`, the path last: it may hold blanks."""


@click.command()
@click.argument("db", type=DB)
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, metavar="N",
              help="Length of the lists.")  # fmt: skip
@click.option(
    "--html",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.html",
    help="Write a page with all files, and reports and pictures into OUT_files beside it.",
)
@click.option("--lang", "language", type=click.Choice(["en", "de"]), default="en",
              show_default=True, help="Language of the page.")  # fmt: skip
@click.option("--no-thumbnails", is_flag=True, help="No pictures: nothing is decoded.")
@click.option("--no-clip-reports", is_flag=True, help="No report for each clip.")
def report(
    db: Path,
    top: int,
    out: Path | None,
    language: str,
    no_thumbnails: bool,
    no_clip_reports: bool,
) -> None:
    """Sum up an audit: counts, scores, what to look at, what was NOT looked at.

    It also says how many files would be called generated if all of them were camera footage: where
    generated clips are rare, most alarms are false.

    \b
    Examples:
      unreel audit report audit.sqlite
      unreel audit report audit.sqlite --html archive.html
    """
    if out is not None:
        from unreel.detector.archive.writing import write_html

        write_html(db, out, language, not no_thumbnails, not no_clip_reports)
        return
    from unreel.detector.audit.store import open_store
    from unreel.detector.audit.summary import summarise, to_text

    with open_store(db, read_only=True) as store:
        click.echo(to_text(summarise(store, most=top)), nl=False)


@click.command()
@click.argument("db", type=DB)
@click.argument("condition")
@click.option("--count", "only_count", is_flag=True, help="Only how many files meet it.")
def query(db: Path, condition: str, only_count: bool) -> None:
    """List the files that meet a condition, highest score first.

    Columns are those of `unreel audit export`; = != < > <= >=, like, in (...), between, is null,
    and, or, not and brackets are understood; texts stand in single quotes.

    \b
    Examples:
      unreel audit query audit.sqlite "score > .9 and codec = 'h264'"
      unreel audit query audit.sqlite "error_code is not null" --count
      unreel audit query audit.sqlite "path like '%/2025/%' and not label = 'no-evidence'"
    """
    from unreel.detector.audit.exporting import rows_of
    from unreel.detector.audit.query import COLUMNS, parse
    from unreel.detector.audit.store import open_store
    from unreel.detector.text import printable

    asked = parse(condition)
    places = [COLUMNS.index(name) for name in SHOWN]
    with open_store(db, read_only=True) as store:
        if only_count:
            click.echo(sum(1 for _ in rows_of(store, asked)))
            return
        for row in rows_of(store, asked):
            values = [row[place] for place in places]
            click.echo("\t".join("-" if v is None else printable(str(v)) for v in values))


@click.command()
@click.argument("db", type=DB)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet", "manifest"]),
    default="csv",
    show_default=True,
    help="manifest = reviewed clips, for training and evaluation.",
)
@click.option("--where", metavar="CONDITION", help="Only files that meet it; see audit query.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write there instead of to stdout; parquet needs it.",
)
def export(db: Path, kind: str, where: str | None, output: Path | None) -> None:
    """Write the results as a file for other programs.

    csv has a row for each file and is safe to open in a spreadsheet; jsonl has the full report of
    each file, as `unreel scan --json` writes it; parquet needs the parquet extra.

    \b
    Examples:
      unreel audit export audit.sqlite > results.csv
      unreel audit export audit.sqlite --format parquet -o results.parquet
      unreel audit export audit.sqlite --format manifest -o reviewed.csv
    """
    from unreel.detector.audit.query import EVERYTHING, parse
    from unreel.detector.audit.store import open_store

    condition = EVERYTHING if where is None else parse(where)
    open_store(db, read_only=True).close()  # before the output is made
    if output is not None and output.exists() and output.samefile(db):
        raise UsageError(f"--output {output} would overwrite the store: name another file")
    if kind == "parquet":
        _export_parquet(db, condition, output)
        return
    with open_store(db, read_only=True) as store, _text_output(output) as out:
        _export_text(store, kind, condition, out)


def _export_parquet(db: Path, condition: Condition, output: Path | None) -> None:
    from unreel.detector.audit.exporting import write_parquet
    from unreel.detector.audit.store import open_store

    if output is None:
        raise UsageError("parquet is no text: name a file with --output")
    with open_store(db, read_only=True) as store:
        count = write_parquet(store, condition, output)
    click.echo(f"{count} files in {output}", err=True)


def _export_text(store: object, kind: str, condition: Condition, out: IO[str]) -> None:
    from unreel.detector.audit.exporting import write_csv, write_json_lines, write_manifest
    from unreel.detector.audit.store import Store

    assert isinstance(store, Store)
    if kind == "manifest":
        count, left_out = write_manifest(store, condition, out)
        click.echo(f"{count} reviewed clips", err=True)
        for reason, number in left_out.items():
            click.echo(f"{number} left out: {reason}", err=True)
        return
    count = (write_csv if kind == "csv" else write_json_lines)(store, condition, out)
    click.echo(f"{count} files", err=True)


@contextmanager
def _text_output(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    try:
        handle = output.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
    with handle:
        yield handle


@click.command()
@click.argument("db_a", type=DB)
@click.argument("db_b", type=DB)
@click.option("--top", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
              help="Length of the list.")  # fmt: skip
def compare(db_a: Path, db_b: Path, top: int) -> None:
    """Hold two stores side by side: two models, or the same archive at two dates.

    Files are matched by their bytes, wherever they lay.

    \b
    Example:
      unreel audit compare before.sqlite after.sqlite
    """
    from unreel.detector.audit.comparing import compare as compare_stores
    from unreel.detector.audit.comparing import to_text
    from unreel.detector.audit.store import open_store

    with open_store(db_a, read_only=True) as store:
        click.echo(to_text(compare_stores(store, Path(os.fspath(db_b)), most=top)), nl=False)
