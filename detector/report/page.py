"""The report as one HTML file: nothing is loaded from anywhere, nothing in it can run but its own.

`render` is a pure function of what a scan found; the same input gives the same bytes (save the
versions of this installation, which it names).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unreel.detector.config import ScanConfig
from unreel.detector.gallery import Gallery
from unreel.detector.records import Report
from unreel.detector.report import custody, findings, pictures, verbal, view
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.report.provenance import provenance_facts, provenance_sentences
from unreel.detector.report.templating import environment, source
from unreel.detector.text import printable, two_digits

MAX_BYTES = 4_000_000
"""Of a page, so that it can be mailed; pictures get coarser before it grows beyond."""
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How a page is written."""

    language: str = "en"
    config: ScanConfig = field(default_factory=ScanConfig)
    """Of the scan; the custody block names it."""
    model_folder: str | None = None
    """As the user named it; None = the model in the package."""


def render(
    report: Report, gallery: Gallery | None = None, options: PageOptions | None = None
) -> str:
    """The report on one file as HTML.

    Args:
        report: What a scan found, or a row that came back from a database.
        gallery: Pictures that the scan kept; None or empty = a report without pictures.
        options: Language, and the settings that the custody block names.

    Raises:
        UsageError: There are no messages in this language.
    """
    options = options or PageOptions()
    gallery = gallery or Gallery()
    for fineness in pictures.FINENESSES:
        html = _render(report, gallery, options, fineness)
        if len(html.encode("utf-8", "backslashreplace")) <= MAX_BYTES:
            break
    return html


def _render(
    report: Report, gallery: Gallery, options: PageOptions, fineness: pictures.Fineness
) -> str:
    say = Catalogue(options.language)
    style, script = source(_TEMPLATES / "report.css"), source(_TEMPLATES / "report.js")
    content: str = (
        environment(_TEMPLATES)
        .get_template("report.html.j2")
        .render(
            **_content(report, gallery, options, say, fineness),
            say=say,
            report=report,
            style=style,
            script=script,
            style_hash=csp_hash(style),
            script_hash=csp_hash(script),
        )
    )
    return content


def _content(
    report: Report,
    gallery: Gallery,
    options: PageOptions,
    say: Catalogue,
    fineness: pictures.Fineness,
) -> dict[str, Any]:
    """Everything that the template places."""
    verdict, media = report.verdict, report.media
    chart = view.describe_chart(gallery, verdict, say) if verdict else None
    return {
        "problem": printable(report.error.message) if report.error else "",
        "more_shots": say("more-shots", shown=view.MAX_SHOTS, total=len(report.shots))
        if len(report.shots) > view.MAX_SHOTS
        else "",
        "version": version("unreel"),
        "name": view.name_of(report),
        "headline": view.headline(report, say),
        "label": verdict.label if verdict else "error",
        "verdict": verdict,
        "score": verbal.score(verdict.score, say) if verdict else "",
        "ratio": verbal.ratio(verdict, say) if verdict and verdict.llr is not None else "",
        "scale": verbal.verbal_scale(verdict.llr, say)
        if verdict and verdict.llr is not None
        else "",
        "cap": say.mark(two_digits(10**verdict.llr_cap)) if verdict and verdict.llr_cap else "",
        "rarity": verbal.rarity(verdict, say) if verdict else "",
        "false_alarms": verbal.false_alarms(verdict, say) if verdict else "",
        "recheck": verbal.score(report.recheck_score, say)
        if report.recheck_score is not None
        else "",
        "reasons": view.reasons(verdict, say) if verdict else [],
        "chart": chart,
        "reference": gallery.reference,
        "blind": view.blind_spots(report, say),
        "timeline": view.timeline(report, gallery, say),
        "threshold": verbal.score(verdict.operating_point.threshold, say)
        if verdict and verdict.operating_point
        else "",
        "faces": view.faces(report, gallery, say, fineness),
        "face_sentences": view.face_sentences(report, say),
        "strip": view.strip(report, gallery, say, fineness),
        "heat_most": say.number(view.heat_scale(gallery), 1),
        "findings": findings.shown(report, gallery, say, fineness),
        "lanes": view.lane_rows(report, say),
        "shots": view.shot_rows(report.shots, say),
        "claims": provenance_sentences(report),
        "provenance": provenance_facts(report.provenance) if report.provenance else [],
        "facts": custody.media_facts(media, say) if media else [],
        "custody": custody.custody_facts(report, options.config, say),
        "command": custody.command(report, options.config, options.model_folder),
    }


def csp_hash(text: str) -> str:
    """Of an inline block, as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
