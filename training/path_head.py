"""Fits the head over ways: a small network, taught mostly by the places that fool it.

In each round it looks at every place of camera clips and twins, and the ones that it takes most
for an event are shown more often in the next: almost all places are easy, and a scan may not be
wrong at one place of one clip in a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unreel.detector.path_judge import CLIP, EVENTS
from unreel.detector.path_numbers import NAMES


@dataclass(frozen=True, slots=True)
class PathRecipe:
    """How it is trained."""

    rounds: int = 4
    steps: int = 1500
    """Of one round."""
    rate: float = 2e-3
    of_each_event: int = 48
    """Examples in a batch."""
    camera: int = 500
    twins: int = 200
    hard_camera: int = 300
    hard_twins: int = 100
    keep_camera: int = 4000
    """Hardest places that are kept for each event after a round."""
    keep_twins: int = 1500
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Places:
    """Examples of many clips."""

    camera: NDArray[np.float16]
    """(R, len(NAMES)) of camera clips: lawful."""
    planted: NDArray[np.float16]
    """(Q, len(NAMES)) of planted clips and lawful twins."""
    labels: NDArray[np.int8]
    """(Q,) index in EVENTS, or less than 0: lawful."""


class PathNetwork(nn.Module):
    """What path_judge.PathHead computes, in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.spread: torch.Tensor
        self.register_buffer("mean", torch.zeros(len(NAMES)))
        self.register_buffer("spread", torch.ones(len(NAMES)))
        self.layers = nn.Sequential(
            nn.Linear(len(NAMES), 96), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, len(EVENTS)),
        )  # fmt: skip
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, -4.0)  # events are rare

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """(B, len(NAMES)) to (B, len(EVENTS)) logits."""
        x = (squashed(numbers) - self.mean) / self.spread
        return self.layers(x.clamp(-CLIP, CLIP))


def squashed(numbers: torch.Tensor) -> torch.Tensor:
    """Numbers of any size, large ones as their logarithm."""
    return torch.sign(numbers) * torch.log1p(numbers.abs())


def fit(places: Places, recipe: PathRecipe = PathRecipe()) -> PathNetwork:
    """Train a head.

    Args:
        places: With examples of every event.
        recipe: How.

    Raises:
        ValueError: An event has no example.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    camera, planted = torch.from_numpy(places.camera), torch.from_numpy(places.planted)
    examples = [np.flatnonzero(places.labels == number) for number in range(len(EVENTS))]
    if empty := [e for e, rows in zip(EVENTS, examples, strict=True) if not len(rows)]:
        raise ValueError(f"no planted example of {', '.join(empty)}")
    lawful = np.flatnonzero(places.labels < 0)
    network = PathNetwork()
    sample = torch.cat([t[torch.randperm(len(t))[:50_000]] for t in (camera, planted)]).float()
    network.mean.copy_(squashed(sample).mean(dim=0))
    network.spread.copy_(squashed(sample).std(dim=0) + 1e-3)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, recipe.rounds * recipe.steps, eta_min=0.02 * recipe.rate
    )
    hard_camera: NDArray[np.int64] = np.zeros(0, np.int64)
    hard_twins = hard_camera
    for _ in range(recipe.rounds):
        for _ in range(recipe.steps):
            rows = [planted[rng.choice(e, recipe.of_each_event)] for e in examples]
            rows += [planted[rng.choice(lawful, recipe.twins)]]
            rows += [camera[rng.integers(len(camera), size=recipe.camera)]]
            if len(hard_camera):
                rows += [camera[rng.choice(hard_camera, recipe.hard_camera)]]
                rows += [planted[rng.choice(hard_twins, recipe.hard_twins)]]
            batch = torch.cat(rows).float()
            wanted = torch.zeros(len(batch), len(EVENTS))
            for number in range(len(EVENTS)):
                start = number * recipe.of_each_event
                wanted[start : start + recipe.of_each_event, number] = 1.0
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(batch), wanted, reduction="none"
            )
            optimizer.zero_grad()
            loss.sum(dim=1).mean().backward()
            optimizer.step()
            schedule.step()
        hard_camera = _hardest(network, camera, recipe.keep_camera)
        hard_twins = lawful[_hardest(network, planted[lawful], recipe.keep_twins)]
    return network.eval()


def _hardest(network: PathNetwork, numbers: torch.Tensor, count: int) -> NDArray[np.int64]:
    """Rows that look most like each of the events."""
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(part.float()) for part in numbers.split(100_000)])
    network.train()
    rows = logits.topk(min(count, len(logits)), dim=0).indices.flatten().numpy()
    return np.asarray(np.unique(rows), np.int64)


def write_head(network: PathNetwork, path: Path) -> None:
    """Write what path_judge.load_path_head reads."""
    layers = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    arrays = {"mean": network.mean.numpy(), "spread": network.spread.numpy()}
    for number, layer in enumerate(layers, start=1):
        arrays[f"w{number}"] = layer.weight.detach().numpy()
        arrays[f"b{number}"] = layer.bias.detach().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        arrays |= {"names": np.array(NAMES), "events": np.array(EVENTS)}
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub knows no keyword arrays


def joined(parts: Sequence[tuple[NDArray[np.float16], NDArray[np.int8] | None]]) -> Places:
    """Places of clips: with labels of planted clips and twins, None for camera clips."""
    none = np.zeros((0, len(NAMES)), np.float16)
    camera = [numbers for numbers, labels in parts if labels is None]
    planted = [(numbers, labels) for numbers, labels in parts if labels is not None]
    return Places(
        np.concatenate([none, *camera]),
        np.concatenate([none, *(numbers for numbers, _ in planted)]),
        np.concatenate([np.zeros(0, np.int8), *(labels for _, labels in planted)]),
    )
