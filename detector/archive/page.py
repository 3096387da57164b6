"""The archive page: OUT.html with all rows in it, and beside it a folder of reports and pictures.

OUT.html                   counts, warning of the base rate, the list; loads nothing but pictures
OUT_files/clips/ID.html    the report on each file, made from the store
OUT_files/thumbs/HASH.jpg  one small frame of each content
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from unreel.detector.archive.rows import ArchiveRow, archive_rows, as_script_data
from unreel.detector.archive.thumbnails import make_thumbnails
from unreel.detector.archive.words import ArchiveWords, base_rate
from unreel.detector.audit.store import Store
from unreel.detector.audit.summary import BINS, Summary, summarise
from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.jsonin import from_json
from unreel.detector.report.outputs import whole_file
from unreel.detector.report.page import PageOptions, csp_hash, render
from unreel.detector.report.templating import environment, source
from unreel.detector.text import printable

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How an archive page is written."""

    language: str = "en"
    thumbnails: bool = True
    clip_reports: bool = True
    workers: int = 1
    """Decoders at the same time, for thumbnails."""


Told = Callable[[str, int, int], None]
"""What is being made, how many are done, of how many."""


def write_archive(
    store: Store,
    out: Path,
    options: ArchiveOptions,
    told: Told = lambda what, done, of: None,
) -> int:
    """Write the page and what lies beside it; returns the number of rows.

    Args:
        store: May be read-only.
        out: The page.
        options: Language, and what is left out.
        told: For a progress line.

    Raises:
        UsageError: Something cannot be written.
    """
    rows = list(archive_rows(store))
    beside = out.with_name(f"{out.stem}_files")
    try:
        pictures = _pictures(rows, beside / "thumbs", options, told)
        if options.clip_reports:
            _clip_reports(store, rows, beside / "clips", options, told)
    except OSError as error:
        raise UsageError(f"{beside} cannot be written: {error.strerror}") from error
    html = archive_page(store, rows, pictures, quote(beside.name), options)
    with whole_file("html", out) as unfinished:
        unfinished.write_text(html, encoding="utf-8", errors="backslashreplace")
    return len(rows)


def _pictures(
    rows: list[ArchiveRow], folder: Path, options: ArchiveOptions, told: Told
) -> set[str]:
    if not options.thumbnails:
        return set()
    contents = len({row.sha256 for row in rows if row.sha256 and row.score is not None})
    return make_thumbnails(
        rows, folder, workers=options.workers, told=lambda done: told("pictures", done, contents)
    )


def _clip_reports(
    store: Store, rows: list[ArchiveRow], folder: Path, options: ArchiveOptions, told: Told
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = _scan_settings(store)
    for done, row in enumerate(rows, start=1):
        if row.report is not None:
            page = PageOptions(options.language, settings.get(row.file_id, ScanConfig()))
            html = render(from_json(row.report), None, page)
            target = folder / f"{row.file_id}.html"
            target.write_bytes(html.encode("utf-8", "backslashreplace"))
        told("reports", done, len(rows))


def _scan_settings(store: Store) -> dict[int, ScanConfig]:
    """File -> the configuration that it was judged with, as far as it decides a score."""
    sql = (
        "SELECT results.file_id, settings.config FROM results"
        " JOIN settings ON settings.id = results.settings_id"
    )
    made: dict[str, ScanConfig] = {}
    found = {}
    for file_id, config in store.connection.execute(sql):
        if config not in made:
            known = json.loads(config)
            names = ("fpr", "max_windows", "recheck", "recheck_crf")
            made[config] = ScanConfig(**{name: known[name] for name in names if name in known})
        found[file_id] = made[config]
    return found


def archive_page(
    store: Store,
    rows: list[ArchiveRow],
    pictures: set[str],
    beside: str,
    options: ArchiveOptions,
) -> str:
    """The page as HTML.

    Args:
        store: For the counts.
        rows: All files.
        pictures: SHA-256 of the contents that have one.
        beside: The folder beside the page, as it stands in addresses.
        options: Language; whether there are reports to link to.
    """
    say = ArchiveWords(options.language)
    summary = summarise(store, most=0)
    data = as_script_data(
        [
            row.compact(row.sha256 in pictures, options.clip_reports and row.report is not None)
            for row in rows
        ]
    )
    style, script = source(_TEMPLATES / "archive.css"), source(_TEMPLATES / "archive.js")
    content: str = (
        environment(_TEMPLATES)
        .get_template("archive.html.j2")
        .render(
            say=say,
            name=printable(store.path.name),
            counts=_counts(summary, say),
            alarms=base_rate(summary, say),
            several=len(summary.settings) > 1,
            settings=[printable(line) for line in summary.settings],
            bars=_bars(summary),
            bars_label=say("histogram-label", counts=", ".join(map(str, summary.histogram))),
            data=data,
            words=as_script_data([[say.for_script()]]),
            beside=beside,
            style=style,
            script=script,
            style_hash=csp_hash(style),
            script_hash=csp_hash(script),
            version=version("unreel"),
        )
    )
    return content


def _counts(summary: Summary, say: ArchiveWords) -> list[tuple[str, str]]:
    counts: list[tuple[str, Any]] = [(say("count-files"), sum(summary.states.values()))]
    counts += [(say(f"label-{label}"), n) for label, n in sorted(summary.labels.items())]
    counts.append((say("count-contents"), summary.contents))
    counts.append((say("count-hours"), say.number(summary.hours, 1)))
    waiting = sum(n for state, n in summary.states.items() if state != "done")
    if waiting:
        counts.append((say("count-waiting"), waiting))
    counts += [(say("count-error", code=code), n) for code, n in summary.errors.items()]
    counts += [(say("count-left-out", reason=why), n) for why, n in summary.left_out.items()]
    return [(name, str(value)) for name, value in counts]


def _bars(summary: Summary) -> list[dict[str, float]]:
    """Of the histogram, in thousandths of the width and hundredths of the height."""
    most = max(summary.histogram, default=0) or 1
    width = 1000 / BINS
    heights = [100 * count / most for count in summary.histogram]
    return [
        {"x": i * width + 4, "width": width - 8, "y": round(100 - h, 2), "height": round(h, 2)}
        for i, h in enumerate(heights)
    ]
