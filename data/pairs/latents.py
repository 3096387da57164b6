"""What is done to the latents between encoder and decoder.

A generator never hands its decoder the exact latents of a camera frame: diffusion leaves noise in
them and distilled or quantised models round them. Strengths from nothing to strong stand for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from unreel.detector.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUANTISED_RANGE = 6.0
"""Quantisation levels are spread over this many standard deviations of a latent channel."""


@dataclass(frozen=True, slots=True)
class Strength:
    """How far latents are moved from those of the camera frame."""

    noise: float = 0.0
    """Standard deviation of Gaussian noise, as a share of each channel's own."""
    levels: int = 0
    """Number of values that a latent channel may take; 0 = not quantised."""

    def __str__(self) -> str:
        return f"{self.noise:g}:{self.levels}" if self.levels else f"{self.noise:g}"


DEFAULT_STRENGTHS = (Strength(), Strength(0.1, 32), Strength(0.25, 12))


def parse_strength(text: str) -> Strength:
    """Read NOISE or NOISE:LEVELS.

    Raises:
        UsageError: It is neither, or out of range.
    """
    found = re.fullmatch(r"(\d*\.?\d+)(?::(\d+))?", text.strip())
    noise, levels = (float(found[1]), int(found[2] or 0)) if found else (-1.0, 0)
    if not 0 <= noise <= 2 or levels == 1 or levels > 4096:
        raise UsageError(
            f"strength {text!r}: allowed is NOISE (0 to 2) or NOISE:LEVELS (2 to 4096), "
            "such as 0.1:32"
        )
    return Strength(noise, levels)


class Autoencoder(Protocol):
    """What makes the second half of a pair."""

    name: str
    """For the column `generator`; says which weights."""
    multiple: int
    """Sides of frames must be multiples of this."""

    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        """Encode, move the latents, decode.

        Args:
            frames: (T, H, W, 3) RGB, sides multiples of `multiple`.
            strength: How far the latents are moved.
            seed: Of the noise.

        Returns:
            (T, H, W, 3) uint8 RGB.
        """
        ...


def moved(latent: Any, strength: Strength, seed: int, channel_dim: int = 1) -> Any:
    """Latents after noise and quantisation.

    Args:
        latent: torch tensor with channels in dimension `channel_dim`.
        strength: How far.
        seed: Of the noise; the same on every device, since it is drawn on the CPU.
        channel_dim: 1 for (T, C, h, w) and (N, C, T, h, w).
    """
    import torch

    others = [d for d in range(latent.ndim) if d != channel_dim]
    spread = latent.std(dim=others, keepdim=True) + 1e-6
    if strength.noise:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(latent.shape, generator=generator).to(latent)
        latent = latent + strength.noise * spread * noise
    if strength.levels:
        step = QUANTISED_RANGE * spread / strength.levels
        latent = torch.round(latent / step) * step
    return latent
