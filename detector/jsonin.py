"""The other way round from jsonout.py: a stored row of JSON as the record that it was made from.

Numbers have the four decimals that were written; names that were not UTF-8 come back exactly.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unreel.detector.provenance.records import Provenance
from unreel.detector.records import (
    Evidence,
    FaceTrackScore,
    Failed,
    Finding,
    Measured,
    Media,
    ModelInfo,
    OperatingPoint,
    Report,
    ScanError,
    ShotScore,
    Skipped,
    Verdict,
    WindowScore,
)

Made = TypeVar("Made")


def from_json(row: Mapping[str, Any]) -> Report:
    """The report that a row of `unreel scan --json` describes.

    Args:
        row: As parsed; meets report.schema.json.

    Raises:
        KeyError, TypeError, ValueError: It does not.
    """
    file = row["file"]
    path = file["path"]
    if "path_base64" in file:
        path = os.fsdecode(base64.b64decode(file["path_base64"]))
    about: dict[str, Any] = {"path": path, "sha256": file["sha256"], "bytes": file["bytes"]}
    error = row.get("error")
    media = row.get("media")
    verdict = row.get("verdict")
    return Report(
        **about,
        model=_made(ModelInfo, row["model"]),
        media=_made(Media, {**media, **about}) if media is not None else None,
        verdict=_made(Verdict, verdict) if verdict is not None else None,
        shots=tuple(_made(ShotScore, shot) for shot in row.get("shots", ())),
        evidence=_evidence(row.get("lanes", {}), row.get("findings", ())),
        recheck_score=row.get("recheck_score"),
        error=ScanError(error["code"], error["message"]) if error else None,
        provenance=_made(Provenance, row["provenance"]) if row.get("provenance") else None,
        run=dict(row.get("run") or {}),
    )


def _evidence(lanes: Mapping[str, Any], findings: Any) -> tuple[Evidence, ...]:
    made: list[Evidence] = []
    for name, lane in lanes.items():
        if lane["status"] == "measured":
            its = tuple(_finding(f) for f in findings if f["lane"] == name)
            windows = tuple(_made(WindowScore, window) for window in lane["windows"])
            tracks = tuple(_track(track) for track in lane.get("tracks", ()))
            point = lane.get("operating_point")
            where = _made(OperatingPoint, point) if point else None
            made.append(Measured(name, lane["logit"], windows, its, lane["score"], tracks, where))
        else:
            kind = Skipped if lane["status"] == "skipped" else Failed
            made.append(kind(name, lane["reason"]))
    return tuple(made)


def _finding(row: Mapping[str, Any]) -> Finding:
    return _made(Finding, {**row, "boxes": _boxes(row["boxes"])})


def _track(row: Mapping[str, Any]) -> FaceTrackScore:
    """Rows of before there were boxes have none."""
    return _made(FaceTrackScore, {**row, "boxes": _boxes(row.get("boxes", ()))})


def _boxes(rows: Iterable[Mapping[str, float]]) -> list[list[float]]:
    return [[box[side] for side in "txywh"] for box in rows]


def _made(kind: type[Made], value: Mapping[str, Any]) -> Made:
    """A record of a dict, its fields by their types; keys that it does not know are left out."""
    hints = _hints(cast(Hashable, kind))
    return kind(**{name: _as(hints[name], value[name]) for name in hints if name in value})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    assert isinstance(kind, type)
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _as(hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if value is None or origin is Literal:
        return value
    if origin in (UnionType, Union):
        return _as(next(part for part in inner if part is not type(None)), value)
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_as(part, item) for part, item in zip(kinds, value, strict=True))
    if isinstance(hint, type) and is_dataclass(hint):
        return _made(hint, value)
    return value
