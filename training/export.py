"""Write a model folder that `scan` runs without torch.

    model.safetensors  model.onnx  head.onnx  config.json  calibration.json  metrics.json
    MODEL_CARD.md  DONE

The network becomes two graphs (detector/runtime.py): one takes frames of 8 bits and scales their
values itself, the other takes what the first says of all frames of a window. Weights are stored in
half precision (7 MB instead of 14) and widened when loaded; training already rounded them, so
nothing changes here.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from unreel.detector.config import SamplingConfig
from unreel.detector.model import GRAPHS, INTERFACE_VERSION
from unreel.detector.network import SpatioTemporalClassifier
from unreel.training.backbones import normalisation
from unreel.training.graphs import fold_padding, store_as_half
from unreel.training.recipe import Recipe

OPSET = 17
Axes = dict[str, dict[int, str]]
"""Name of an input or output -> its axes of any length."""


def export_model(
    network: SpatioTemporalClassifier, recipe: Recipe, sampling: SamplingConfig, folder: Path
) -> None:
    """Write graphs, weights and config; calibration and card are added by their makers.

    Args:
        network: In evaluation mode, on the CPU.
        recipe: Names, sizes.
        sampling: How a scan chooses frames for it.
        folder: Made when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The probe's stages are ImageNet's own and stand in the graph: they are not stored twice.
    state = {k: v.half().contiguous() if v.is_floating_point() else v.contiguous()
             for k, v in network.state_dict().items()
             if not k.startswith("probe.stages.")}  # fmt: skip
    save_file(state, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # the library writes for its owner alone
    graphs = write_graphs(network, recipe, folder)
    for graph in graphs:
        store_as_half(graph)
    mean, std = normalisation(network, recipe.backbone)
    config: dict[str, Any] = {
        "interface_version": INTERFACE_VERSION,
        "name": recipe.name,
        "version": recipe.version,
        "backbone": recipe.backbone,
        "head_width": recipe.head_width,
        "embed_stages": list(recipe.embed_stages),
        "graphs": {g.name: hashlib.sha256(g.read_bytes()).hexdigest() for g in graphs},
        "inputs": {
            "frames": "model.onnx: (N, H, W, 3) uint8 RGB, H and W multiples of 32",
            "embedding": f"head.onnx: (N, T, {exported_width(network)}) float32, T >= 2",
            "frame_logits": "head.onnx: (N, T) float32",
        },
        "outputs": {
            "embedding": f"model.onnx: (N, {exported_width(network)})",
            "frame_logits": "model.onnx: (N,)",
            "patch_logits": "model.onnx: (N, H/32, W/32)",
            "clip_logit": "head.onnx: (N,)",
        },
        "absent": ["crops", "features"],
        "short_side": recipe.short_side,
        "mean": list(mean),
        "std": list(std),
        "sampling": asdict(sampling),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def exported_width(network: SpatioTemporalClassifier) -> int:
    """Width of the embedding that passes between the graphs, that of the probe included."""
    return network.embedding_width + (0 if network.probe is None else len(network.probe.weight))


class _FrameGraph(nn.Module):
    """Frames as they are decoded, to what the network says of each."""

    def __init__(self, network: SpatioTemporalClassifier, backbone: str) -> None:
        super().__init__()
        self.network = network
        mean, std = normalisation(network, backbone)
        self.mean = 255 * torch.tensor(mean)[:, None, None]
        self.scale = 1 / (255 * torch.tensor(std)[:, None, None])

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values = frames.permute(0, 3, 1, 2).float()  # (N, 3, H, W)
        return self.network.judge_frames((values - self.mean) * self.scale)


class _WindowGraph(nn.Module):
    """What the network says of each frame of a window, to what it says of the window."""

    def __init__(self, network: SpatioTemporalClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, embedding: Tensor, frame_logits: Tensor) -> Tensor:
        return self.network.judge_windows(embedding, frame_logits)


def write_graphs(
    network: SpatioTemporalClassifier, recipe: Recipe, folder: Path
) -> tuple[Path, Path]:
    """Write both ONNX graphs in full precision.

    The frame graph is traced at one size; it holds for all sides that are multiples of 32.

    Returns:
        Paths of the frame graph and the window graph.
    """
    network.eval()
    side, times = recipe.short_side, recipe.frames_per_window
    frames = torch.zeros(2, side, side + 32, 3, dtype=torch.uint8)
    windows = (torch.zeros(2, times, exported_width(network)), torch.zeros(2, times))
    frame_path, window_path = (folder / name for name in GRAPHS)
    _write(
        _FrameGraph(network, recipe.backbone),
        (frames,),
        frame_path,
        inputs={"frames": {0: "n", 1: "h", 2: "w"}},
        outputs={
            "embedding": {0: "n"},
            "frame_logits": {0: "n"},
            "patch_logits": {0: "n", 1: "gh", 2: "gw"},
        },
    )
    fold_padding(frame_path)
    _write(
        _WindowGraph(network),
        windows,
        window_path,
        inputs={"embedding": {0: "n", 1: "t"}, "frame_logits": {0: "n", 1: "t"}},
        outputs={"clip_logit": {0: "n"}},
    )
    return frame_path, window_path


def _write(
    module: nn.Module, examples: tuple[Tensor, ...], path: Path, *, inputs: Axes, outputs: Axes
) -> None:
    with warnings.catch_warnings():
        # The tracer warns of each shape that becomes a constant.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            examples,
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=inputs | outputs,
            opset_version=OPSET,
            dynamo=False,
        )
