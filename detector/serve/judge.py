"""What a worker of the server does with one clip: scan it, tell how far it is, keep pictures."""

from __future__ import annotations

import contextlib
from pathlib import Path

from unreel.detector.audit.engine import WorkerSpec
from unreel.detector.audit.judge import Judge
from unreel.detector.jsonout import to_json
from unreel.detector.serve.steps import write_step


def telling_judge(spec: WorkerSpec) -> Judge:
    """A loaded model behind `scan_video`, with a word on each step beside the clip.

    Raises:
        ModelError: The model cannot be used.
    """
    import cv2

    from unreel.detector.gallery import Gallery
    from unreel.detector.model import load_model
    from unreel.detector.scan import scan_video
    from unreel.detector.serve.kept import Kept

    if spec.config.threads:
        cv2.setNumThreads(spec.config.threads)  # its own pool would take every core
    folder = Path(spec.model_folder) if spec.model_folder else None
    model = load_model(folder, threads=spec.config.threads)

    def judge(path: str) -> str:
        beside, gallery = Path(path).parent, Gallery()
        report = scan_video(
            path,
            model=model,
            config=spec.config,
            progress=lambda words: write_step(beside, words),
            gallery=gallery,
        )
        if report.sha256 is not None and report.error is None:
            with contextlib.suppress(OSError):  # without room for pictures there is still a result
                Kept(beside.parents[1]).keep(report.sha256, gallery)
        return to_json(report, with_run=True)

    return judge
