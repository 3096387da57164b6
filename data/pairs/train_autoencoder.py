"""Train the causal video autoencoder on camera clips; read from top to bottom.

    unreel pairs train-autoencoder corpus/manifest.csv runs/causal --hold-out 4

A burst of each clip is decoded once and kept as a crop; each step draws a few, flips them, and
brings L1 of pixels and of their spatial gradients down. Latents get noise, so that the decoder
copes with latents that were moved. A run goes on where it stopped; DONE is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unreel.data.manifest import Clip
from unreel.data.pairs.footage import read_burst
from unreel.data.pairs.latents import Strength
from unreel.data.pairs.sources import names_of, without_fold
from unreel.data.pairs.video_autoencoder import (
    GROUP,
    CausalVideoAutoencoder,
    CausalVideoNetwork,
    Size,
    save_network,
    to_tensor,
)
from unreel.detector.errors import MediaError, UsageError

LATENT_NOISE = 0.05
GRADIENT_WEIGHT = 0.5
KEPT_SIDE = 160
"""Pixels of what is kept of a clip; crops of a step are taken from inside."""
CHECKPOINT_STEPS = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the result; a run folder belongs to one of them."""

    hold_out: int | None = None
    folds: int = 5
    seed: int = 0
    steps: int = 1800
    batch: int = 2
    crop: int = 80
    frames: int = 13
    """Of one training step: 1 + 4k."""
    rate: float = 2e-3
    size: Size = Size()  # noqa: RUF009  # frozen


def train(
    source: Path,
    out: Path,
    settings: Settings,
    *,
    device: str = "cpu",
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, or go on, and write out/model.

    Returns:
        What was measured on the held-out clips: see `quality`.

    Raises:
        UsageError: The folder belongs to a run with other settings, or no clip can be used.
    """
    if settings.frames < 1 + GROUP or settings.frames % GROUP != 1:
        raise UsageError(f"frames is {settings.frames}, allowed are 5, 9, 13, ... (1 + 4k)")
    if settings.crop % 8 or not 32 <= settings.crop <= KEPT_SIDE:
        raise UsageError(f"crop is {settings.crop}, allowed are multiples of 8 in 32..{KEPT_SIDE}")
    clips, held_out = without_fold(source, settings.hold_out, settings.folds, settings.seed)
    _claim(out, settings, clips)
    if (out / "DONE").exists():
        tell(f"{out} is done")
        return dict(json.loads((out / "metrics.json").read_text(encoding="utf-8")))

    # -- footage: one crop of each clip, decoded once
    bursts = kept_bursts(clips, out / "footage", settings, tell)
    if not bursts:
        raise UsageError(f"no clip of {source} could be used to train on")

    # -- network, optimiser, and where an earlier run stopped
    torch.manual_seed(settings.seed)
    network = CausalVideoNetwork(settings.size).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.rate, betas=(0.9, 0.99), weight_decay=1e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=settings.steps + 1, pct_start=0.1
    )
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    begin = _resume(out / "state.pt", network, optimiser, schedule, average)

    # -- steps
    started = time.monotonic()
    for step in range(begin, settings.steps):
        frames = _batch(bursts, settings, step).to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            latents = network.encode(frames)
            # Drawn by the number of the step, so that a run that goes on draws the same.
            draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
            noise = torch.randn(latents.shape, generator=draw).to(latents)
            decoded = network.decode(latents + LATENT_NOISE * latents.detach().std() * noise)
        loss = reconstruction_loss(decoded.float(), frames)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            keep = min(0.995, (1 + step) / (10 + step))
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == settings.steps:
            error = float(((decoded.detach().float() - frames) / 2).square().mean())
            pace = (time.monotonic() - started) / (step + 1 - begin)
            tell(
                f"step {step + 1} of {settings.steps}: loss {float(loss.detach()):.4f}, "
                f"PSNR {-10 * np.log10(error):.1f} dB, {pace:.2f} s a step"
            )
            _save_state(out / "state.pt", step + 1, network, optimiser, schedule, average)

    # -- what it is worth on clips that it has not seen; then the model, DONE last
    network.load_state_dict(average)
    metrics = quality(network, held_out, settings, device, out, tell)
    facts = {
        "name": "causal4", "psnr_db": metrics["psnr_db"], "steps": settings.steps,
        "trained_on": len(clips), "held_out_fold": settings.hold_out, "folds": settings.folds,
        "seed": settings.seed, "seen_sha256": names_of(clips),
    }  # fmt: skip
    save_network(network, out / "model", facts)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / "DONE").touch()
    return metrics


def reconstruction_loss(decoded: Tensor, frames: Tensor) -> Tensor:
    """L1 of pixels and of differences to the right and lower neighbour, (N, T, 3, H, W)."""
    error = decoded - frames
    across = (error[..., :, 1:] - error[..., :, :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + GRADIENT_WEIGHT * (across + down)


def kept_bursts(
    clips: Sequence[Clip], folder: Path, settings: Settings, tell: Callable[[str], None]
) -> list[NDArray[np.uint8]]:
    """A crop (T, h, w, 3) of each clip that can be read; decoded once, kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, clip in enumerate(clips, start=1):
        name = hashlib.sha256(f"{clip.path}/{clip.sha256}/{settings.seed}".encode()).hexdigest()
        kept = folder / f"{name[:24]}.npy"
        if not kept.exists():
            rng = np.random.default_rng(int(name[:8], 16))
            try:
                burst = read_burst(
                    str(clip.path), frames=17, crop=KEPT_SIDE, multiple=8, rng=rng
                ).frames
            except MediaError as error:
                tell(f"left out: {error}")
                burst = np.zeros((0, 8, 8, 3), np.uint8)
            partial = kept.with_suffix(".partial.npy")
            np.save(partial, burst)
            os.replace(partial, kept)
            if number % 25 == 0:
                tell(f"footage: {number} of {len(clips)} clips")
        burst = np.load(kept, mmap_mode="r")
        if len(burst) >= settings.frames and min(burst.shape[1:3]) >= settings.crop:
            found.append(burst)
    return found


def _batch(bursts: Sequence[NDArray[np.uint8]], settings: Settings, step: int) -> Tensor:
    """(N, T, 3, crop, crop) of -1..1, drawn by the seed and the number of the step alone."""
    rng = np.random.default_rng((settings.seed, step))
    sides = (settings.frames, settings.crop, settings.crop)
    rows = []
    for _ in range(settings.batch):
        burst = bursts[int(rng.integers(len(bursts)))]
        t, y, x = (
            int(rng.integers(full - part + 1))
            for full, part in zip(burst.shape[:3], sides, strict=True)
        )
        part = burst[t : t + settings.frames, y : y + settings.crop, x : x + settings.crop]
        part = part[:, :, ::-1] if rng.random() < 0.5 else part
        rows.append(part[::-1] if rng.random() < 0.5 else part)  # time may run backwards
    return to_tensor(np.stack(rows))


def quality(
    network: CausalVideoNetwork,
    clips: Sequence[Clip],
    settings: Settings,
    device: str,
    out: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """PSNR on clips, dB: of whole bursts, and by the place of a frame in its group of four.

    Returns:
        clips, psnr_db (median over clips), psnr_db_low and _high (10th and 90th percentile),
        psnr_db_by_phase (four means over clips: frames 1, 5, 9, ... come first, then 2, 6, ...).
        None where there are no clips.
    """
    bursts = kept_bursts(clips, out / "footage", settings, tell)
    if not bursts:
        return {"clips": 0, "psnr_db": None, "psnr_db_by_phase": None}
    model = CausalVideoAutoencoder(network, name="causal4", device=device)
    rows = []
    for burst in bursts:
        real = np.asarray(burst[:17])
        real = real[: (len(real) - 1) // GROUP * GROUP + 1]
        error = (model.reconstruct(real, Strength(), 0).astype(np.float64) - real) / 255
        rows.append((error**2).mean(axis=(1, 2, 3)))
    psnr = [-10 * np.log10(row.mean() + 1e-12) for row in rows]
    phases = [
        float(np.mean([-10 * np.log10(row[1 + k :: GROUP].mean() + 1e-12) for row in rows]))
        for k in range(GROUP)
    ]
    low, middle, high = (round(float(v), 2) for v in np.percentile(psnr, [10, 50, 90]))
    return {
        "clips": len(rows), "psnr_db": middle, "psnr_db_low": low, "psnr_db_high": high,
        "psnr_db_by_phase": [round(p, 2) for p in phases],
    }  # fmt: skip


def _claim(out: Path, settings: Settings, clips: Sequence[Clip]) -> None:
    """Make the run folder, or make sure that it is the same run."""
    content = {**asdict(settings), "clips": names_of(clips)}
    path = out / "run.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != content:
            raise UsageError(f"{out} belongs to a run on other clips or settings: name another one")
        return
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _save_state(
    path: Path, step: int, network: Any, optimiser: Any, schedule: Any, average: dict[str, Tensor]
) -> None:
    state = {
        "step": step, "network": network.state_dict(), "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(), "average": average,
    }  # fmt: skip
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _resume(
    path: Path, network: Any, optimiser: Any, schedule: Any, average: dict[str, Tensor]
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    average.update(state["average"])
    return int(state["step"])
