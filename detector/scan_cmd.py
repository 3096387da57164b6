"""`unreel scan`: rows to stdout (or --output), all else to stderr, progress only for a person.

Each row is out before the next file is opened, so that an interrupted run keeps what it did.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from unreel.detector.commands import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_UNREADABLE
from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.evidence_options import chosen_lanes, evidence_options
from unreel.detector.judging_options import (
    DEFAULTS,
    judging_options,
    limit_options,
    threads_option,
    trust_list_option,
)
from unreel.detector.report_options import report_options

if TYPE_CHECKING:
    from unreel.detector.custody.output import CustodyOutput
    from unreel.detector.inputs import Inputs
    from unreel.detector.records import Report
    from unreel.detector.report.page import PageOptions

EXIT_OVER = 1


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """The options of `unreel scan`, as typed."""

    names: tuple[str, ...]
    as_json: bool
    with_run: bool
    model_folder: Path | None
    fpr: float
    max_windows: int | None
    no_recheck: bool
    threads: int
    lanes: str
    max_findings: int
    object_detector: Path | None
    face_detector: Path | None
    hand_detector: Path | None
    fail_over: float | None
    time_limit: float
    memory_limit: int
    trust_lists: tuple[str, ...]
    custody: Path | None
    custody_key: Path | None
    quiet: bool
    output: Path | None
    report: Path | None
    overlay: Path | None
    timeline: Path | None
    pdf: Path | None
    language: str

    def config(self) -> ScanConfig:
        """The settings of the scan that they ask for."""
        from unreel.detector.lanes.provenance import checked_trust_lists

        limits = replace(
            DEFAULTS.limits,
            wall_seconds_per_request=self.time_limit,
            memory_bytes=self.memory_limit * 1024**2,
            threads=self.threads,
        )
        return ScanConfig(
            limits=limits,
            max_windows=self.max_windows,
            fpr=self.fpr,
            recheck=not self.no_recheck,
            threads=self.threads,
            lanes=chosen_lanes(self.lanes),
            max_findings=self.max_findings,
            object_detector=None if self.object_detector is None else str(self.object_detector),
            face_detector=None if self.face_detector is None else str(self.face_detector),
            hand_detector=None if self.hand_detector is None else str(self.hand_detector),
            trust_lists=checked_trust_lists(self.trust_lists) if self.trust_lists else (),
        )


@click.command()
@click.argument("names", metavar="INPUT...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each file.")
@click.option(
    "--json-run",
    "with_run",
    is_flag=True,
    help="--json, with the facts of this run (start, host, seconds) added to each line.",
)
@judging_options
@evidence_options
@threads_option
@click.option(
    "--fail-over",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Exit with 1 when a score is P or more.",
)
@limit_options
@trust_list_option
@click.option(
    "--custody",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write a custody record there: a file for one input, a folder for several.",
)
@click.option(
    "--custody-key",
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="Private key that signs custody records (unreel custody keygen).",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the results there instead of to stdout.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="OUT.html",
    help="Write a report to look at; a folder for several inputs.",
)
@report_options
def scan(**options: Any) -> None:
    """Judge videos: how strongly does the evidence speak for generation, where and when?

    INPUT is a file, a folder (walked for videos, by extension or content), a quoted pattern like
    'clips/**/*.mp4', or - for a list of names on stdin, separated by newlines or NUL.

    \b
    Examples:
      unreel scan clip.mp4
      unreel scan --json archive/ > archive.jsonl
      unreel scan --report clip.html --overlay marked.mp4 clip.mp4
      find . -name '*.mp4' -print0 | unreel scan --json -
      unreel scan --explain object-vanish
      unreel scan --fail-over 0.95 upload.mp4 || echo "look at it first"

    \b
    Exit codes:
      0    everything was looked at, whatever the verdict
      1    with --fail-over: so it was, and a score is P or more
      2    the call itself is off
      3    something could not be read; its row says why (goes before 1)
      130  interrupted; the rows of the files that were done stand
    """
    sys.exit(_run(ScanOptions(**options)))


def _run(options: ScanOptions) -> int:
    """Scan every input, print a row for each, return the exit code."""
    try:
        inputs = _inputs(options)
        with _output(options, inputs) as sink:
            return _exit_code(_reports(inputs, options, sink), options.fail_over)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader has gone: `| head`
        return EXIT_BROKEN_PIPE


def _inputs(options: ScanOptions) -> Inputs:
    """The files to scan; what a folder holds besides is said on stderr."""
    from unreel.detector.inputs import expand, split_list
    from unreel.detector.text import printable

    names: list[str] = []
    for name in options.names:
        names += split_list(_stdin()) if name == "-" else [name]
    inputs = expand(names)
    if not options.quiet:
        for folder, count in inputs.left_out.items():
            click.echo(
                f"{printable(folder)}: {count} left out, no videos by extension or content; "
                "name a file to scan it all the same",
                err=True,
            )
    if not inputs.files:
        raise UsageError("nothing to scan: what was named holds no video")
    return inputs


def _stdin() -> bytes:
    if sys.stdin is None:  # `<&-`
        raise UsageError("no list of names: stdin is closed")
    return sys.stdin.buffer.read()


@contextmanager
def _output(options: ScanOptions, inputs: Inputs) -> Iterator[IO[str]]:
    """Where the rows go; an output that would overwrite a video is refused."""
    target = options.output
    if target is None:
        if sys.stdout is None:  # `>&-`
            raise UsageError("nowhere to write: stdout is closed; name a file with --output")
        yield sys.stdout
        return
    from unreel.detector.inputs import VIDEO_EXTENSIONS

    is_input = any(_same_file(target, item.path) for item in inputs.files)
    if is_input or target.suffix.lower() in VIDEO_EXTENSIONS:
        raise UsageError(f"--output {target} would overwrite a video: name another file")
    try:
        handle = target.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output {target} cannot be written: {error.strerror}") from error
    with handle:
        yield handle


def _same_file(target: Path, name: str) -> bool:
    try:
        return target.samefile(name)
    except OSError:
        return False


def _reports(inputs: Inputs, options: ScanOptions, sink: IO[str]) -> Iterator[Report]:
    """Scan one file after the other, writing its row at once."""
    from unreel.detector.decoder_server import start_early

    start_early()  # it loads its decoders while this process loads the model
    from unreel.detector.gallery import Gallery
    from unreel.detector.model import load_model
    from unreel.detector.progress import ProgressLine
    from unreel.detector.records import Report
    from unreel.detector.report.outputs import Outputs, write_outputs
    from unreel.detector.scan import scan_video

    outputs = Outputs(options.report, options.pdf, options.overlay, options.timeline)
    outputs.check([item.path for item in inputs.files])
    model = load_model(options.model_folder, threads=options.threads)
    config = options.config()
    page = _page(options, config) if outputs.asked() else None
    write = _row_writer(options, sink, count=len(inputs.files))
    custody = _custody(options, config, count=len(inputs.files))
    watched = sys.stderr is not None and sys.stderr.isatty()
    line = ProgressLine(len(inputs.files), enabled=watched and not options.quiet)
    for number, item in enumerate(inputs.files, start=1):
        gallery, progress = Gallery(), partial(line.show, number, item.path)
        if item.error is not None:
            report = Report(item.path, model.info, error=item.error)
        else:
            kept = gallery if outputs.wants_pictures else None
            try:
                report = scan_video(
                    item.path, model=model, config=config, progress=progress, gallery=kept
                )
            finally:
                line.clear()
        write(report)
        if custody is not None:
            custody.write(report)
        try:
            written = write_outputs(report, gallery, outputs, page, progress) if page else ()
            for path, note in written:
                line.clear()
                if path is not None:
                    _say(f"written: {path}", options)
                if note:
                    _say(note, options)
        finally:
            line.clear()
        yield report


def _page(options: ScanOptions, config: ScanConfig) -> PageOptions:
    """How a page is made; what makes it is loaded only when one is asked for."""
    from unreel.detector.report.page import PageOptions

    folder = None if options.model_folder is None else str(options.model_folder)
    return PageOptions(options.language, config, folder)


def _say(note: str, options: ScanOptions) -> None:
    if not options.quiet:
        from unreel.detector.text import printable

        click.echo(printable(note), err=True)


def _custody(options: ScanOptions, config: ScanConfig, *, count: int) -> CustodyOutput | None:
    """What writes custody records, when they are asked for."""
    if options.custody is None:
        if options.custody_key is not None:
            raise UsageError("--custody-key signs custody records: say where with --custody PATH")
        return None
    from unreel.detector.custody.output import CustodyOutput

    def password() -> bytes:
        entered: str = click.prompt("Password of the key", hide_input=True, err=True)
        return entered.encode()

    return CustodyOutput(
        options.custody,
        inputs=count,
        key=options.custody_key,
        config=config,
        model_folder=options.model_folder,
        ask=password,
    )


def _row_writer(options: ScanOptions, sink: IO[str], *, count: int) -> Callable[[Report], None]:
    """What writes one report: a line of JSON, or text with an empty line between files."""
    from unreel.detector.jsonout import to_json
    from unreel.detector.text import to_text

    def row_of(report: Report) -> str:
        if options.as_json or options.with_run:
            return to_json(report, with_run=options.with_run) + "\n"
        return to_text(report) + ("\n" if count > 1 else "")

    def write(report: Report) -> None:
        row = row_of(report)
        try:
            sink.write(row)
            sink.flush()
        except OSError as error:
            # What is left in the buffer must not be tried again when Python closes the file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())
            if isinstance(error, BrokenPipeError):
                raise
            raise UsageError(f"the results cannot be written: {error.strerror}") from error

    return write


def _exit_code(reports: Iterator[Report], fail_over: float | None) -> int:
    """Run through all reports. Unread files count before scores: 1 promises that all was seen."""
    unread = over = False
    for report in reports:
        unread = unread or report.error is not None
        score = report.verdict.score if report.verdict else None
        over = over or (fail_over is not None and score is not None and score >= fail_over)
    if unread:
        return EXIT_UNREADABLE
    return EXIT_OVER if over else 0
