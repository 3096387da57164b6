"""Trains one small split; run alone, or by torchrun in several processes (test_distributed.py).

python train_worker.py FOLDER [STOP_AFTER_STEPS]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unreel.data.manifest import Clip
from unreel.training.cache import CachedClip
from unreel.training.recipe import Recipe
from unreel.training.train import train_split

RECIPE = Recipe(
    name="tiny", backbone="mobilenetv3_small_050", first_weights="random", frozen_stages=0,
    frozen_depthwise=False, dropout=0.1, crop=64, train_frames=2, epochs=3, batch=4,
    conditions={"raw": 1.0}, precision="32-true", checkpoint_steps=2, probe_condition="",
)  # fmt: skip


@dataclass
class Drawn:
    """A cache of pictures drawn here: generated ones are bright."""

    stop_after: int = 0

    def load(self, clip: Clip, condition: str) -> CachedClip:
        rng = np.random.default_rng(int(clip.group))
        frames = rng.integers(0, 120, (4, 72, 72, 3), dtype=np.uint8)
        return CachedClip((frames + (100 if clip.is_positive else 0),), {})


def clips() -> list[Clip]:
    labels: Any = ("real", "generated")
    return [Clip(Path(f"{n}.mp4"), labels[n % 2], str(n), sha256=str(n)) for n in range(16)]


def main() -> None:
    folder = Path(sys.argv[1])
    stop = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if stop:
        from unreel.training import train

        whole = train._follow
        done = iter(range(1, 10**6))

        def following(*arguments: Any) -> None:
            if next(done) > stop:
                raise KeyboardInterrupt  # as when the machine goes down in the middle of an epoch
            whole(*arguments)

        train._follow = following
    train_split(clips(), Drawn(), RECIPE, folder)  # type: ignore[arg-type]  # a cache of pictures drawn here


if __name__ == "__main__":
    main()
