"""Judges that take the place of a scan where a test needs hundreds of files, or a worker that dies.

A worker loads them as it loads the real one: everything around the scan is the real thing.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from unreel.detector.audit.engine import WorkerSpec
from unreel.detector.jsonout import to_json
from unreel.detector.records import (
    Label,
    Media,
    ModelInfo,
    OperatingPoint,
    Report,
    ScanError,
    Verdict,
)

MODEL = ModelInfo("fake", "1", "f" * 64)


def report_on(path: str, sha256: str, size: int, score: float) -> Report:
    """A report with a verdict, all of it made up."""
    media = Media(
        path, sha256, size, "mp4", "h264", "yuv420p", 8, False, 320, 240, 0, 24.0, False, 48, 2.0,
        0.0, False, "none 0",
    )  # fmt: skip
    point = OperatingPoint(0.01, 0.9, "pooled")
    label: Label = "generated" if score >= point.threshold else "no-evidence"
    verdict = Verdict(label, score, 0.0, score, point, ("made up",), 2.0, 137)
    return Report(path, MODEL, media, sha256, size, verdict, run={"seconds": {"judge": 0.01}})


def quick(spec: WorkerSpec) -> Callable[[str], str]:
    """Scores a file by its bytes; what a file says is done: die, hang, grow, go, break."""

    def judge(path: str) -> str:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            return to_json(Report(path, MODEL, error=ScanError("not-found", str(error))))
        if data.startswith(b"die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if data.startswith(b"hang"):
            time.sleep(600)
        if data.startswith(b"grow"):
            held = bytearray(os.urandom(1)) * (1 << 30)
            time.sleep(600)
            del held
        if data.startswith(b"slow"):
            time.sleep(0.2)
        sha256 = hashlib.sha256(data).hexdigest()
        if data.startswith(b"break"):
            error = ScanError("unreadable", f"{path} is broken")
            return to_json(Report(path, MODEL, sha256=sha256, bytes=len(data), error=error))
        score = int(sha256[:8], 16) / 2**32
        return to_json(report_on(path, sha256, len(data), score), with_run=True)

    return judge


def counting(spec: WorkerSpec) -> Callable[[str], str]:
    """As `quick`, but slow, and each call is written down in the file that AUDIT_CALLS names."""
    inner = quick(spec)

    def judge(path: str) -> str:
        handle = os.open(os.environ["AUDIT_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, os.fsencode(path) + b"\n")
        os.close(handle)
        time.sleep(0.1)
        return inner(path)

    return judge
