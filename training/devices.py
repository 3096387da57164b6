"""Where a training runs: one processor, one GPU, or all that torchrun started, by Lightning Fabric.

unreel train gpu --manifest ... --out ...
torchrun --nproc-per-node 2 -m unreel.detector.cli train cluster --manifest ... --out ...
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any


def processes() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes what all of them share."""
    return int(os.environ.get("RANK", "0")) == 0


def best_device() -> str:
    """A GPU, "cuda", where torch sees one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@cache
def fabric_of(device: str, precision: str) -> Any:
    """A launched Fabric: gloo between processors, NCCL between GPUs.

    Args:
        device: "cpu" or "cuda".
        precision: As Fabric names it.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    together = processes()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(together)))
    fabric = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=max(1, together // here),
        # Some backbones have layers behind their last map, which are never asked.
        strategy=DDPStrategy(find_unused_parameters=True) if together > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]  # a name out of a recipe
    )
    fabric.launch()
    return fabric
