"""A small causal video autoencoder: eight times smaller in space, four times in time.

The autoencoders of video generators compress four frames into one latent frame and let information
flow forward in time only. Their decoders write frames in groups of four, and frames of a group
differ in how well they are drawn: a rhythm that no camera has. This is one of that kind, small
enough to train on a CPU.

    frames (N, T, 3, H, W), T = 1 + 4k -> latents (N, 1 + k, C, H/8, W/8) -> frames

The first frame stands alone, as in Wan and HunyuanVideo: it is repeated three times in front, and
what is decoded of the repeats is thrown away. All filters are two-dimensional; time is mixed by
1x1 convolutions over a frame and the two before it, which a CPU does ten times as fast as 3-D ones.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unreel.data.pairs.latents import Strength, moved
from unreel.detector.errors import ModelError

GROUP = 4
"""Frames that share one latent frame."""
KIND = "unreel-causal-video-autoencoder"


@dataclass(frozen=True, slots=True)
class Size:
    """Widths of the network."""

    latent: int = 32
    """Channels of a latent."""
    fine: int = 64
    """At a quarter of the resolution."""
    middle: int = 96
    """At an eighth, before time is compressed."""
    deep: int = 112
    """At an eighth and a quarter of the frames."""


class _Spatial(nn.Module):
    """Residual block on single frames (M, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]  # there is a bias

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(x)))


class _Causal(nn.Module):
    """Residual block whose frames also see the two before them (N, T, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = _Spatial(width)
        self.time = nn.Conv2d(3 * width, width, 1)
        nn.init.zeros_(self.time.weight)
        nn.init.zeros_(self.time.bias)  # type: ignore[arg-type]  # there is a bias

    def forward(self, x: Tensor) -> Tensor:
        x = _each(self.spatial, x)
        before = [F.pad(x, (0, 0) * 3 + (lag, 0))[:, : x.shape[1]] for lag in (1, 2)]
        return x + _each(self.time, F.silu(torch.cat([x, *before], dim=2)))


def _keep_length(layer: nn.Module) -> None:
    """Start a convolution as a rotation, so that a picture's contrast survives twelve of them.

    With the default start the decoder's output has a thirtieth of the contrast, and half of a short
    training goes into that. Branches that start as zero stay zero.
    """
    if not isinstance(layer, nn.Conv2d) or not layer.weight.any():
        return
    rotation = nn.init.orthogonal_(torch.empty(layer.weight.shape[:2]))
    middle = layer.kernel_size[0] // 2
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.weight[:, :, middle, middle] = rotation
        if layer.bias is not None:
            layer.bias.zero_()


def _each(layer: nn.Module, x: Tensor) -> Tensor:
    """A two-dimensional layer on every frame of (N, T, C, h, w)."""
    n, t = x.shape[:2]
    flat = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    out: Tensor = layer(flat)
    return out.unflatten(0, (n, t))


class CausalVideoNetwork(nn.Module):
    """Encoder and decoder.

    Args:
        size: Widths.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        fine, middle, deep = size.fine, size.middle, size.deep
        self.into = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, fine, 3, padding=1), _Spatial(fine),
            nn.PixelUnshuffle(2), nn.Conv2d(4 * fine, middle, 1),
        )  # fmt: skip
        self.before = _Causal(middle)
        self.compress = nn.Conv2d(GROUP * middle, deep, 1)
        self.inner = _Causal(deep)
        self.to_latent = nn.Conv2d(deep, size.latent, 1)
        self.from_latent = nn.Conv2d(size.latent, deep, 3, padding=1)
        self.outer = _Causal(deep)
        self.expand = nn.Conv2d(deep, GROUP * middle, 1)
        self.after = _Causal(middle)
        self.out = nn.Sequential(
            nn.Conv2d(middle, 4 * fine, 1), nn.PixelShuffle(2),
            _Spatial(fine), _Spatial(fine),
            nn.Conv2d(fine, 48, 3, padding=1), nn.PixelShuffle(4),
        )  # fmt: skip
        self.apply(_keep_length)

    def encode(self, frames: Tensor) -> Tensor:
        """(N, 1 + 4k, 3, H, W) of -1..1 to (N, 1 + k, latent, H/8, W/8)."""
        first = frames[:, :1].expand(-1, GROUP - 1, -1, -1, -1)
        x = self.before(_each(self.into, torch.cat([first, frames], dim=1)))
        n, t, c, h, w = x.shape
        x = x.reshape(n, t // GROUP, GROUP * c, h, w)  # four frames side by side as channels
        return _each(self.to_latent, self.inner(_each(self.compress, x)))

    def decode(self, latents: Tensor) -> Tensor:
        """(N, 1 + k, latent, h, w) to (N, 1 + 4k, 3, 8h, 8w)."""
        x = _each(self.expand, self.outer(_each(self.from_latent, latents)))
        n, k, c, h, w = x.shape
        x = self.after(x.reshape(n, k * GROUP, c // GROUP, h, w))
        return _each(self.out, x)[:, GROUP - 1 :]

    def forward(self, frames: Tensor) -> Tensor:
        return self.decode(self.encode(frames))


class CausalVideoAutoencoder:
    """The trained network as what makes pairs.

    Args:
        network: Its weights are used as they are.
        name: For the column `generator`.
        device: "cpu" or "cuda".
    """

    multiple = 8

    def __init__(self, network: CausalVideoNetwork, *, name: str, device: str) -> None:
        self.name, self._device = name, device
        self._network = network.float().eval().to(device)

    @torch.no_grad()
    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        """See `Autoencoder`. The last frame is repeated up to 1 + 4k frames and cut off again."""
        count = len(frames)
        padded = frames[np.minimum(np.arange(-(-(count - 1) // GROUP) * GROUP + 1), count - 1)]
        x = to_tensor(padded).to(self._device)[None]
        latents = self._network.encode(x)[0]  # (1 + k, C, h, w)
        x = self._network.decode(moved(latents, strength, seed)[None])[0, :count]
        pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def to_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """(..., H, W, 3) uint8 to (..., 3, H, W) of -1..1."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -3))).float() / 127.5 - 1


def save_network(network: CausalVideoNetwork, folder: Path, facts: dict[str, Any]) -> None:
    """Write model.safetensors (fp16) and then config.json, which makes it a model."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().half().contiguous().cpu() for k, v in network.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    content = {"kind": KIND, "size": asdict(network.size), **facts}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def load_causal(folder: Path, device: str) -> CausalVideoAutoencoder:
    """Read a folder written by `save_network`.

    Raises:
        ModelError: It is incomplete or of another form.
    """
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        network = CausalVideoNetwork(Size(**config["size"]))
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # each format has its own tree of errors
        raise ModelError(f"cannot use the video autoencoder {folder}: {error!s:.200}") from error
    return CausalVideoAutoencoder(network, name=str(config.get("name", folder.name)), device=device)
