"""Write a model folder that `scan` runs without torch.

    model.safetensors  model.onnx  config.json  calibration.json  metrics.json  MODEL_CARD.md  DONE

Weights are stored in half precision in both files (7 MB instead of 14) and widened when loaded;
training already rounded them, so nothing changes here.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from unreel.detector.config import SamplingConfig
from unreel.detector.model import INTERFACE_VERSION
from unreel.detector.network import SpatioTemporalClassifier
from unreel.training.backbones import normalisation
from unreel.training.recipe import Recipe

OPSET = 17


def export_model(
    network: SpatioTemporalClassifier, recipe: Recipe, sampling: SamplingConfig, folder: Path
) -> None:
    """Write graph, weights and config; calibration and card are added by their makers.

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
    graph = folder / "model.onnx"
    write_graph(network, recipe, graph)
    _store_as_half(graph)
    mean, std = normalisation(network, recipe.backbone)
    config: dict[str, Any] = {
        "interface_version": INTERFACE_VERSION,
        "name": recipe.name,
        "version": recipe.version,
        "backbone": recipe.backbone,
        "head_width": recipe.head_width,
        "onnx_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "inputs": {"frames": "(N, T, 3, H, W) float32, H and W multiples of 32"},
        "outputs": {
            "clip_logit": "(N,)",
            "frame_logits": "(N, T)",
            "patch_logits": "(N, T, H/32, W/32)",
        },
        "absent": ["crops", "features"],
        "short_side": recipe.short_side,
        "mean": list(mean),
        "std": list(std),
        "sampling": asdict(sampling),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_graph(network: SpatioTemporalClassifier, recipe: Recipe, path: Path) -> None:
    """Write the ONNX graph in full precision.

    It is traced at one size; sides that are multiples of 32 keep the backbone's padding the same at
    all others.
    """
    side = recipe.short_side
    example = torch.zeros(1, recipe.frames_per_window, 3, side, side + 32)
    with warnings.catch_warnings():
        # The tracer warns of each shape that becomes a constant: padding, as said above.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example,),
            str(path),
            input_names=["frames"],
            output_names=["clip_logit", "frame_logits", "patch_logits"],
            dynamic_axes={
                "frames": {0: "n", 1: "t", 3: "h", 4: "w"},
                "clip_logit": {0: "n"},
                "frame_logits": {0: "n", 1: "t"},
                "patch_logits": {0: "n", 1: "t", 2: "gh", 3: "gw"},
            },
            opset_version=OPSET,
            dynamo=False,
        )


def _store_as_half(path: Path) -> None:
    """Keep large fp32 weights as fp16 behind a Cast; the runtime folds it when it loads."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 64:
            continue
        stored = weight.name + "_half"
        casts.append(helper.make_node("Cast", [stored], [weight.name], to=onnx.TensorProto.FLOAT))
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
