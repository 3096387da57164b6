"""What a worker does with one file, whatever the engine: hash it, or scan it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from unreel.detector.audit.engine import WorkerSpec
from unreel.detector.audit.objects import is_address, local_copy, sha256_of_object
from unreel.detector.errors import MediaError
from unreel.detector.identity import fingerprint
from unreel.detector.jsonout import to_json
from unreel.detector.records import Report, ScanError

Judge = Callable[[str], str]
"""Path -> report as a line of JSON, with the facts of the run."""


def judge_of(spec: WorkerSpec) -> Judge:
    """The judge that a spec names; a model is loaded once, here."""
    module, _, name = spec.judge.partition(":")
    judge: Judge = getattr(import_module(module), name)(spec)
    return judge


def scanning_judge(spec: WorkerSpec) -> Judge:
    """A loaded model behind `scan_video`.

    Raises:
        ModelError: The model cannot be used.
        UsageError: Its calibration does not support the share of false alarms.
    """
    import cv2

    from unreel.detector.model import load_model
    from unreel.detector.scan import scan_video

    if spec.config.threads:
        cv2.setNumThreads(spec.config.threads)  # its own pool would take every core
    folder = Path(spec.model_folder) if spec.model_folder else None
    model = load_model(folder, threads=spec.config.threads)

    def judge(path: str) -> str:
        if not is_address(path):
            return to_json(scan_video(path, model=model, config=spec.config), with_run=True)
        try:
            with local_copy(path, spec.temp_folder, spec.object_bytes) as copy:
                report = scan_video(copy, model=model, config=spec.config)
                return to_json(_renamed(report, copy, path), with_run=True)
        except MediaError as error:
            found = ScanError(error.code, error.message)
        except OSError as error:  # the temp folder is full, or gone
            found = ScanError("internal", f"{path} cannot be put in the temp folder: {error}")
        return to_json(Report(path, model.info, error=found))

    return judge


def _renamed(report: Report, copy: str, path: str) -> Report:
    """A report on a copy as one on the original."""
    media, error = report.media, report.error
    if media is not None:
        told = tuple(warning.replace(copy, path) for warning in media.warnings)
        media = replace(media, path=path, warnings=told)
    if error is not None:
        error = replace(error, message=error.message.replace(copy, path))
    return replace(report, path=path, media=media, error=error)


def sha256_of(path: str) -> str | None:
    """Of the whole file; None when it cannot be read."""
    return sha256_of_object(path) if is_address(path) else fingerprint(path)[0]


def limit_threads(count: int) -> None:
    """Hold the thread pools of libraries to `count`; before they are imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
