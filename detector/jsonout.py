"""The result of a scan for a program: one line of JSON, the same bytes for the same scan.

Only ASCII is written, so that no encoding and no terminal can change or act on it. Facts of the
run (seconds, host) stand apart under `run` and only on request. The form is report.schema.json.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unreel.detector.faces.words import in_short
from unreel.detector.provenance.asjson import as_json_types
from unreel.detector.records import Evidence, Finding, Measured, Media, Report, Verdict

SCHEMA_VERSION = "1.3"
"""First number: something was renamed or removed. Second number: something was added."""

DECIMALS = 4


def schema() -> dict[str, Any]:
    """The JSON schema that every line meets."""
    text = Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def to_json(report: Report, *, with_run: bool = False) -> str:
    """The report as one line of JSON, without a line break at the end.

    Args:
        report: What a scan found out.
        with_run: Add `run`, which differs from one run to the next.
    """
    return json.dumps(_rounded(_as_dict(report, with_run)), ensure_ascii=True, allow_nan=False)


def _as_dict(report: Report, with_run: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "file": {**file_name(report.path), "sha256": report.sha256, "bytes": report.bytes},
        "status": "error" if report.error else "ok",
        "model": asdict(report.model),
    }
    if report.error is not None:
        message = json_safe(report.error.message)
        row["error"] = {"code": report.error.code, "message": message}
    elif report.media is not None and report.verdict is not None:
        row["media"] = _media(report.media)
        row["verdict"] = _verdict(report.verdict)
        row["summary"] = in_short(report)
        row["recheck_score"] = report.recheck_score
        row["shots"] = [_without_none(asdict(shot), "reason") for shot in report.shots]
        row["lanes"] = {evidence.lane: _lane(evidence) for evidence in report.evidence}
        row["findings"] = [_finding(finding) for finding in report.findings]
    if report.provenance is not None:
        row["provenance"] = as_json_types(report.provenance)
    if with_run:
        row["run"] = report.run
    return row


def json_safe(text: str) -> str:
    r"""Text that every JSON reader accepts: bytes that are not UTF-8 come out as `\xff`."""
    raw = text.encode("utf-8", "surrogateescape" if _is_from_bytes(text) else "replace")
    return raw.decode("utf-8", "backslashreplace")


def _is_from_bytes(text: str) -> bool:
    """Whether all surrogates in it are os.fsdecode's stand-ins for single bytes."""
    return all("\udc80" <= c <= "\udcff" for c in text if "\ud800" <= c <= "\udfff")


def file_name(path: str) -> dict[str, str]:
    """The name; also its exact bytes when they are not UTF-8, for JSON cannot hold those."""
    shown = json_safe(path)
    if shown == path:
        return {"path": path}
    return {"path": shown, "path_base64": base64.b64encode(os.fsencode(path)).decode("ascii")}


def _media(media: Media) -> dict[str, Any]:
    facts = asdict(media)
    for name in ("path", "sha256", "bytes"):  # they stand under "file"
        del facts[name]
    facts["warnings"] = [json_safe(warning) for warning in media.warnings]
    return facts


def _verdict(verdict: Verdict) -> dict[str, Any]:
    facts = asdict(verdict)
    facts["reasons"] = [json_safe(reason) for reason in verdict.reasons]
    return facts


def _lane(evidence: Evidence) -> dict[str, Any]:
    if not isinstance(evidence, Measured):
        return {"status": evidence.status, "reason": json_safe(evidence.reason)}
    row: dict[str, Any] = {
        "status": evidence.status,
        "score": evidence.score,
        "logit": evidence.logit,
        "windows": [asdict(window) for window in evidence.windows],
    }
    if evidence.point is not None:  # of faces alone
        row["tracks"] = [
            asdict(track) | {"boxes": _boxes(track.boxes)} for track in evidence.tracks
        ]
        row["operating_point"] = asdict(evidence.point)
    return row


def _finding(finding: Finding) -> dict[str, Any]:
    facts = asdict(finding)
    facts["boxes"] = _boxes(finding.boxes)
    facts["explanation"] = json_safe(finding.explanation)
    facts["series"] = [list(point) for point in finding.series]
    return facts


def _boxes(boxes: Iterable[tuple[float, ...]]) -> list[dict[str, float]]:
    return [dict(zip("txywh", box, strict=True)) for box in boxes]


def _without_none(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name or value is not None}


def _rounded(value: Any) -> Any:
    """The same structure with every float at DECIMALS places, and never -0.0."""
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
