"""Provenance as JSON types; the form stands in report.schema.json under `provenance`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from unreel.detector.provenance.records import ContainerFacts, Provenance


def as_json_types(provenance: Provenance | ContainerFacts) -> dict[str, Any]:
    """The record as dicts and lists.

    Strings hold whatever the file held, lone surrogates made visible.
    """
    row: dict[str, Any] = _safe(asdict(provenance))
    return row


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_safe(item) for item in value]
    return value
