"""Make a small encoder of the first layers of the published one: fewer units, weights of 4 bits.

    unreel models compress --manifest corpus/manifest.csv --out encoder.onnx

The hidden units that carry least are cut from each layer; then the small encoder is trained to give
the tokens of the whole one on frames of a corpus, with its weights rounded to 4 bits in each step
(straight-through gradients). No label is used, so that it favours neither class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unreel.data.manifest import Clip
from unreel.detector.preprocess import squeezed
from unreel.training.cache import FrameCache
from unreel.training.clip_encoder import MEAN, SIDE, STD

Tell = Callable[[str], None]
BLOCK = 128
"""Weights along the input that share a scale."""
LEVELS = 7.5
"""Half of the sixteen steps of 4 bits."""
REACH = 0.9
"""The scale is set by so much of a block's largest weight: rarely is more worth coarser steps."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How the small encoder is made."""

    depth: int = 6
    """Layers that are kept."""
    hidden: int = 2432
    """Hidden units that each layer keeps, of 3072; a multiple of the block."""
    first_layer: int = 1
    """Tokens from this layer on are compared."""
    steps: int = 240
    batch: int = 8
    rate: float = 5e-5
    conditions: tuple[str, ...] = ("raw", "canonical", "hard")
    seed: int = 0


class Rounded(nn.Module):
    """Weights (out, in) as 4 bits can hold them; gradients pass as if they were not rounded."""

    def forward(self, weight: Tensor) -> Tensor:
        """Round, in blocks along the input."""
        codes, scale = four_bits(weight)
        coarse = ((codes - 8) * scale[..., None]).reshape(weight.shape)
        return weight + (coarse - weight).detach()


@torch.no_grad()
def four_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes 0..15 (out, blocks, BLOCK), scales (out, blocks)) of a weight (out, in)."""
    blocks = weight.reshape(len(weight), -1, BLOCK)
    scale = blocks.abs().amax(dim=-1) * (REACH / LEVELS)
    scale = scale.clamp_min(1e-8).half().float()  # as it is stored
    codes = (blocks / scale[..., None]).round().clamp(-8, 7) + 8
    return codes, scale


def layer_tokens(tower: nn.Module, pixels: Tensor) -> list[Tensor]:
    """(N, 197, 768) behind each layer of a timm vision transformer.

    Args:
        tower: From `clip_weights.load_tower`.
        pixels: (N, 3, 224, 224), normalised.
    """
    part: Any = tower
    x = part.norm_pre(part._pos_embed(part.patch_embed(pixels)))
    found = []
    for block in part.blocks:
        x = block(x)
        found.append(x)
    return found


def compress(
    whole: nn.Module,
    clips: Sequence[Clip],
    cache: FrameCache,
    settings: Compression,
    tell: Tell = lambda _: None,
) -> nn.Module:
    """Cut, round and train.

    Args:
        whole: The first layers of the published encoder; its hidden units are cut in place.
        clips: Whose frames are looked at; labels are not.
        cache: Filled for the conditions.
        settings: How.
        tell: Receives progress lines.

    Returns:
        The small encoder, in evaluation mode, its weights still rounded as they are used.
    """
    from copy import deepcopy

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    teacher, student = deepcopy(whole).eval().requires_grad_(False), whole
    frames = _Frames(clips, cache, settings, rng)
    _prune(student, teacher, frames.batch(4 * settings.batch), settings.hidden)
    for module in student.modules():
        if isinstance(module, nn.Linear):
            parametrize.register_parametrization(module, "weight", Rounded())
    for name, parameter in student.named_parameters():
        parameter.requires_grad_(name.startswith("blocks."))
    moving = [p for p in student.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(moving, lr=settings.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _cosine(settings.steps))
    recent = []
    for step in range(1, settings.steps + 1):
        pixels = frames.batch(settings.batch)
        loss, likeness = _loss(student, teacher, pixels, settings.first_layer)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(moving, 1.0)
        optimiser.step()
        schedule.step()
        recent.append(likeness)
        if step % 20 == 0:
            tell(f"compress: step {step}, cosine of class tokens {np.mean(recent):.3f}")
            recent = []
    return student.eval()


def _loss(
    student: nn.Module, teacher: nn.Module, pixels: Tensor, first: int
) -> tuple[Tensor, float]:
    """How far levelled tokens turn away; and the mean cosine of the class tokens."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted = layer_tokens(teacher, pixels)[first:]
        given = layer_tokens(student, pixels)[first:]
    away, alike = [], []
    for ours, theirs in zip(given, wanted, strict=True):
        pair = [nn.functional.layer_norm(t.float(), t.shape[-1:]) for t in (ours, theirs)]
        cosine = (pair[0] * pair[1]).mean(dim=-1)  # (N, 197)
        away.append((1 - cosine[:, 0]).mean() + 0.5 * (1 - cosine[:, 1:]).mean())
        alike.append(float(cosine[:, 0].mean().detach()))
    return torch.stack(away).mean(), float(np.mean(alike))


@torch.no_grad()
def _prune(student: nn.Module, teacher: nn.Module, pixels: Tensor, hidden: int) -> None:
    """Keep the hidden units that add most to their layer's output on some frames."""
    energy: list[Tensor] = []
    hooks = [
        block.mlp.act.register_forward_hook(
            lambda _m, _i, out: energy.append(out.float().square().mean(dim=(0, 1)))
        )
        for block in teacher.blocks  # type: ignore[union-attr]  # timm's network has no type
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer_tokens(teacher, pixels)
    for hook in hooks:
        hook.remove()
    for block, used in zip(student.blocks, energy, strict=True):  # type: ignore[arg-type]  # as above
        mlp: Any = block.mlp
        kept = (used * mlp.fc2.weight.square().sum(dim=0)).argsort(descending=True)[:hidden]
        kept = kept.sort().values
        mlp.fc1 = _linear(mlp.fc1.weight[kept], mlp.fc1.bias[kept])
        mlp.fc2 = _linear(mlp.fc2.weight[:, kept], mlp.fc2.bias)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data, layer.bias.data = weight.clone(), bias.clone()
    return layer


def _cosine(steps: int) -> Callable[[int], float]:
    """Ten steps of warm-up, then half a cosine to zero."""
    return lambda step: min(1.0, (step + 1) / 10) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))


class _Frames:
    """Random frames of a corpus, cropped, mirrored and changed in tone, as pixels."""

    def __init__(
        self,
        clips: Sequence[Clip],
        cache: FrameCache,
        settings: Compression,
        rng: np.random.Generator,
    ) -> None:
        self._clips, self._cache, self._settings, self._rng = clips, cache, settings, rng
        self._mean = 255 * torch.tensor(MEAN)[:, None, None]
        self._scale = 1 / (255 * torch.tensor(STD)[:, None, None])

    def batch(self, size: int) -> Tensor:
        """(size, 3, 224, 224)"""
        found: list[NDArray[np.uint8]] = []
        while len(found) < size:
            clip = self._clips[int(self._rng.integers(len(self._clips)))]
            names = self._settings.conditions
            windows = self._cache.load(clip, names[int(self._rng.integers(len(names)))]).windows
            if windows:
                window = windows[int(self._rng.integers(len(windows)))]
                frame = np.array(window[int(self._rng.integers(len(window)))])
                found.append(squeezed(self._changed(frame)[None], SIDE)[0])
        pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float()
        return (pixels - self._mean) * self._scale

    def _changed(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        share = self._rng.uniform(0.6, 1.0)
        tall, wide = int(height * share), int(width * share)
        top = int(self._rng.integers(0, height - tall + 1))
        left = int(self._rng.integers(0, width - wide + 1))
        frame = frame[top : top + tall, left : left + wide]
        if self._rng.random() < 0.5:
            frame = frame[:, ::-1]
        gain, shift = self._rng.uniform(0.8, 1.2), self._rng.uniform(-20, 20)
        return np.clip(frame * gain + shift, 0, 255).astype(np.uint8)
