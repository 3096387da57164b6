"""What the file says of its own origin, as plain names and values for the card on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from unreel.detector.records import Report
from unreel.detector.text import printable

MAX_FACTS = 200
MAX_CHARACTERS = 2_000
"""Of one value: manifests are written by strangers."""


def provenance_facts(report: Report) -> list[tuple[str, str]]:
    """Names and values of the provenance record, flattened; empty when there is none."""
    found = getattr(report, "provenance", None)
    if found is None:
        return []
    facts = []
    for name, value in _flat(found, ()):
        text = printable(value[:MAX_CHARACTERS])
        facts.append((name, text + (" [...]" if len(value) > MAX_CHARACTERS else "")))
        if len(facts) == MAX_FACTS:
            break
    return facts


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, (*path, printable(str(key)).replace("_", " ")))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value, 1):
            yield from _flat(item, (*path, str(number)) if len(value) > 1 else path)
    elif value is not None and value != "":
        yield " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(path), str(value)
