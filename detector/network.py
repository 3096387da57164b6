"""The spatio-temporal classifier: a timm backbone on each frame, a head over time on top.

    frames (N, T, 3, H, W) -> backbone -> map (N*T, C, h, w) -> pooled (N, T, C) -> head -> logits

The frame logit is linear in the pooled map, so the same weights applied at each place give a map
of logits whose mean is the frame logit (class activation maps, Zhou et al. 2016): a heat map
without a second network. The head over time adds what no single frame shows: how much, and how
unevenly, the embedding moves from frame to frame, and which frames deserve attention.

Imports torch when called, and is called by training, export and `--device cuda` only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
        weight: (D,) of the linear probe, D = channels of all stages together.
        bias: Of the linear probe.
    """

    def __init__(self, stages: nn.ModuleList, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.stages = stages
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=False)

    def forward(self, shared: Tensor, n: int, t: int) -> Tensor:
        """(N*T, C, h, w) maps of the shared stages to (N,) logits."""
        means = []
        for stage in self.stages:
            shared = stage(shared)
            means.append(shared.mean(dim=(2, 3)).unflatten(0, (n, t)).mean(dim=1))
        return torch.cat(means, dim=1) @ self.weight + self.bias


class SpatioTemporalClassifier(nn.Module):
    """Logits of generated against camera footage for a window of frames.

    Args:
        backbone: Any name that `timm.create_model` knows.
        head_width: Width of the head over time.
        dropout: In the head, and on the pooled map before the frame logit.
        pretrained: Let timm fetch weights; the default backbone gets its own by `training`.
    """

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        *,
        head_width: int = 192,
        dropout: float = 0.3,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        import timm

        made: Any = timm.create_model(backbone, pretrained=pretrained, num_classes=0)
        channels = int(made.num_features)
        self.backbone = made
        self.dropout = nn.Dropout(dropout)
        self.frame = nn.Linear(channels, 1)
        self.head = TemporalHead(channels, head_width, dropout)
        self.probe: FrozenProbe | None = None
        """Set after training; its log odds add to the clip's."""
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
        maps, probed = self._maps(frames.flatten(0, 1), n, t)  # (N*T, C, h, w)
        pooled = maps.mean(dim=(2, 3)).unflatten(0, (n, t))  # (N, T, C)
        frame_logits = self.frame(self.dropout(pooled)).squeeze(-1)  # (N, T)
        patches = nn.functional.conv2d(maps, self.frame.weight[:, :, None, None], self.frame.bias)
        clip_logit = frame_logits.mean(dim=1) + self.head(pooled) + probed
        return clip_logit, frame_logits, patches.squeeze(1).unflatten(0, (n, t))

    def _maps(self, images: Tensor, n: int, t: int) -> tuple[Tensor, Tensor | float]:
        """The backbone's last map of each image, and the probe's (N,) logits."""
        if self.probe is None:
            return self.backbone.forward_features(images), 0.0
        net = self.backbone  # of the EfficientNet kind: training checks it
        x = net.bn1(net.conv_stem(images))
        for stage in net.blocks[: self.shared_stages]:
            x = stage(x)
        probed = self.probe(x, n, t)
        for stage in net.blocks[self.shared_stages :]:
            x = stage(x)
        return net.bn2(net.conv_head(x)), probed
