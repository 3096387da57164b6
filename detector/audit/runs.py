"""What a run is remembered by: tool, model, configuration, libraries, host and command line."""

from __future__ import annotations

import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from unreel.detector.audit import chain
from unreel.detector.audit.settings import Settings, as_json

LIBRARIES = ("decord2", "av", "onnxruntime", "opencv-python-headless", "numpy")
"""Distributions that take part in a score; their wheels carry the decoders they use."""


def insert_settings(connection: sqlite3.Connection, settings: Settings) -> int:
    """The number of these settings, new or known."""
    query = "SELECT id FROM settings WHERE fingerprint = ?"
    known = connection.execute(query, (settings.fingerprint,)).fetchone()
    if known:
        return int(known[0])
    cursor = connection.execute(
        "INSERT INTO settings (fingerprint, model_name, model_version, model_sha256, model_files,"
        " config) VALUES (?, ?, ?, ?, ?, ?)",
        (
            settings.fingerprint,
            settings.model_name,
            settings.model_version,
            settings.model_sha256,
            as_json(settings.model_files),
            as_json(settings.config),
        ),
    )
    made = int(cursor.lastrowid or 0)
    found = chain.row_digest(connection, "settings", chain.SETTINGS_COLUMNS, made)
    chain.append(connection, "settings", {"settings": made, "digest": found})
    return made


def insert_run(
    connection: sqlite3.Connection,
    settings_id: int,
    engine: str,
    command: list[str] | None,
    options: dict[str, Any],
) -> int:
    """The number of a new run."""
    arguments = [_ascii(part) for part in (sys.argv if command is None else command)]
    cursor = connection.execute(
        "INSERT INTO runs (settings_id, started, tool_version, host, command, engine, libraries,"
        " options) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            settings_id,
            chain.now(),
            version("unreel"),
            platform.node(),
            as_json(arguments),
            engine,
            as_json(library_versions()),
            as_json(options),
        ),
    )
    run = int(cursor.lastrowid or 0)
    made = chain.row_digest(connection, "runs", chain.RUN_COLUMNS, run)
    chain.append(connection, "run-started", {"run": run, "digest": made})
    return run


def library_versions() -> dict[str, str]:
    """Name -> version of Python and of what takes part in a score; nothing is imported."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _ascii(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
