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
from unreel.detector.errors import ModelError

PACKAGES = ("decord2", "av", "onnxruntime", "numpy", "opencv-python-headless", "c2pa-python")
"""Distributions that take part in a result; those that are not installed are left out."""


def instruments(
    model_folder: Path | None, object_detector: str | Path | None = None
) -> dict[str, Any]:
    """Everything that decides what comes out, by hash.

    Args:
        model_folder: None = the model in the package.
        object_detector: ONNX file of --object-detector; None = none took part, and none is named.

    Raises:
        ModelError: A file of the model or the object detector cannot be read.
    """
    model = settings_of(model_folder)
    named = {} if object_detector is None else {"object_detector": _detector(Path(object_detector))}
    return named | {
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


def _detector(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as handle:
            return {"sha256": hashlib.file_digest(handle, "sha256").hexdigest()}
    except OSError as error:
        raise ModelError(
            f"object detector {path} cannot be read ({error.strerror}); "
            "it is the file that --object-detector named"
        ) from error


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
