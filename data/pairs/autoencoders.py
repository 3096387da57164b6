"""Opens whatever autoencoder a user names: our own, files of the TAESD family, diffusers' by id."""

from __future__ import annotations

import json
import re
from pathlib import Path

from unreel.data.pairs.latents import Autoencoder
from unreel.detector.errors import ModelError

OWN = "causal4"
"""Name of the video autoencoder in the package."""
_HUB_ID = re.compile(r"(?:hf[-_]hub:)?([\w.-]+/[\w.-]+(?:@[\w.-]+)?)")


def open_autoencoder(spec: str, device: str = "cpu") -> Autoencoder:
    """Open an autoencoder.

    Args:
        spec: `causal4`; a folder with *_encoder and *_decoder weights of the TAESD family; a folder
            that `unreel pairs train-autoencoder` or diffusers wrote; or a hub id as diffusers and
            timm spell them (owner/name, hf-hub:owner/name, with @revision).
        device: "cpu" or "cuda".

    Raises:
        ModelError: It cannot be found or read; says what to do without a connection.
    """
    folder = Path(__file__).parent / "models" / OWN if spec == OWN else Path(spec)
    if folder.is_dir():
        return _open_folder(folder, device)
    found = _HUB_ID.fullmatch(spec)
    if folder.exists() or found is None:
        raise ModelError(
            f"autoencoder {spec!r}: allowed are {OWN}, a folder of weights, and a hub id such as "
            "madebyollin/taesd"
        )
    from unreel.data.pairs.hub_autoencoder import load_diffusers

    return load_diffusers(found[1], device)


def _open_folder(folder: Path, device: str) -> Autoencoder:
    if not (folder / "config.json").exists():
        from unreel.data.pairs.image_autoencoder import load_tiny

        return load_tiny(folder, device)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {folder / 'config.json'}: {error}") from error
    if "_class_name" in config:
        from unreel.data.pairs.hub_autoencoder import load_diffusers

        return load_diffusers(str(folder), device)
    from unreel.data.pairs.video_autoencoder import load_causal

    return load_causal(folder, device)
