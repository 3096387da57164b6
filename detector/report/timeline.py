"""Findings, stretches and shots with their times, for the programs of video editors.

    .vtt   WebVTT: shown as subtitles over the clip by any player
    .csv   for spreadsheets; a cell that a spreadsheet would run as a formula is defused
    .edl   CMX 3600: markers for editing programs, in whole frames

All three write text from strangers (names, explanations): each in the form that its readers cannot
take for anything but text.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from unreel.detector.errors import UsageError
from unreel.detector.records import Measured, Report
from unreel.detector.text import printable
from unreel.detector.verdict import in_digits

COLUMNS = ("kind", "t_start", "t_end", "score", "code", "lane", "text", "boxes")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


@dataclass(frozen=True, slots=True)
class Entry:
    """A stretch of time and what is said of it."""

    kind: str
    """window, shot, face or finding"""
    t_start: float
    t_end: float
    score: float | None
    code: str
    lane: str
    text: str
    boxes: int

    @property
    def line(self) -> str:
        """Kind and content in one line."""
        score = "" if self.score is None else f" {in_digits(self.score)}"
        words = [f"{self.kind}{score}", self.code, self.text]
        return " ".join(word for word in words if word)


def entries(report: Report) -> list[Entry]:
    """What a report says of single stretches, by time."""
    found = [
        Entry("window", w.t_start, w.t_end, w.score, "", e.lane, "", 0)
        for e in report.evidence
        if isinstance(e, Measured)
        for w in e.windows
    ]
    if len(report.shots) > 1:
        found += [
            Entry("shot", s.t_start, s.t_end, s.score, "", "", s.reason or "", 0)
            for s in report.shots
        ]
    found += [
        Entry("face", f.t_start, f.t_end, f.score, "", e.lane, f"track {f.track}", len(f.boxes))
        for e in report.evidence
        if isinstance(e, Measured)
        for f in e.tracks
    ]
    found += [
        Entry("finding", f.t_start, f.t_end, None, f.code, f.lane, f.explanation, len(f.boxes))
        for f in report.findings
    ]
    return sorted(found, key=lambda entry: (entry.t_start, entry.kind, entry.t_end))


def to_vtt(report: Report) -> str:
    """WebVTT: times count from the first frame, as players do."""
    blocks = ["WEBVTT", _vtt_text(f"NOTE unreel: {_verdict_line(report)}")]
    for number, entry in enumerate(entries(report), 1):
        end = max(entry.t_end, entry.t_start + 0.001)
        times = f"{_clock(entry.t_start)} --> {_clock(end)}"
        blocks.append(f"{entry.kind}-{number}\n{times}\n{_vtt_text(entry.line)}")
    return "\n\n".join(blocks) + "\n"


def to_csv(report: Report) -> str:
    """Comma-separated values with a header line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries(report):
        score = "" if entry.score is None else f"{entry.score:.4f}"
        row = (
            entry.kind,
            f"{entry.t_start:.3f}",
            f"{entry.t_end:.3f}",
            score,
            *map(harmless_cell, (entry.code, entry.lane, entry.text)),
            entry.boxes,
        )
        writer.writerow(row)
    return buffer.getvalue()


def to_edl(report: Report) -> str:
    """CMX 3600 with a marker (LOC) for each entry; seconds become frames at the nearest rate.

    Raises:
        UsageError: Nothing is known of the frame rate: the file could not be read.
    """
    if report.media is None:
        raise UsageError("no edit list without a frame rate: the file could not be read")
    rate = max(1, round(report.media.fps))
    name = _one_line(os.path.basename(report.path))
    lines = [f"TITLE: unreel {name}"[:70], "FCM: NON-DROP FRAME", ""]
    for number, entry in enumerate(entries(report)[:999], 1):
        begin = _timecode(entry.t_start, rate)
        end = _timecode(max(entry.t_end, entry.t_start + 1 / rate), rate)
        colour = "RED" if entry.kind == "finding" else "BLUE"
        lines += [
            f"{number:03d}  AX       V     C        {begin} {end} {begin} {end}",
            f"* FROM CLIP NAME: {name}",
            f"* LOC: {begin} {colour:<7} {_one_line(entry.line)}",
            "",
        ]
    return "\n".join(lines) + "\n"


WRITERS: dict[str, Callable[[Report], str]] = {".vtt": to_vtt, ".csv": to_csv, ".edl": to_edl}
"""By the end of the file name."""


def harmless_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula (CWE-1236): an apostrophe goes before it."""
    shown = printable(text)
    # Spreadsheets skip blanks before they look for the sign.
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _verdict_line(report: Report) -> str:
    verdict = report.verdict
    if verdict is None:
        return "not judged"
    return verdict.label if verdict.score is None else f"{verdict.label} {in_digits(verdict.score)}"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", printable(text)).strip()[:200]


def _vtt_text(text: str) -> str:
    """One line in which nothing is a tag, an escape or the arrow that separates times."""
    escaped = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped


def _clock(seconds: float) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _timecode(seconds: float, rate: int) -> str:
    frames = max(0, round(seconds * rate))
    whole, frame = divmod(frames, rate)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}:{frame:02d}"
