"""What the file says of its own origin, for the card on the page: sentences, then all details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from unreel.detector.provenance.words import summary
from unreel.detector.records import Report
from unreel.detector.report.sentences import Sentence
from unreel.detector.text import printable

LEFT_OUT = frozenset(("boxes", "order"))
"""The container part by part: `unreel provenance` lists it; readers of reports need it not."""
MAX_FACTS = 200
MAX_CHARACTERS = 2_000
"""Of one value: manifests are written by strangers."""


def provenance_sentences(report: Report) -> list[Sentence]:
    """What matters most, as the text report says it."""
    if report.provenance is None:
        return []
    return [Sentence(printable(text), "en") for text in summary(report.provenance)]


def provenance_facts(record: Any) -> list[tuple[str, str]]:
    """Names and values of a record of any form, flattened, as text that is harmless to look at."""
    facts = []
    for name, value in _flat(record, ()):
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
            if key in LEFT_OUT:
                continue
            yield from _flat(item, (*path, printable(str(key)).replace("_", " ")))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value, 1):
            yield from _flat(item, (*path, str(number)) if len(value) > 1 else path)
    elif value is not None and value != "":
        yield " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(path), str(value)
