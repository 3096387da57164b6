"""What a worker does with one file, whatever the engine: hash it, or scan it."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from unreel.detector.audit.engine import WorkerSpec
from unreel.detector.identity import fingerprint
from unreel.detector.jsonout import to_json

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
        return to_json(scan_video(path, model=model, config=spec.config), with_run=True)

    return judge


def sha256_of(path: str) -> str | None:
    """Of the whole file; None when it cannot be read."""
    return fingerprint(path)[0]


def limit_threads(count: int) -> None:
    """Hold the thread pools of libraries to `count`; before they are imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
