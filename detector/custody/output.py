"""Where `unreel scan --custody` writes: one file for one input, a folder for several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unreel.detector.config import ScanConfig
from unreel.detector.custody.keys import load_private_key
from unreel.detector.custody.record import custody_record, sealed, write_record
from unreel.detector.errors import UsageError
from unreel.detector.inputs import VIDEO_EXTENSIONS
from unreel.detector.records import Report

if TYPE_CHECKING:
    from collections.abc import Callable

SUFFIX = ".custody.json"


class CustodyOutput:
    """Writes a sealed record for each report.

    Args:
        target: File for one input; folder, made when it is not there, for several.
        inputs: How many files are scanned.
        key: Private key to sign with.
        config: The settings of the scan.
        model_folder: The model it is made with.
        ask: Gives the password of the key, when it has one.

    Raises:
        UsageError: The target cannot be written or would overwrite something; the key is none.
    """

    def __init__(
        self,
        target: Path,
        *,
        inputs: int,
        key: Path | None,
        config: ScanConfig,
        model_folder: Path | None,
        ask: Callable[[], bytes] | None = None,
    ) -> None:
        self._target = target
        self._is_folder = inputs > 1 or target.is_dir()
        self._config, self._model_folder = config, model_folder
        self._key = load_private_key(key, ask) if key is not None else None
        self._check()

    def write(self, report: Report) -> Path:
        """Write the record of one report; returns where."""
        target = self._free_name(report.path) if self._is_folder else self._target
        record = custody_record(report, self._config, self._model_folder)
        write_record(target, sealed(record, self._key))
        return target

    def _check(self) -> None:
        """Find out before an hour of scanning what would fail after it."""
        if self._is_folder:
            try:
                self._target.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"--custody {self._target} must be a folder for several files, and cannot be "
                    f"made: {error.strerror}"
                ) from error
        elif self._target.exists():
            raise UsageError(
                f"--custody {self._target} exists and is not overwritten: name another"
            )
        elif self._target.suffix.lower() in VIDEO_EXTENSIONS:
            raise UsageError(f"--custody {self._target} is the name of a video: name another file")
        elif not self._target.parent.is_dir():
            raise UsageError(f"--custody {self._target}: there is no folder {self._target.parent}")

    def _free_name(self, path: str) -> Path:
        """NAME.custody.json, or NAME-2.custody.json where another file had the same name."""
        name = Path(path).name[:150] or "unnamed"
        for number in range(1, 1_000_000):
            part = name if number == 1 else f"{name}-{number}"
            target = self._target / f"{part}{SUFFIX}"
            if not target.exists():
                return target
        raise UsageError(f"--custody {self._target}: too many records of the name {name}")
