"""Autoencoders of diffusers: by hub id, which fetches them, or from a folder of that form.

Image and video autoencoders alike; which one it is shows in its convolutions. This is the one place
of `unreel pairs` that opens a connection, and only for an id that the user named.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unreel.data.pairs.latents import Strength, moved
from unreel.detector.errors import ModelError

PATIENCE_SECONDS = 5.0
"""For the hub's first sign of life."""
_GROUP = 8
"""Video autoencoders take 1 + 4k or 1 + 8k frames: 1 + 8k serve both."""


class DiffusersAutoencoder:
    """One of diffusers' autoencoders.

    Args:
        model: E.g. AutoencoderKL, AutoencoderTiny, AutoencoderKLWan.
        name: For the column `generator`.
        device: "cpu" or "cuda".
    """

    multiple = 32
    """Image autoencoders shrink by 8 or 16, some video ones by 32."""

    def __init__(self, model: Any, *, name: str, device: str) -> None:
        self.name, self._device = name, device
        self._model = model.float().eval().to(device)
        self._takes_videos = any(isinstance(m, torch.nn.Conv3d) for m in model.modules())

    @torch.no_grad()
    def reconstruct(
        self, frames: NDArray[np.uint8], strength: Strength, seed: int
    ) -> NDArray[np.uint8]:
        """See `Autoencoder`."""
        x = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device)
        x = x.permute(0, 3, 1, 2).float() / 127.5 - 1  # (T, 3, H, W), -1..1
        count = len(x)
        if self._takes_videos:
            wanted = -(-(count - 1) // _GROUP) * _GROUP + 1
            x = torch.cat([x, x[-1:].expand(wanted - count, -1, -1, -1)])
            out = self._through(x.transpose(0, 1)[None], strength, seed)[0].transpose(0, 1)
        else:
            # All latents first: how far they are moved goes by their spread over the clip.
            latents = torch.cat([self._latents(frame[None]) for frame in x])
            out = torch.cat([self._decoded(z[None]) for z in moved(latents, strength, seed)])
        pixels = ((out[:count].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy())

    def _through(self, video: Tensor, strength: Strength, seed: int) -> Tensor:
        return self._decoded(moved(self._latents(video), strength, seed))

    def _latents(self, x: Tensor) -> Tensor:
        found = self._model.encode(x)
        distribution = getattr(found, "latent_dist", None)
        latents: Tensor = distribution.mode() if distribution is not None else found[0]
        return latents

    def _decoded(self, latents: Tensor) -> Tensor:
        picture: Tensor = self._model.decode(latents)[0]
        return picture


def load_diffusers(spec: str, device: str) -> DiffusersAutoencoder:
    """Read a folder, or fetch an id (owner/name, owner/name@revision); `vae` below it counts too.

    Raises:
        ModelError: Nothing was found there, or the hub could not be asked.
        ModuleNotFoundError: diffusers is not installed (extra `pairs`).
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DISABLE_TELEMETRY", "YES")
    from diffusers import AutoModel

    folder = Path(spec)
    where, _, revision = (spec, "", "") if folder.is_dir() else spec.partition("@")
    # Without a connection the hub's client tries each file six times, half a minute each; what was
    # fetched before is still found.
    local = folder.is_dir() or not _hub_answers()
    problems = []
    for subfolder in (None, "vae"):
        try:
            model = AutoModel.from_pretrained(
                where, subfolder=subfolder, revision=revision or None, use_safetensors=True,
                local_files_only=local,
            )  # fmt: skip
        except Exception as error:  # the hub's errors, the network's, and those of broken files
            problems.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0]:.160}")
            continue
        if not (hasattr(model, "encode") and hasattr(model, "decode")):
            raise ModelError(f"{spec} is a {type(model).__name__}: wanted is an autoencoder")
        return DiffusersAutoencoder(model, name=folder.name or spec, device=device)
    if folder.is_dir():
        raise ModelError(f"diffusers cannot read {spec}: {problems[0]}")
    raise ModelError(
        f"no folder {spec}, and the hub gave no autoencoder of that name ({problems[0]}). Without "
        f"a connection: run `hf download {where} --local-dir DIR` where there is one, then name DIR"
    )


def _hub_answers() -> bool:
    """Whether there is a way to the hub; taken for granted behind a proxy."""
    if getproxies():
        return True
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True
