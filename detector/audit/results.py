"""From a report to the columns of a scan, and the names under which a file is kept."""

from __future__ import annotations

import json
import os
from typing import Any

from unreel.detector.audit.rows import Work
from unreel.detector.audit.settings import as_json
from unreel.detector.jsonout import json_safe, to_json
from unreel.detector.records import ModelInfo, Report, ScanError

MEDIA_COLUMNS = (
    "container", "codec", "width", "height", "fps", "frames", "duration_seconds", "decoder",
)  # fmt: skip


def names_of(path: str) -> tuple[bytes, str]:
    """Exact bytes of a name, and how it stands in text."""
    return os.fsencode(path), json_safe(path)


def columns_of(report: str) -> dict[str, Any]:
    """The columns of table `scans` that a report fills.

    Args:
        report: One line of JSON of `to_json`, with or without the facts of the run.
    """
    whole: dict[str, Any] = json.loads(report)
    run = whole.pop("run", None) or {}
    row: dict[str, Any] = {
        "sha256": whole["file"]["sha256"],
        "bytes": whole["file"]["bytes"],
        "status": whole["status"],
        "seconds": sum(run.get("seconds", {}).values()) or None,
        "timing": as_json(run) if run else None,
        "report": json.dumps(whole, ensure_ascii=True, allow_nan=False),
    }
    if "error" in whole:
        row["error_code"] = whole["error"]["code"]
        row["error_message"] = whole["error"]["message"]
    if "verdict" in whole:
        row |= _verdict_columns(whole)
    return row


def _verdict_columns(whole: dict[str, Any]) -> dict[str, Any]:
    verdict, media = whole["verdict"], whole["media"]
    point = verdict["operating_point"] or {}
    return {
        "label": verdict["label"],
        "score": verdict["score"],
        "llr": verdict["llr"],
        "percentile": verdict["percentile_among_real"],
        "threshold": point.get("threshold"),
        "fpr": point.get("fpr"),
        "bucket": point.get("bucket"),
        "camera_clips": verdict["camera_clips"],
        "recheck_score": whole["recheck_score"],
        "has_audio": int(media["has_audio"]),
        "shots": len(whole["shots"]),
        "findings": len(whole["findings"]),
        **{name: media[name] for name in MEDIA_COLUMNS},
    }


def error_report(work: Work, model: tuple[str, str, str], code: str, message: str) -> str:
    """The report on a file that no scan could report on."""
    error = ScanError(code, message)
    size = None
    if work.known_sha256 is not None:
        try:
            size = os.stat(work.path).st_size
        except (OSError, ValueError):
            size = None
    return to_json(
        Report(work.path, ModelInfo(*model), sha256=work.known_sha256, bytes=size, error=error)
    )
