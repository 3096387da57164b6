"""`unreel audit run`: the options of a run, its progress on stderr, its ending in words."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unreel.detector.commands import EXIT_INTERRUPTED, EXIT_UNREADABLE
from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.judging_options import DEFAULTS, judging_options, limit_options

if TYPE_CHECKING:
    from unreel.detector.audit.running import AuditOptions, Ending, Watcher
    from unreel.detector.audit.walk import Choice


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    default="audit.sqlite",
    show_default=True,
    metavar="FILE",
    help="The store; made when it is not there. On a local disk.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="Take the files of its column `path`, relative to its folder.",
)
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only these files of folders. Several."
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Not these files, folders. Several.")
@click.option("--follow-links", is_flag=True, help="Follow symbolic links; circles are safe.")
@click.option("--since", metavar="WHEN", help="Only files changed since: 2026-11-22, 36h, 7d.")
@click.option("--shard", metavar="I/N", help="One of N parts, for sites without a cluster.")
@click.option(
    "--order",
    type=click.Choice(["suspicious-first", "oldest", "size"]),
    default="suspicious-first",
    show_default=True,
    help="Which files first: higher earlier scores, oldest, smallest.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Begin N files at most.")
@click.option("--time-budget", metavar="TIME", help="Begin no file after 90m, 8h, 2d.")
@click.option("--retry-errors", is_flag=True, help="Try files again that ended with an error.")
@click.option("--rehash", is_flag=True, help="Read every byte again, trust no size and no time.")
@judging_options
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Files judged at the same time.  [default: one for each core]",
)
@click.option(
    "--file-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time for one file; large ones get more.",
)
@click.option(
    "--worker-memory",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    metavar="MIB",
    help="Most memory of one worker with its decoder.",
)
@limit_options
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Who works: processes here, or a Ray cluster (extra ray).",
)
@click.option("--address", metavar="HOST:PORT", help="Ray cluster.  [default: started here]")
@click.option(
    "--temp-folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Where objects of s3:// and others are put while they are looked at.",
)
@click.option(
    "--temp-limit",
    type=click.IntRange(min=1),
    default=40 << 10,
    show_default=True,
    metavar="MIB",
    help="Most that all workers may put there.",
)
@click.option("--log-json", is_flag=True, help="One line of JSON on stdout for each file done.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def run(**options: Any) -> None:
    """Judge all videos of an archive; the same command again goes on where it was.

    PATH is a folder (walked for videos), a file, an address like s3://bucket/folder, or - for a
    list of names on stdin, separated by newlines or NUL. Without PATH and manifest the list in the
    store is done.

    \b
    Examples:
      unreel audit run /archive --db audit.sqlite
      unreel audit run /archive --db audit.sqlite --exclude '*/proxies' --time-budget 8h
      find /archive -name '*.mp4' -print0 | unreel audit run - --db audit.sqlite

    \b
    Exit codes:
      0    everything that was begun was looked at, whatever the verdicts
      2    the call itself is off, or the store cannot be written
      3    some files could not be read; their rows say why
      130  interrupted; what was done stands, the same command goes on
    """
    from unreel.detector.audit.running import run_audit
    from unreel.detector.audit.store import open_store

    asked = _options(options)
    watcher, sight = _watcher(options["log_json"], options["quiet"])
    with open_store(options["db"]) as store, sight:
        ending = run_audit(store, asked, watcher)
    if not options["quiet"]:
        click.echo(_in_words(ending, options["db"]), err=True)
    if ending.outcome == "interrupted":
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(EXIT_UNREADABLE if ending.counts.errors else 0)


def _options(options: dict[str, Any]) -> AuditOptions:
    from unreel.detector.audit.running import AuditOptions

    limits = replace(
        DEFAULTS.limits,
        wall_seconds_per_request=options["time_limit"],
        memory_bytes=options["memory_limit"] * 1024**2,
    )
    config = ScanConfig(
        limits=limits,
        max_windows=options["max_windows"],
        fpr=options["fpr"],
        recheck=not options["no_recheck"],
    )
    budget = options["time_budget"]
    return AuditOptions(
        names=_names(options),
        choice=_choice(options),
        model_folder=options["model_folder"],
        config=config,
        engine=options["engine"],
        address=options["address"],
        workers=options["workers"],
        temp_folder=options["temp_folder"],
        temp_bytes=options["temp_limit"] * 1024**2,
        file_seconds=options["file_timeout"],
        worker_bytes=options["worker_memory"] * 1024**2,
        order=options["order"],
        limit=options["limit"],
        budget_seconds=None if budget is None else seconds_of(budget, "--time-budget"),
        retry_errors=options["retry_errors"],
        rehash=options["rehash"],
    )


def _names(options: dict[str, Any]) -> tuple[str, ...]:
    from unreel.detector.audit.walk import read_manifest_paths
    from unreel.detector.inputs import split_list

    names: list[str] = []
    for name in options["paths"]:
        if name == "-":
            if sys.stdin is None:  # `<&-`
                raise UsageError("no list of names: stdin is closed")
            names += split_list(sys.stdin.buffer.read())
        else:
            names.append(name)
    asked = bool(options["paths"])
    if options["manifest"] is not None:
        asked = True
        names += read_manifest_paths(options["manifest"])
    if asked and not names:
        raise UsageError("nothing to audit: the list of names is empty")
    return tuple(names)


def _choice(options: dict[str, Any]) -> Choice:
    from unreel.detector.audit.running import never_inputs
    from unreel.detector.audit.walk import Choice

    since = options["since"]
    return Choice(
        include=options["include"],
        exclude=options["exclude"],
        follow_links=options["follow_links"],
        since_ns=None if since is None else int(moment_of(since).timestamp() * 1e9),
        shard=None if options["shard"] is None else shard_of(options["shard"]),
        never=never_inputs(options["db"]),
    )


def seconds_of(text: str, option: str) -> float:
    """90m -> 5400.0

    Raises:
        UsageError: It is no number with s, m, h, d or w behind it.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if not found:
        raise UsageError(f"{option} {text!r}: a number with s, m, h, d or w is needed, e.g. 8h")
    return float(found[1]) * _UNITS[found[2]]


def moment_of(text: str) -> datetime:
    """A date, a time, or how long ago; without a zone it is local time.

    Raises:
        UsageError: It is neither.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text, "--since"))


def shard_of(text: str) -> tuple[int, int]:
    """2/5 -> (2, 5)

    Raises:
        UsageError: It is not of this form, or I is not one of 1 to N.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard {text!r}: I/N with 1 <= I <= N is needed, e.g. 2/5")
    return int(found[1]), int(found[2])


def _watcher(log_json: bool, quiet: bool) -> tuple[Watcher, ExitStack]:
    """Who sees how it goes, and what ends the sight."""
    from unreel.detector.audit.progress import Bar, JsonLines, PlainLines, Several

    watchers: list[Watcher] = [JsonLines(sys.stdout)] if log_json else []
    sight = ExitStack()
    if not quiet and sys.stderr is not None:
        if sys.stderr.isatty():
            bar = Bar()
            watchers.append(bar)
            sight.callback(bar.stop)
        else:
            watchers.append(PlainLines(sys.stderr))
    return Several(*watchers), sight


def _in_words(ending: Ending, db: Path) -> str:
    from unreel.detector.text import printable

    counts = ending.counts
    parts = [
        f"{ending.outcome}: {counts.scanned} scanned, {counts.same_bytes} with the bytes of "
        f"another, {counts.unchanged} done before; {counts.generated} called generated, "
        f"{counts.errors} with an error"
    ]
    if ending.left_on_list:
        parts.append(f"{ending.left_on_list} files are left: the same command goes on")
    parts.append(f"log head {ending.head.seq} {ending.head.hash}")
    parts.append(f"results: unreel audit report {printable(os.fspath(db))}")
    return "\n".join(parts)
