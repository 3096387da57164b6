"""Tiny image autoencoders of the TAESD family, built from their state dicts (TAEF2 among them).

Small convolutional twins of the autoencoders of diffusion models, by Ollin Boer Bohan (MIT). A
frame goes through on its own, so these pairs carry spatial traces of decoders and no temporal ones.

The files hold weights only; the layout follows from the names: `N.weight` is a convolution (one
without a bias halves the size, or follows a doubling), `N.conv.M.weight` a residual block,
`N.pool.M` the block's branch that sees the whole picture through a group norm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unreel.data.pairs.latents import Strength, moved
from unreel.detector.errors import ModelError

_POOL_GROUPS = 4
_LATENT_BOUND = 3.0
"""Decoders squeeze their input to +-3 by a tanh: what diffusion models hand them may be larger."""


class _Block(nn.Module):
    """Three convolutions beside an identity, and the optional global branch."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(3):
            layers += [nn.Conv2d(width, width, 3, padding=1)]
            layers += [nn.ReLU()] if number < 2 else []
        self.conv = nn.Sequential(*layers)
        self.pool = (
            nn.Sequential(
                nn.Conv2d(width, pooled, 1, bias=False),
                nn.GroupNorm(_POOL_GROUPS, pooled),
                nn.ReLU(),
                nn.Conv2d(pooled, width, 1, bias=False),
            )
            if pooled
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class _Bound(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / _LATENT_BOUND) * _LATENT_BOUND


def _network(state: dict[str, Tensor], *, decodes: bool) -> nn.Sequential:
    """The network that a state dict belongs to, with its weights.

    Raises:
        KeyError, RuntimeError: It belongs to none of this family.
    """
    last = max(int(name.partition(".")[0]) for name in state)
    layers: list[nn.Module] = []
    for i in range(last + 1):
        weight, convs = state.get(f"{i}.weight"), state.get(f"{i}.conv.0.weight")
        if convs is not None:
            pooled = state.get(f"{i}.pool.0.weight")
            layers.append(_Block(convs.shape[0], 0 if pooled is None else pooled.shape[0]))
        elif weight is not None:
            bias = f"{i}.bias" in state
            stride = 1 if bias or decodes else 2
            out, into, side, _ = weight.shape
            layers.append(nn.Conv2d(into, out, side, stride, side // 2, bias=bias))
        elif i == 0:
            layers.append(_Bound())
        else:
            doubles = f"{i + 1}.weight" in state and f"{i + 1}.bias" not in state
            layers.append(nn.Upsample(scale_factor=2) if doubles else nn.ReLU())
    network = nn.Sequential(*layers)
    network.load_state_dict(state)
    return network.eval()


class TinyImageAutoencoder:
    """Encoder and decoder of one of these files.

    Args:
        encoder: State dict.
        decoder: State dict.
        name: For the column `generator`.
        device: "cpu" or "cuda".

    Raises:
        ModelError: The state dicts are of another family.
    """

    multiple = 8

    def __init__(
        self, encoder: dict[str, Tensor], decoder: dict[str, Tensor], *, name: str, device: str
    ) -> None:
        self.name, self._device = name, device
        try:
            self._encoder = _network(encoder, decodes=False).float().to(device)
            self._decoder = _network(decoder, decodes=True).float().to(device)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"the weights of {name} are none of the TAESD family: {error!s:.200}"
            ) from error

    @torch.no_grad()
    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        """See `Autoencoder`; frame by frame, which keeps the memory of large ones bounded."""
        latents = torch.cat([self._encoder(self._tensor(f)) for f in frames])  # (T, C, h, w)
        latents = moved(latents, strength, seed)
        pictures = [self._decoder(z[None])[0] for z in latents]
        return np.stack([_pixels(p) for p in pictures])

    def _tensor(self, frame: NDArray[np.uint8]) -> Tensor:
        tensor = torch.from_numpy(np.array(frame)).to(self._device)
        return tensor.permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W), 0..1


def _pixels(picture: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) of 0..1 to (H, W, 3) uint8."""
    scaled = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(scaled.permute(1, 2, 0).cpu().numpy())


def load_tiny(folder: Path, device: str) -> TinyImageAutoencoder:
    """Read the one *_encoder and *_decoder of a folder (.pth or .safetensors).

    Raises:
        ModelError: There is not exactly one of each, or they cannot be read.
    """
    found = []
    for role in ("encoder", "decoder"):
        files = sorted(p for s in ("pth", "safetensors") for p in folder.glob(f"*{role}*.{s}"))
        if len(files) != 1:
            raise ModelError(
                f"{folder} holds {len(files)} files named *{role}*.pth or .safetensors, one is "
                "wanted; TAEF2 comes as taef2_encoder.pth and taef2_decoder.pth from "
                "github.com/madebyollin/taesd"
            )
        found.append(files[0])
    name = found[0].stem.replace("_encoder", "").replace("encoder", "") or folder.name
    states = [read_weights(path) for path in found]
    return TinyImageAutoencoder(*states, name=name, device=device)


def read_weights(path: Path) -> dict[str, Any]:
    """A state dict from .safetensors, or from .pth without running what a pickle may hold.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own tree of errors
        raise ModelError(f"cannot read weights {path}: {error!s:.200}") from error
    if not isinstance(state, dict):
        raise ModelError(f"{path} holds a {type(state).__name__}, wanted is a dict of tensors")
    return dict(state)
