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
from unreel.detector.faces.published import chosen
from unreel.detector.hands.finding import FILES
from unreel.detector.path_judge import HEAD as PATH_HEAD

PACKAGES = ("decord2", "av", "onnxruntime", "numpy", "opencv-python-headless", "c2pa-python")
"""Distributions that take part in a result; those that are not installed are left out."""


def instruments(
    model_folder: Path | None,
    object_detector: str | Path | None = None,
    face_detector: str | Path | None = None,
    hand_detector: str | Path | None = None,
) -> dict[str, Any]:
    """Everything that decides what comes out, by hash.

    Args:
        model_folder: None = the model in the package.
        object_detector: ONNX file of --object-detector; None = none took part, and none is named.
        face_detector: ONNX file that found faces, with which the faces model took part too;
            None = no face was looked for.
        hand_detector: Folder of --hand-detector; None = no hand was looked for.

    Raises:
        ModelError: A file of a model or a detector cannot be read.
    """
    model = settings_of(model_folder)
    named: dict[str, Any] = {}
    if object_detector is not None:
        named["object_detector"] = _detector(
            Path(object_detector), "object detector", "--object-detector named"
        )
    if face_detector is not None:
        named["face_detector"] = _detector(
            Path(face_detector),
            "face detector",
            "--face-detector named or `unreel models pull faces` fetched",
        )
        named["face_model"] = face_model()
    if hand_detector is not None:
        whence = "--hand-detector named, of `unreel models pull hands`"
        named["hand_detector"] = {
            name: _detector(Path(hand_detector) / name, "hand detector", whence) for name in FILES
        }
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


def face_detector_of(settings: dict[str, Any]) -> Path | None:
    """What finds faces under the settings of a record (asdict of a ScanConfig)."""
    given = settings.get("face_detector")
    return chosen(given if isinstance(given, str) else None, settings.get("lanes", ()))


@cache
def face_model() -> dict[str, Any]:
    """The faces model in the package.

    Raises:
        ModelError: A file cannot be read.
    """
    from unreel.detector.faces.embedding import FOLDER
    from unreel.detector.faces.judging import FILES, load_face_model

    info = load_face_model().info
    files = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in FILES}
    return {"name": info.name, "version": info.version, "files": files}


def _detector(path: Path, what: str, whence: str) -> dict[str, str]:
    try:
        with path.open("rb") as handle:
            return {"sha256": hashlib.file_digest(handle, "sha256").hexdigest()}
    except OSError as error:
        raise ModelError(
            f"{what} {path} cannot be read ({error.strerror}); it is the file that {whence}"
        ) from error


@cache
def tool_sha256() -> str:
    """Of the detector's own files: names and contents, models left out, which have their own.

    The head over ways, which decides findings and no score, is among them.
    """
    root = Path(__file__).resolve().parents[1]
    own = [
        path
        for path in root.rglob("*")
        if path.suffix in (".py", ".toml", ".json") and "models" not in path.relative_to(root).parts
    ]
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted([*own, PATH_HEAD.resolve()])
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
