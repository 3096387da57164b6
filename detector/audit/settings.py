"""What decides a score: the files of the model, and those settings that can change a result.

Results of other settings are never taken for results of these. Time and memory limits, threads
and workers are left out on purpose: they decide whether a file can be judged, not what comes out,
and a longer limit must not throw away a week's work (`--retry-errors` tries those that failed).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from unreel.detector.audit.chain import canonical, digest
from unreel.detector.config import ScanConfig
from unreel.detector.errors import ModelError
from unreel.detector.faces.embedding import FOLDER
from unreel.detector.faces.judging import HEAD
from unreel.detector.faces.published import chosen
from unreel.detector.model import DEFAULT_FOLDER


@dataclass(frozen=True, slots=True)
class Settings:
    """The identity of a way of judging."""

    model_name: str
    model_version: str
    model_sha256: str
    """As in the reports: of the graphs, one after the other."""
    model_files: dict[str, str]
    """Name -> sha256 of all that takes part in judging."""
    config: dict[str, object]

    @property
    def fingerprint(self) -> str:
        """SHA-256, lower-case hexadecimal; equal = results may stand for each other."""
        return digest([self.model_files, self.config])


def settings_of(model_folder: Path | None = None, config: ScanConfig | None = None) -> Settings:
    """The settings that a model folder and a configuration make; the graph is not loaded.

    Raises:
        ModelError: The folder lacks a file or holds another model than it says.
    """
    folder = model_folder or DEFAULT_FOLDER
    config = config or ScanConfig()
    names = [*sorted(p.name for p in folder.glob("*.onnx")), "calibration.json", "config.json"]
    try:
        contents = {name: (folder / name).read_bytes() for name in names}
        facts = json.loads(contents["config.json"])
        files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        decisive: dict[str, object] = {
            "fpr": config.fpr,
            "max_windows": config.max_windows,
            "recheck": config.recheck,
            "recheck_crf": config.recheck_crf,
            "face_detector": _face_detector(config),
            "lanes": list(config.lanes),  # no score comes of them, but what a row holds
        }
        if decisive["face_detector"]:
            decisive["face_model"] = hashlib.sha256((FOLDER / HEAD).read_bytes()).hexdigest()
        # A model of two graphs is named by both, in the order in which they run.
        graphs = contents["model.onnx"] + contents.get("head.onnx", b"")
        named = hashlib.sha256(graphs).hexdigest()
        return Settings(str(facts["name"]), str(facts["version"]), named, files, decisive)
    except OSError as error:
        raise ModelError(f"{folder} is not a model folder: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} is not a model folder: {error!r}") from error


def _face_detector(config: ScanConfig) -> str | None:
    """SHA-256 of what finds faces; None where nothing does."""
    path = chosen(config.face_detector, config.lanes)
    if path is None or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_json(value: object) -> str:
    """Canonical JSON, for columns that hold some."""
    return canonical(value)
