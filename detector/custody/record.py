"""The custody record of one examination: canonical JSON, hashed, signed when there is a key.

    {"record": {...}, "record_sha256": "...", "signature": {...} or null}

The hash and the signature are over the canonical form of `record`: ASCII JSON, keys sorted, no
white space. A record tells what was examined (hash, size, date, everything the container says),
with what (tool, model, decoders, settings, all by hash), where it looked (time stamps of the frames
that were decoded) and what came out.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unreel.detector.audit.chain import canonical, digest
from unreel.detector.config import ScanConfig
from unreel.detector.custody.instruments import instruments
from unreel.detector.custody.keys import sign
from unreel.detector.errors import MediaError, UsageError
from unreel.detector.faces.published import chosen
from unreel.detector.jsonout import to_json
from unreel.detector.provenance.asjson import as_json_types
from unreel.detector.provenance.container import read_container
from unreel.detector.records import Report
from unreel.detector.sniff import open_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = "unreel-custody"
FORMAT_VERSION = "1.0"
PTS_DECIMALS = 6


def custody_record(
    report: Report, config: ScanConfig, model_folder: Path | None = None
) -> dict[str, Any]:
    """What is to be signed.

    Args:
        report: Of scan_video; one with an error has a record too.
        config: The settings of that scan.
        model_folder: The model it was made with; None = the one in the package.
    """
    settings = settings_as_json(config)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "file": _file(report),
        "container": container_dump(report.path),
        "instruments": instruments(
            model_folder,
            config.object_detector,
            chosen(config.face_detector, config.lanes),
            config.hand_detector,
        ),
        "settings": settings,
        "settings_sha256": digest(settings),
        "sampled_pts_seconds": [
            [round(time, PTS_DECIMALS) for time in window] for window in report.sampled_pts_seconds
        ],
        "result": json.loads(to_json(report)),
    }


def settings_as_json(config: ScanConfig) -> dict[str, Any]:
    """The settings as JSON types, trust lists by the hash of their contents."""
    import hashlib

    facts = asdict(config)
    lists = [hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in config.trust_lists]
    facts["trust_lists"] = lists
    return facts


def container_dump(path: str) -> dict[str, Any] | None:
    """All that the container of a file says, every part with its offset; None when unreadable."""
    try:
        descriptor = open_regular(path)
    except MediaError:
        return None
    try:
        facts = read_container(descriptor)
        return as_json_types(facts) if facts is not None else None
    finally:
        os.close(descriptor)


def sealed(record: dict[str, Any], key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
    """The record with its hash, and its signature when there is a key."""
    message = canonical(record).encode("ascii")
    return {
        "record": record,
        "record_sha256": digest(record),
        "signature": sign(key, message) if key is not None else None,
    }


def write_record(target: Path, document: dict[str, Any]) -> None:
    """Write a sealed record; an existing file is never overwritten.

    Raises:
        UsageError: The file exists or cannot be written.
    """
    try:
        with target.open("x", encoding="ascii") as handle:
            json.dump(document, handle, indent=1, ensure_ascii=True, sort_keys=True)
            handle.write("\n")
    except FileExistsError as error:
        raise UsageError(
            f"the custody record {target} exists and is not overwritten: name another"
        ) from error
    except OSError as error:
        raise UsageError(f"--custody {target} cannot be written: {error.strerror}") from error


def _file(report: Report) -> dict[str, Any]:
    named: dict[str, Any] = json.loads(to_json(report))["file"]
    try:
        modified_ns = os.stat(report.path).st_mtime_ns
    except (OSError, ValueError):
        return named | {"modified_at": None}
    moment = datetime.fromtimestamp(modified_ns // 10**9, UTC).isoformat()
    return named | {"modified_at": moment.replace("+00:00", "Z"), "modified_ns": modified_ns}
