"""Do reconstructions of a video autoencoder beat in time with its groups of four frames?

    python benchmarks/rhythm.py ../shared/corpus/manifest.csv --autoencoder runs/causal/model

Of held-out camera clips: PSNR of the reconstruction, by the place of a frame in its group, and the
share of period four (and its harmonic) in how sharp the frames of a burst are, before and after
H.264. With eight frequencies an even share is .25.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unreel.data.pairs.autoencoders import open_autoencoder
from unreel.data.pairs.footage import read_burst
from unreel.data.pairs.latents import Strength
from unreel.data.pairs.sources import without_fold
from unreel.detector.encode import reencode
from unreel.detector.errors import MediaError
from unreel.training.metrics import auc

FRAMES, GROUP = 17, 4


def share_of_period_four(frames: NDArray[np.uint8]) -> float:
    """Of the power of log sharpness over time, without its trend; (T, H, W, 3), T = 1 + 16."""
    grey = frames[1:].astype(np.float32).mean(axis=-1)
    fine = [f - cv2.GaussianBlur(f, (0, 0), 1.5) for f in grey]
    sharpness = np.log([float((f**2).mean()) + 1e-3 for f in fine])
    times = np.arange(len(sharpness))
    sharpness = sharpness - np.polyval(np.polyfit(times, sharpness, 2), times)
    power = np.abs(np.fft.rfft(sharpness)) ** 2
    at = len(sharpness) // GROUP
    return float((power[at] + power[2 * at]) / (power[1:].sum() + 1e-12))


def main() -> None:
    """Print medians over clips."""
    parser = argparse.ArgumentParser(description="Measure the rhythm of a video autoencoder.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--autoencoder", required=True)
    parser.add_argument("--hold-out", type=int, default=4, help="fold that it has not seen")
    parser.add_argument("--clips", type=int, default=14, help="so many, spread over the fold")
    options = parser.parse_args()
    _, held = without_fold(options.manifest, options.hold_out, 5, 0)
    autoencoder = open_autoencoder(options.autoencoder)
    psnr, phases = [], []
    shares: dict[str, list[float]] = {}
    for clip in held[:: max(1, len(held) // options.clips)][: options.clips]:
        rng = np.random.default_rng(1)
        try:
            burst = read_burst(str(clip.path), frames=FRAMES, crop=128, multiple=8, rng=rng)
        except MediaError as error:
            print(f"left out: {error}")
            continue
        if len(burst.frames) < FRAMES:
            continue
        made = autoencoder.reconstruct(burst.frames, Strength(), 0)
        error = (((made.astype(float) - burst.frames) / 255) ** 2).mean(axis=(1, 2, 3))
        psnr.append(-10 * np.log10(error.mean() + 1e-12))
        phases.append([-10 * np.log10(error[1 + k :: GROUP].mean() + 1e-12) for k in range(GROUP)])
        for name, frames in (("camera", burst.frames), ("reconstructed", made)):
            again = reencode(frames, burst.pts_seconds, crf=23)
            shares.setdefault(name, []).append(share_of_period_four(frames))
            shares.setdefault(f"{name}, H.264 crf 23", []).append(share_of_period_four(again))
    low, middle, high = np.percentile(psnr, [10, 50, 90])
    print(f"{len(psnr)} clips: PSNR {middle:.1f} dB (10 to 90 %: {low:.1f} to {high:.1f})")
    print("by place in the group: " + ", ".join(f"{v:.2f}" for v in np.mean(phases, axis=0)))
    for name, values in shares.items():
        print(f"share of period four, {name}: {np.median(values):.2f}")
    labels = np.repeat([0.0, 1.0], len(psnr))
    for after in ("", ", H.264 crf 23"):
        both = np.array(shares[f"camera{after}"] + shares[f"reconstructed{after}"])
        print(f"AUC of that share{after}: {auc(labels, both):.2f}")


if __name__ == "__main__":
    main()
