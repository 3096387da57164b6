"""What an examination was done with: hashes of this tool, its model files and its decoders."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from unreel.detector.audit.chain import digest
from unreel.detector.audit.settings import settings_of

PACKAGES = ("decord2", "av", "onnxruntime", "numpy", "opencv-python-headless", "c2pa-python")
"""Distributions that take part in a result; those that are not installed are left out."""


def instruments(model_folder: Path | None) -> dict[str, Any]:
    """Everything that decides what comes out, by hash."""
    model = settings_of(model_folder)
    return {
        "unreel": {"version": version("unreel"), "sha256": tool_sha256()},
        "model": {
            "name": model.model_name,
            "version": model.model_version,
            "files": model.model_files,
        },
        "libraries": {name: found for name in PACKAGES if (found := library(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


@cache
def tool_sha256() -> str:
    """Of the detector's own files: names and contents, models left out, which have their own."""
    root = Path(__file__).resolve().parents[1]
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".toml", ".json") and "models" not in path.relative_to(root).parts
    }
    return digest(files)


@cache
def library(name: str) -> dict[str, str] | None:
    """Version and one hash over all native code of an installed distribution; None without it."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    native = {}
    for entry in found.files or ():
        if ".so" in entry.name or entry.suffix in (".dylib", ".dll", ".pyd"):
            path = Path(str(found.locate_file(entry)))
            if path.is_file():
                with path.open("rb") as handle:
                    native[entry.as_posix()] = hashlib.file_digest(handle, "sha256").hexdigest()
    return {"version": found.version, "native_sha256": digest(native)}
