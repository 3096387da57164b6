"""`unreel report`: one clip, one HTML file to look at and to mail."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unreel.detector.commands import EXIT_UNREADABLE
from unreel.detector.config import ScanConfig
from unreel.detector.judging_options import (
    DEFAULTS,
    judging_options,
    threads_option,
    trust_list_option,
)
from unreel.detector.report_options import report_options


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="OUT.html",
    help="Where the report goes.  [default: FILE's name with .report.html, in this folder]",
)
@report_options
@judging_options
@threads_option
@trust_list_option
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr.")
def report(**options: Any) -> None:
    """Judge one video and write a report that a person can read.

    The report is one HTML file that loads nothing from anywhere: verdict, timeline, key frames
    with the places that the network looked at, findings, and what is needed to check it all.

    \b
    Examples:
      unreel report clip.mp4
      unreel report clip.mp4 --out clip.html --lang de
      unreel report clip.mp4 --overlay marked.mp4 --timeline clip.vtt --pdf clip.pdf

    \b
    Exit codes:
      0    the report is written, whatever the verdict
      2    the call itself is off
      3    the file could not be read; the report says why
      130  interrupted
    """
    sys.exit(_run(**options))


def _run(
    file: str,
    out: Path | None,
    overlay: Path | None,
    timeline: Path | None,
    pdf: Path | None,
    language: str,
    model_folder: Path | None,
    fpr: float,
    max_windows: int | None,
    no_recheck: bool,
    threads: int,
    trust_lists: tuple[str, ...],
    quiet: bool,
) -> int:
    """Scan, write, print the path of each file; returns the exit code."""
    from unreel.detector.report.outputs import Outputs, folder_name

    if out is None:
        stem = Path(file).name
        out = Path(f"{stem if stem.isprintable() else folder_name(file)}.report.html")
    outputs = Outputs(out, pdf, overlay, timeline)
    outputs.check([file])

    from unreel.detector.gallery import Gallery
    from unreel.detector.lanes.provenance import checked_trust_lists
    from unreel.detector.model import load_model
    from unreel.detector.progress import ProgressLine
    from unreel.detector.report.outputs import write_outputs
    from unreel.detector.report.page import PageOptions
    from unreel.detector.scan import scan_video
    from unreel.detector.text import printable

    limits = replace(DEFAULTS.limits, threads=threads)
    config = ScanConfig(
        limits,
        max_windows,
        fpr,
        not no_recheck,
        threads=threads,
        trust_lists=checked_trust_lists(trust_lists) if trust_lists else (),
    )
    page = PageOptions(language, config, None if model_folder is None else str(model_folder))
    watched = sys.stderr is not None and sys.stderr.isatty()
    line, gallery = ProgressLine(1, enabled=watched and not quiet), Gallery()

    def show(step: str) -> None:
        line.show(1, file, step)

    try:
        model = load_model(model_folder, threads=threads)
        found = scan_video(file, model=model, config=config, progress=show, gallery=gallery)
        for path, note in write_outputs(found, gallery, outputs, page, show):
            line.clear()
            if path is not None:
                click.echo(printable(os.fspath(path)))
            if note and not quiet:
                click.echo(printable(note), err=True)
    finally:
        line.clear()
    if found.error is not None:
        click.echo(f"{found.error.code}: {printable(found.error.message)}", err=True)
        return EXIT_UNREADABLE
    return 0
