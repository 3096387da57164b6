"""Logits of clips out of the frame cache, by the same runtime that a scan uses."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.detector.model import Model
from unreel.detector.network import SpatioTemporalClassifier
from unreel.detector.runtime import Graphs
from unreel.training.cache import FrameCache
from unreel.training.export import write_graphs
from unreel.training.recipe import Recipe

Judge = Callable[[NDArray[np.uint8]], float]
"""(T, h, w, 3) RGB at the model's size to the window's logit."""


def judge_of_model(model: Model) -> Judge:
    """Judge with a model folder."""
    return lambda frames: model.judge(frames[:: model.frame_stride]).clip


def judge_of_network(network: SpatioTemporalClassifier, recipe: Recipe) -> Judge:
    """Judge with a network just trained, through the graphs that would be shipped."""
    with tempfile.TemporaryDirectory() as scratch:
        frame, window = write_graphs(network, recipe, Path(scratch))
        graphs = Graphs(frame.read_bytes(), window.read_bytes(), 0, Path(scratch))
    return lambda frames: graphs.judge(frames).clip


def clip_logits(
    clips: Sequence[Clip],
    condition: str,
    cache: FrameCache,
    make_judge: Callable[[], Judge],
    keep: Path | None,
) -> NDArray[np.float64]:
    """Mean logit over the windows of each clip.

    Args:
        clips: To be judged.
        condition: Under which they are judged.
        cache: Filled for it.
        make_judge: Loads the model; called when there is something left to judge.
        keep: A JSON file of finished clips, added to as the work goes on; None = nowhere.

    Returns:
        (n,) logits; NaN where no window could be sampled.
    """
    done: dict[str, float | None] = {}
    if keep is not None and keep.exists():
        done = json.loads(keep.read_text(encoding="utf-8"))
    left = [clip for clip in clips if clip.sha256 not in done]
    judge = make_judge() if left else None
    for number, clip in enumerate(left, start=1):
        assert judge is not None
        windows = cache.load(clip, condition).windows
        logits = [judge(np.asarray(w)) for w in windows]
        done[clip.sha256] = round(float(np.mean(logits)), 6) if logits else None
        if keep is not None and (number % 25 == 0 or number == len(left)):
            _write(keep, done)
    values = [done[c.sha256] for c in clips]
    return np.array([np.nan if v is None else v for v in values])


def _write(path: Path, content: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    os.replace(partial, path)
