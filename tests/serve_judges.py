"""A judge in place of a scan, for tests of the server: the text in a clip says what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import audit_judges

from unreel.detector.audit.engine import WorkerSpec
from unreel.detector.serve.steps import write_step


def quick(spec: WorkerSpec) -> Callable[[str], str]:
    """A score by the bytes, after the waiting that the clip asks for."""
    judge = audit_judges.quick(spec)

    def telling(path: str) -> str:
        folder, data = Path(path).parent, Path(path).read_bytes()
        if b"hang" in data:
            write_step(folder, "reading stretch 3 of 4")
            time.sleep(600)
        if b"slow" in data:
            time.sleep(0.3)
        return judge(path)

    return telling
