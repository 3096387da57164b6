"""What a person found on looking: the last word on the same bytes counts, all words are kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from unreel.detector.audit import chain
from unreel.detector.audit.errors import StoreError
from unreel.detector.audit.reading import file_id_of
from unreel.detector.errors import UsageError
from unreel.detector.jsonout import json_safe

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

LABELS = ("real", "generated", "manipulated", "unsure")


def add_label(
    store: Store,
    name: str | os.PathLike[str],
    label: str,
    generator: str = "",
    source: str = "",
    note: str = "",
) -> str:
    """Label the bytes of a file; see `Store.label`.

    Raises:
        UsageError: Another word than the four.
        StoreError: The file is not known, or its bytes could not be read.
    """
    if label not in LABELS:
        raise UsageError(f"label {label!r} was given, allowed are {', '.join(LABELS)}")
    with store.transaction() as connection:
        query = "SELECT sha256 FROM files WHERE id = ?"
        (sha256,) = connection.execute(query, (file_id_of(store, name),)).fetchone()
        if sha256 is None:
            raise StoreError(
                f"{json_safe(os.fsdecode(name))} has no hash yet: its bytes were not looked at, or "
                "could not be read"
            )
        cursor = connection.execute(
            "INSERT INTO labels (sha256, label, generator, source, note, labelled)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (sha256, label, *map(json_safe, (generator, source, note)), chain.now()),
        )
        made = int(cursor.lastrowid or 0)
        found = chain.row_digest(connection, "labels", chain.LABEL_COLUMNS, made)
        chain.append(connection, "label", {"label": made, "digest": found})
    return str(sha256)
