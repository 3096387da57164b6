"""Which files a scan leaves beside its rows, where they go, and writing them whole or not at all.

A target that ends like its format is a file, and serves one input; any other target is a folder
that is made when it is missing, and serves any number.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unreel.detector.errors import MediaError, UsageError

if TYPE_CHECKING:
    from unreel.detector.gallery import Gallery
    from unreel.detector.records import Report
    from unreel.detector.report.page import PageOptions

FORMATS: dict[str, tuple[str, ...]] = {
    "report": (".html", ".htm"),
    "pdf": (".pdf",),
    "overlay": (".mp4",),
    "timeline": (".vtt", ".csv", ".edl"),
}
"""Option -> ends of file names. A folder gets the first, of timelines all."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was asked for, by option; None = not."""

    report: Path | None = None
    pdf: Path | None = None
    overlay: Path | None = None
    timeline: Path | None = None

    def asked(self) -> list[tuple[str, Path]]:
        """Option and target of what was asked for."""
        pairs = ((name, getattr(self, name)) for name in FORMATS)
        return [(name, target) for name, target in pairs if target is not None]

    @property
    def wants_pictures(self) -> bool:
        """Whether the scan must keep pictures."""
        return self.report is not None or self.pdf is not None

    def check(self, inputs: Iterable[str]) -> None:
        """Find out before the scan what cannot be written after it.

        Raises:
            UsageError: One file for several inputs, a missing folder, a file that is an input.
            MissingExtraError: A PDF without the library that makes it.
        """
        names = list(inputs)
        if self.pdf is not None:
            from unreel.detector.report.pdf import need_weasyprint

            need_weasyprint()
        for option, target in self.asked():
            if is_file_target(option, target):
                _check_file(option, target, names)
            elif target.exists() and not target.is_dir():
                ends = ", ".join(FORMATS[option])
                raise UsageError(
                    f"--{option} {target} is no folder and does not end in {ends}: name another"
                )

    def targets(self, option: str, path: str) -> list[Path]:
        """The files of one option for one input."""
        target: Path = getattr(self, option)
        if is_file_target(option, target):
            return [target]
        endings = FORMATS[option] if option == "timeline" else FORMATS[option][:1]
        return [target / (folder_name(path) + ending) for ending in endings]


def is_file_target(option: str, target: Path) -> bool:
    """Whether a target is a file rather than a folder."""
    return target.suffix.lower() in FORMATS[option] and not target.is_dir()


def folder_name(path: str) -> str:
    """A name for what belongs to one input: readable, harmless, and no two inputs share it."""
    stem = os.path.splitext(os.path.basename(path))[0]
    readable = re.sub(r"[^\w.-]+", "_", stem, flags=re.UNICODE).strip("._-")
    plain = readable.encode("utf-8", "ignore")[:80].decode("utf-8", "ignore") or "clip"
    digest = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:8]
    return f"{plain}-{digest}"


def _check_file(option: str, target: Path, names: list[str]) -> None:
    if len(names) != 1:
        raise UsageError(
            f"--{option} {target} is one file for {len(names)} inputs: name a folder instead"
        )
    if not target.parent.is_dir():
        raise UsageError(f"--{option} {target} cannot be written: no folder {target.parent}")
    with contextlib.suppress(OSError):
        if target.samefile(names[0]):
            raise UsageError(f"--{option} {target} would overwrite the video: name another file")
    if option == "overlay" and target.exists():
        raise UsageError(
            f"--overlay {target} exists; videos are never overwritten: name another file"
        )


def write_outputs(
    report: Report,
    gallery: Gallery,
    outputs: Outputs,
    options: PageOptions,
    progress: Callable[[str], None] | None = None,
) -> Iterator[tuple[Path | None, str]]:
    """Write what was asked for.

    Args:
        report: Of one input.
        gallery: Pictures that its scan kept.
        outputs: Targets.
        options: Language and settings.
        progress: Told what is being written.

    Yields:
        For each file its path and a sentence on what is missing in it (or an empty text); None and
        the reason for each that was left out.

    Raises:
        UsageError: A file cannot be written.
    """
    for option, _ in outputs.asked():
        for target in outputs.targets(option, report.path):
            if progress is not None:
                progress(f"writing {target.name}")
            try:
                yield target, _WRITERS[option](target, report, gallery, options)
            except _LeftOut as reason:
                yield None, f"no {target}: {reason}"
            except MediaError as error:
                yield None, f"no {target}: {error.code}: {error.message}"


class _LeftOut(Exception):
    """A file that is not written, for a reason that the user hears."""


def _write_page(target: Path, report: Report, gallery: Gallery, options: PageOptions) -> str:
    from unreel.detector.report.page import render

    data = render(report, gallery, options).encode("utf-8", "backslashreplace")
    with whole_file("report", target) as unfinished:
        unfinished.write_bytes(data)
    return ""


def _write_pdf(target: Path, report: Report, gallery: Gallery, options: PageOptions) -> str:
    from unreel.detector.report.page import render
    from unreel.detector.report.pdf import to_pdf

    data = to_pdf(render(report, gallery, options))
    with whole_file("pdf", target) as unfinished:
        unfinished.write_bytes(data)
    return ""


def _write_timeline(target: Path, report: Report, _: Gallery, __: PageOptions) -> str:
    from unreel.detector.report.timeline import WRITERS

    _must_be_judged(report)
    data = WRITERS[target.suffix.lower()](report).encode("utf-8", "backslashreplace")
    with whole_file("timeline", target) as unfinished:
        unfinished.write_bytes(data)
    return ""


def _write_overlay(target: Path, report: Report, _: Gallery, options: PageOptions) -> str:
    from unreel.detector.report.overlay import write_overlay

    _must_be_judged(report)
    if target.exists():
        raise _LeftOut("it exists, and videos are never overwritten")
    with whole_file("overlay", target) as unfinished:
        return write_overlay(report, unfinished, options)


_WRITERS: dict[str, Callable[[Path, Report, Gallery, PageOptions], str]] = {
    "report": _write_page,
    "pdf": _write_pdf,
    "overlay": _write_overlay,
    "timeline": _write_timeline,
}
"""Each writes one file and returns a sentence on what is missing in it, or an empty text."""


def _must_be_judged(report: Report) -> None:
    if report.error is not None:
        raise _LeftOut(f"{report.error.code}: nothing was judged")


@contextmanager
def whole_file(option: str, target: Path) -> Iterator[Path]:
    """A file under a passing name beside the target, which it replaces when all went well.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".unreel-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise UsageError(f"--{option} {target} cannot be written: {error.strerror}") from error
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        mask = os.umask(0)
        os.umask(mask)
        unfinished.chmod(0o666 & ~mask)  # mkstemp's files are for their owner alone
        unfinished.replace(target)
    except OSError as error:
        raise UsageError(f"--{option} {target} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
