"""A small set to train on: drifting textures against textures that flicker."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from unreel.data.manifest import Clip, write_manifest
from unreel.detector.encode import H264Writer


def make_training_set(folder: Path) -> Path:
    """Write 24 clips in 12 groups of one of each class, by two generators; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for number in range(24):
        path = folder / f"{number}.mp4"
        _clip(path, flickers=number % 2 == 1, seed=number)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        label = "generated" if number % 2 else "real"
        generator = "xy"[number // 12] * (number % 2)
        clips.append(Clip(path, label, f"g{number // 2}", generator=generator,
                          source=f"s{number % 3}", sha256=digest))  # fmt: skip
    write_manifest(folder / "manifest.csv", clips)
    return folder / "manifest.csv"


def _clip(path: Path, flickers: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 190, (12, 16, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    with H264Writer(str(path), width=256, height=192, crf=20, preset="ultrafast") as writer:
        for number in range(24):
            frame = np.roll(ground, 2 * number, axis=1)
            if flickers:
                spots = rng.integers(0, 2, (48, 64, 1), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
                frame = np.clip(frame + 50 * spots.astype(int), 0, 255).astype(np.uint8)
            writer.write(frame, number / 12)
