"""Checks of a custody record: whatever can be computed again is, and what cannot is said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unreel.detector.audit.chain import canonical, digest
from unreel.detector.config import Limits, ScanConfig
from unreel.detector.custody.instruments import face_detector_of, instruments
from unreel.detector.custody.keys import fingerprint, is_signed
from unreel.detector.custody.record import FORMAT, container_dump
from unreel.detector.errors import MissingExtraError, ModelError, UsageError
from unreel.detector.identity import fingerprint as file_fingerprint
from unreel.detector.jsonout import to_json
from unreel.detector.lanes.faces import NO_DETECTOR

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_RECORD_BYTES = 64 << 20
ROUNDING = 0.02
"""Scores and logits of one graph on two kinds of processor are no further apart."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared."""

    name: str
    status: Literal["holds", "differs", "not-checked"]
    detail: str


def load_document(path: Path) -> dict[str, Any]:
    """Read a sealed record.

    Raises:
        UsageError: It cannot be read or is something else.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_RECORD_BYTES + 1)
        document = json.loads(raw)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no custody record: {str(error)[:100]}") from error
    record = document.get("record") if isinstance(document, dict) else None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UsageError(f"{path} is no custody record; `unreel scan --custody FILE` writes them")
    return dict(document)


def verify(
    document: dict[str, Any],
    *,
    beside: Path,
    key: Ed25519PublicKey | None = None,
    file: Path | None = None,
    model_folder: Path | None = None,
    rescan: bool = False,
) -> list[Check]:
    """All checks, in the order in which they depend on each other.

    Args:
        document: From load_document.
        beside: Folder of the record: the file is looked for there too.
        key: The key that must have signed; None = any key.
        file: Where the file is now; None = where the record says, or beside it.
        model_folder: The model to compare with and to scan with.
        rescan: Judge the file again and compare everything that came out.
    """
    record = document["record"]
    checks = [_hash(document), _signature(document, key)]
    path = _find(record, file, beside)
    checks += [_file(record, path), _container(record, path)]
    checks += _instruments(record, model_folder)
    checks.append(_settings(record))
    checks.append(_scores(record, path, model_folder, rescan))
    return checks


def _compare(name: str, recorded: object, found: object, same: str) -> Check:
    if recorded == found:
        return Check(name, "holds", same)
    return Check(name, "differs", f"recorded {_short(recorded)}, found {_short(found)}")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _hash(document: dict[str, Any]) -> Check:
    found = digest(document["record"])
    return _compare("record", document.get("record_sha256"), found, f"sha256 {found}")


def _signature(document: dict[str, Any], key: Ed25519PublicKey | None) -> Check:
    signature = document.get("signature")
    if not isinstance(signature, dict):
        if key is not None:
            return Check("signature", "differs", "there is none, and one by a key was asked for")
        return Check("signature", "not-checked", "the record is not signed: anyone can write one")
    message = canonical(document["record"]).encode("ascii")
    try:
        signer = is_signed(signature, message)
    except MissingExtraError as error:
        return Check("signature", "not-checked", str(error))
    if signer is None:
        return Check("signature", "differs", "it is not of this record, or the record was changed")
    by = f"by the key {fingerprint(signer)}"
    if key is None:
        return Check("signature", "holds", f"{by}; --key FILE checks that it is the one you expect")
    if signer.public_bytes_raw() != key.public_bytes_raw():
        return Check("signature", "differs", f"{by}, not by the key given ({fingerprint(key)})")
    return Check("signature", "holds", f"{by}, which is the one given")


def _find(record: dict[str, Any], file: Path | None, beside: Path) -> Path | None:
    if file is not None:
        return file
    named = str(_dict(record.get("file")).get("path", ""))
    for candidate in (Path(named), beside / Path(named).name):
        try:
            if named and candidate.is_file():
                return candidate
        except (OSError, ValueError):
            continue
    return None


def _file(record: dict[str, Any], path: Path | None) -> Check:
    about = _dict(record.get("file"))
    if path is None:
        where = f"{about.get('path')} is not there: name it with --file"
        return Check("file", "not-checked", where)
    sha256, size = file_fingerprint(str(path))
    if sha256 is None:
        return Check("file", "not-checked", f"{path} cannot be read")
    recorded = [about.get("sha256"), about.get("bytes")]
    return _compare("file", recorded, [sha256, size], f"{size} bytes, sha256 {sha256}")


def _container(record: dict[str, Any], path: Path | None) -> Check:
    if path is None:
        return Check("container", "not-checked", "without the file")
    recorded = record.get("container")
    found = json.loads(canonical(container_dump(str(path))))
    parts = len(_dict(recorded).get("boxes") or ())
    return _compare("container", recorded, found, f"{parts} parts at the same places, same tags")


def _instruments(record: dict[str, Any], model_folder: Path | None) -> list[Check]:
    recorded = _dict(record.get("instruments"))
    named = _dict(record.get("settings")).get("object_detector")
    detector = named if isinstance(named, str) and "object_detector" in recorded else None
    named = _dict(record.get("settings")).get("hand_detector")
    hands = named if isinstance(named, str) and "hand_detector" in recorded else None
    faces = None
    if "face_detector" in recorded:
        faces = face_detector_of(_dict(record.get("settings")))
    try:
        here = json.loads(canonical(instruments(model_folder, detector, faces, hands)))
    except ModelError as error:
        return [Check("model", "not-checked", str(error))]
    checks = []
    known = ("object_detector", "face_detector", "face_model", "hand_detector")
    optional = [name for name in known if name in here]
    if "face_detector" in recorded and faces is None:
        checks.append(Check("face_detector", "not-checked", "there is none here: " + NO_DETECTOR))
    for name in ("unreel", "model", "libraries", *optional):
        same = f"the same {name} as here"
        check = _compare(name, recorded.get(name), here[name], same)
        if check.status == "differs":
            # Another version is no forgery: it only means that nothing can be computed again here.
            detail = f"another {name} than here: {check.detail}"
            check = Check(name, "not-checked", detail)
        checks.append(check)
    return checks


def _settings(record: dict[str, Any]) -> Check:
    found = digest(record.get("settings"))
    return _compare("settings", record.get("settings_sha256"), found, f"sha256 {found}")


def _scores(
    record: dict[str, Any], path: Path | None, model_folder: Path | None, rescan: bool
) -> Check:
    """Scan once more and compare, leaving out the name, which may be another now."""
    if not rescan:
        return Check("scores", "not-checked", "--rescan judges the file again and compares")
    if path is None:
        return Check("scores", "not-checked", "without the file")
    from unreel.detector.model import load_model
    from unreel.detector.scan import scan_video

    try:
        config = config_of(_dict(record.get("settings")))
        model = load_model(model_folder, threads=config.threads)
        report = scan_video(path, model=model, config=config)
    except (TypeError, ValueError, ModelError) as error:
        return Check("scores", "not-checked", f"these settings cannot be used here: {error}")
    found = json.loads(to_json(report))
    recorded = dict(_dict(record.get("result")))
    for row in (found, recorded):
        # The name may be another by now; what the file says of itself is compared as `container`,
        # and the list of trusted signers is kept by hash, so that it cannot be applied again.
        row.pop("file", None)
        row.pop("provenance", None)
    times = [[round(t, 6) for t in window] for window in report.sampled_pts_seconds]
    if times != record.get("sampled_pts_seconds"):
        return Check("scores", "differs", "other frames were looked at")
    apart = largest_difference(recorded, found)
    if apart is not None and 0 < apart <= ROUNDING:
        # Another processor rounds differently; label and all else must be the same.
        said = f"judged again: the same frames, the same scores to within {apart:.4f}"
        return Check("scores", "holds", said)
    return _compare("scores", recorded, found, "judged again: the same frames, the same scores")


def largest_difference(one: object, other: object) -> float | None:
    """How far the fractions in two JSON values are apart; None when anything else differs."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other)
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = list(zip(one, other, strict=True))
    else:
        return 0.0 if type(one) is type(other) and one == other else None
    found = [largest_difference(a, b) for a, b in pairs]
    apart = [value for value in found if value is not None]
    return max(apart, default=0.0) if len(apart) == len(found) else None


def config_of(settings: dict[str, Any]) -> ScanConfig:
    """Settings from a record, without trust lists, of which it holds only the hash."""
    # Records of before there were lanes of evidence name none: none ran.
    facts = {**settings, "trust_lists": (), "lanes": tuple(settings.get("lanes", ()))}
    return ScanConfig(**{**facts, "limits": Limits(**_dict(facts["limits"]))})


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
