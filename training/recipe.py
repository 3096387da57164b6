"""Hyper-parameters of a training run: a TOML file into one frozen record.

`kind = "tokens"` makes a head on a frozen encoder (token_recipe.py), all else a tuned backbone.
Every key has its default here; a key that does not exist is an error with a suggestion, never
silently ignored.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from unreel.data.codec_chain import check_names
from unreel.detector.errors import UsageError
from unreel.training.token_recipe import TokenRecipe


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run does. Times in seconds, sizes in pixels."""

    name: str = "small"
    version: str = "0.1.0"
    backbone: str = "tf_efficientnet_lite0"
    head_width: int = 192
    dropout: float = 0.3
    embed_stages: tuple[int, ...] = ()
    """Stages of the backbone, counted from 0, whose means join the embedding of a frame."""
    frozen_stages: int = 2
    """The stem and so many stages of the backbone keep their ImageNet weights."""
    frozen_depthwise: bool = True
    """Depthwise filters keep theirs too: few weights, but half of the time of a CPU's step."""
    short_side: int = 288
    """Frames are judged at this short side."""
    frames_per_window: int = 8
    frame_step_seconds: float = 0.25
    probe_condition: str = "canonical"
    """Condition under which the frozen probe beside the network is fitted; empty = no probe."""
    train_frames: int = 4
    """Consecutive frames of a window that one training step sees."""
    crop: int = 192
    """Side of the square that one training step sees."""
    scale_low: float = 0.75
    scale_high: float = 1.15
    """Frames are scaled by a random factor between these before the crop."""
    conditions: dict[str, float] = field(
        default_factory=lambda: {"raw": 1.0, "canonical": 2.0, "hard": 1.0}
    )
    """Conditions that training clips are seen under, with their weights; `chain0`, `chain1`, ...
    are random trips through real encoders, see data/codec_chain.py."""
    pair_share: float = 0.0
    """Share of a batch that are halves of pairs (`--pairs`), side by side under one view."""
    pair_loss: float = 1.0
    """Weight of the ranking of the two halves of a pair beside the other losses."""
    zero_shot: bool = False
    """Pairs alone are trained on, no clip of the manifest: how far do they carry?"""
    epochs: int = 10
    batch: int = 12
    """Clips a step."""
    backbone_rate: float = 2e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_share: float = 0.1
    label_smoothing: float = 0.05
    frame_loss: float = 0.5
    """Weight of the single frames' loss beside the clip's."""
    precision: str = "bf16-mixed"
    """As Lightning Fabric names it: bf16-mixed, 16-mixed or 32-true."""
    first_weights: str = "imagenet"
    """What the backbone starts from: imagenet, random, or a .safetensors file with timm's names."""
    checkpoint_steps: int = 50
    """After so many steps the state is kept, from which a run that was cut off goes on."""
    ema: float = 0.99
    """The weights kept are an exponential moving average over steps."""
    folds: int = 5
    seed: int = 0
    calibration_conditions: tuple[str, ...] = ("raw", "canonical")
    """Out-of-fold scores of these fit the calibration."""


AnyRecipe = Recipe | TokenRecipe


def load_recipe(name_or_path: str) -> AnyRecipe:
    """Read a recipe by the name of one that is shipped, or by path.

    Raises:
        UsageError: No such recipe, TOML that cannot be read, an unknown key, a wrong type.
    """
    shipped = Path(__file__).parent / "recipes"
    path = Path(name_or_path)
    if not path.suffix:
        path = shipped / f"{name_or_path}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in shipped.glob("*.toml")))
        raise UsageError(
            f"no recipe {name_or_path!r}; give a .toml file or one of: {known}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    return _checked(values, path)


def with_backbone(recipe: AnyRecipe, backbone: str | None, first_weights: str | None) -> AnyRecipe:
    """The recipe with another backbone or other weights to start from.

    Backbones that are not of the EfficientNet kind have no stages to freeze, and no probe beside
    them: all of such a network is tuned.

    Raises:
        UsageError: The recipe stands on a frozen encoder.
    """
    if not backbone and not first_weights:
        return recipe
    if not isinstance(recipe, Recipe):
        raise UsageError(
            f"the recipe {recipe.name!r} stands on a frozen encoder: --backbone goes with recipes "
            "that tune one, like laptop or gpu"
        )
    if first_weights:
        recipe = replace(recipe, first_weights=first_weights)
    if not backbone or backbone == recipe.backbone:
        return recipe
    name = backbone.replace("/", "-")
    if "efficientnet" in backbone or "mobilenet" in backbone:
        return replace(recipe, name=name, backbone=backbone)
    return replace(
        recipe, name=name, backbone=backbone, frozen_stages=0, probe_condition="", embed_stages=()
    )


def recipe_of(values: dict[str, object]) -> AnyRecipe:
    """A recipe from the JSON that a run keeps."""
    return _checked(dict(values), Path("run.json"))


def _checked(values: dict[str, object], path: Path) -> AnyRecipe:
    of_tokens = values.get("kind") == TokenRecipe().kind
    defaults: AnyRecipe = TokenRecipe() if of_tokens else Recipe()
    known = {f.name for f in fields(defaults)}
    for key, value in values.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{path}: unknown key {key!r}{hint}")
        default = getattr(defaults, key)
        if isinstance(default, tuple) and isinstance(value, list):
            values[key] = tuple(value)
        elif isinstance(default, float) and isinstance(value, int):
            values[key] = float(value)
        elif type(value) is not type(default):
            raise UsageError(f"{path}: {key} = {value!r}, expected {type(default).__name__}")
    check_names(values.get("conditions", ()))  # type: ignore[arg-type]  # a dict, as was compared
    return type(defaults)(**values)  # type: ignore[arg-type]  # types were compared with these
