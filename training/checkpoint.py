"""The state of a training in the middle of an epoch, so that a run that was cut off goes on there.

Tensors and numbers alone, read back with torch's weights_only: nothing is unpickled. It lives as
long as the run does; what ships is safetensors.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

NAME = "state.pt"


def save_state(folder: Path, step: int, network: nn.Module, average: nn.Module, *rest: Any) -> None:
    """Keep the state after `step` steps; whole or not at all."""
    parts = [network, average, *rest]
    partial = folder / f"{NAME}.partial"
    torch.save({"step": step, "parts": [part.state_dict() for part in parts]}, partial)
    os.replace(partial, folder / NAME)


def load_state(folder: Path, *parts: Any) -> int:
    """Put a kept state into the parts, in the order in which it was saved.

    Returns:
        Steps that are done; 0 when nothing was kept.
    """
    path = folder / NAME
    if not path.exists():
        return 0
    found = torch.load(path, map_location="cpu", weights_only=True)
    for part, state in zip(parts, found["parts"], strict=True):
        part.load_state_dict(state)
    return int(found["step"])
