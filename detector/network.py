"""The spatio-temporal classifier: a timm backbone on each frame, a head over time on top.

    frames (N, T, 3, H, W) -> backbone -> maps (N*T, C, h, w)
    maps -> embedding (N, T, D) -> head -> logits (N,)

The frame logit is linear in the pooled map, so the same weights applied at each place give a map
of logits whose mean is the frame logit (class activation maps, Zhou et al. 2016): a heat map
without a second network. The embedding is the pooled map, with the means of middle stages beside it
where a recipe asks for them, and those that the frozen probe reads. The head over time adds what no
single frame shows: how much, and how unevenly, the embedding moves from frame to frame, and which
frames deserve attention.

Imports torch when called, and is called by training, export and `--device cuda` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unreel.detector.errors import UsageError


class TemporalHead(nn.Module):
    """Attention over frames and statistics of their differences; adds to the mean frame logit.

    Args:
        channels: Width of the frame embedding.
        width: Width inside the head.
        dropout: Share of embedding values dropped in training.
    """

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(channels, width), nn.LayerNorm(width)
        )
        self.attention = nn.Sequential(nn.Linear(width, width // 4), nn.Tanh())
        self.query = nn.Linear(width // 4, 1)
        self.judge = nn.Sequential(
            nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )
        # Starts at zero: the clip logit begins as the mean over frames and learns to leave it.
        last = self.judge[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, embedding: Tensor) -> Tensor:
        """(N, T, C) frame embeddings, T >= 2, to (N,) logits."""
        z = self.project(embedding)  # (N, T, D)
        weight = self.query(self.attention(z)).softmax(dim=1)  # (N, T, 1)
        attended = (weight * z).sum(dim=1)  # (N, D)
        step = (z[:, 1:] - z[:, :-1]).abs()  # (N, T-1, D)
        typical = step.mean(dim=1)
        uneven = (step - typical[:, None]).abs().mean(dim=1)
        return self.judge(torch.cat([attended, typical, uneven], dim=1)).squeeze(1)


class FrozenProbe(nn.Module):
    """What the backbone's untouched middle stages say: a linear probe on their means.

    Tuning on a few hundred clips forgets; the stages as ImageNet left them err on other generators,
    so that the sum of both log odds is better than either.

    Args:
        stages: The stages behind the shared ones, with their original weights.
        weight: (P,) of the linear probe, P = channels of all stages together.
        bias: Of the linear probe.
    """

    def __init__(self, stages: nn.ModuleList, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.stages = stages
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=False)

    def look(self, shared: Tensor) -> Tensor:
        """(M, C, h, w) maps of the shared stages to the (M, P) means of those behind them."""
        means = []
        for stage in self.stages:
            shared = stage(shared)
            means.append(shared.mean(dim=(2, 3)))
        return torch.cat(means, dim=1)

    def forward(self, means: Tensor) -> Tensor:
        """(N, T, P) of the frames of windows to (N,) log odds."""
        return means.mean(dim=1) @ self.weight + self.bias


class SpatioTemporalClassifier(nn.Module):
    """Logits of generated against camera footage for a window of frames.

    It falls into two parts that are exported as graphs of their own: `judge_frames`, which is all
    of the work and runs on one frame as well as on many, and `judge_windows`, the small head.

    Args:
        backbone: Any name that `timm.create_model` knows.
        head_width: Width of the head over time.
        dropout: In the head, and on the pooled map before the frame logit.
        embed_stages: Stages of the backbone, counted from 0, whose means join the embedding.
        pretrained: Let timm fetch weights; the default backbone gets its own by `training`.

    Raises:
        UsageError: The backbone has no such stage.
    """

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        *,
        head_width: int = 192,
        dropout: float = 0.3,
        embed_stages: Sequence[int] = (),
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        import timm

        made: Any = timm.create_model(backbone, pretrained=pretrained, num_classes=0)
        channels = int(made.num_features)
        self.backbone = made
        self.embed_stages = tuple(embed_stages)
        self.embedding_width = channels + sum(_stage_channels(made, backbone, embed_stages))
        """D: channels of the last map and of the stages."""
        self.dropout = nn.Dropout(dropout)
        self.frame = nn.Linear(channels, 1)
        self.head = TemporalHead(self.embedding_width, head_width, dropout)
        self.probe: FrozenProbe | None = None
        """Set after training; its means follow in the embedding, its log odds add to the clip's."""
        self.shared_stages = 0
        """The stem and so many stages are the same for backbone and probe."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge windows.

        Args:
            frames: (N, T, 3, H, W) normalised; H and W multiples of 32, T >= 2.

        Returns:
            clip_logit (N,), frame_logits (N, T), patch_logits (N, T, h, w).
        """
        n, t = frames.shape[:2]
        each = self.judge_frames(frames.flatten(0, 1))
        embedding, frame_logits, patches = (x.unflatten(0, (n, t)) for x in each)
        return self.judge_windows(embedding, frame_logits), frame_logits, patches

    def judge_frames(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at each frame by itself.

        Args:
            images: (M, 3, H, W) normalised; H and W multiples of 32.

        Returns:
            embedding (M, D), frame_logits (M,), patch_logits (M, h, w).
        """
        maps, means = self._maps(images)  # (M, C, h, w), (M, C_i) of each stage asked for
        pooled = maps.mean(dim=(2, 3))  # (M, C)
        frame_logits = self.frame(self.dropout(pooled)).squeeze(-1)  # (M,)
        patches = nn.functional.conv2d(maps, self.frame.weight[:, :, None, None], self.frame.bias)
        return torch.cat([pooled, *means], dim=1), frame_logits, patches.squeeze(1)

    def judge_windows(self, embedding: Tensor, frame_logits: Tensor) -> Tensor:
        """(N, T, D) embeddings and (N, T) logits of frames, T >= 2, to (N,) logits of windows."""
        tuned = embedding[..., : self.embedding_width]
        clip: Tensor = frame_logits.mean(dim=1) + self.head(tuned)
        if self.probe is not None:
            clip = clip + self.probe(embedding[..., self.embedding_width :])
        return clip

    def _maps(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The backbone's last map of each image, and the means that join the embedding."""
        net = self.backbone
        if not self.embed_stages and self.probe is None:
            return net.forward_features(images), []
        means: dict[int, Tensor] = {}
        x = net.bn1(net.conv_stem(images))
        probed: list[Tensor] = []
        for number, stage in enumerate(net.blocks):
            if self.probe is not None and number == self.shared_stages:
                probed = [self.probe.look(x)]
            x = stage(x)
            if number in self.embed_stages:
                means[number] = x.mean(dim=(2, 3))
        wanted = [means[number] for number in self.embed_stages]
        return net.bn2(net.conv_head(x)), wanted + probed


def _stage_channels(net: Any, backbone: str, stages: Sequence[int]) -> list[int]:
    """Channels that some stages give; only backbones of the EfficientNet kind have such stages."""
    if not stages:
        return []
    if not all(hasattr(net, part) for part in ("conv_stem", "bn1", "blocks", "conv_head", "bn2")):
        raise UsageError(f"embed_stages needs a backbone of the EfficientNet kind, got {backbone}")
    last = len(net.blocks) - 1
    if len(set(stages)) < len(stages) or not all(0 <= s <= last for s in stages):
        raise UsageError(f"embed_stages = {list(stages)}: {backbone} has 0 to {last}, each once")
    return [_last_convolution(net.blocks[s]).out_channels for s in stages]


def _last_convolution(stage: nn.Module) -> nn.Conv2d:
    return [m for m in stage.modules() if isinstance(m, nn.Conv2d)][-1]
