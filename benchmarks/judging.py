"""How long models take to judge 16 frames of 288x512, one clip at a time, on all cores.

    python benchmarks/judging.py                     # the model in the package
    python benchmarks/judging.py - runs/base/model   # several in one run, to be compared; - = it

A scan of a short clip reads 16 frames; a model that judges every second one takes half of it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from unreel.detector.model import Model, load_model

FRAMES = 16
REPEATS = 5


def seconds(model: Model, frames: NDArray[np.uint8]) -> list[float]:
    """Of each repeat, after one that is not counted."""
    model.judge(frames)
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        model.judge(frames)
        found.append(time.perf_counter() - started)
    return sorted(found)


def main() -> None:
    rng = np.random.default_rng(0)
    for name in sys.argv[1:] or ["-"]:
        model = load_model(None if name == "-" else name)
        side = model.short_side
        frames = rng.integers(0, 256, (FRAMES, side, side * 16 // 9, 3), dtype=np.uint8)
        took = seconds(model, frames)
        print(
            f"{model.info.name}: {took[REPEATS // 2]:.2f} s for {FRAMES} frames ({took[0]:.2f} to "
            f"{took[-1]:.2f}), {took[REPEATS // 2] / model.frame_stride:.2f} s as a scan reads them"
        )


if __name__ == "__main__":
    main()
