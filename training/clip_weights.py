"""The published encoder as a timm network, so that it can be trained further.

The file holds the weights of its linear layers as int8 with one scale for each output; only the
rounding is lost (cosine of the class tokens to the file's own graph: .976 to .999 by layer).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

ARCHITECTURE = "vit_base_patch16_clip_quickgelu_224"
_TOWER = "vision_model."
_LINEAR = {
    "attn.proj": "self_attn.out_proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
}  # fmt: skip
_WHOLE = {
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "norm_pre.weight": "pre_layrnorm.weight",  # spelled so in the published file
    "norm_pre.bias": "pre_layrnorm.bias",
}


def load_tower(path: Path, depth: int = 12) -> nn.Module:
    """The first layers of the image tower, in evaluation mode, without its last norm and head.

    Args:
        path: The published ONNX file.
        depth: How many of its twelve layers.
    """
    tower = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, depth=depth)
    tower.norm = nn.Identity()
    tower.load_state_dict(_state(path, depth), strict=True)
    return tower.eval()


def _state(path: Path, depth: int) -> dict[str, Tensor]:
    graph = onnx.load(str(path)).graph
    plain = {i.name: i for i in graph.initializer}
    linear = _linear_weights(graph, plain)

    def value(name: str) -> Tensor:
        return torch.from_numpy(_array(plain[_TOWER + name]).astype(np.float32))

    state = {ours: value(theirs) for ours, theirs in _WHOLE.items()}
    state["cls_token"] = value("embeddings.class_embedding")[None, None]
    state["pos_embed"] = value("embeddings.position_embedding.weight")[None]
    for number in range(depth):
        ours, theirs = f"blocks.{number}.", f"encoder.layers.{number}."
        parts = [f"{theirs}self_attn.{part}_proj" for part in "qkv"]
        state[f"{ours}attn.qkv.weight"] = torch.cat([linear[_TOWER + p] for p in parts])
        state[f"{ours}attn.qkv.bias"] = torch.cat([value(f"{p}.bias") for p in parts])
        for name, theirs_name in _LINEAR.items():
            state[f"{ours}{name}.weight"] = linear[_TOWER + theirs + theirs_name]
            state[f"{ours}{name}.bias"] = value(f"{theirs}{theirs_name}.bias")
        for norm in "12":
            for kind in ("weight", "bias"):
                state[f"{ours}norm{norm}.{kind}"] = value(f"{theirs}layer_norm{norm}.{kind}")
    return state


def _linear_weights(
    graph: onnx.GraphProto, plain: dict[str, onnx.TensorProto]
) -> dict[str, Tensor]:
    """Weights (out, in) by the name of the layer, which only its bias still carries.

    In the graph a layer is MatMulInteger, Cast, Mul and Add of the bias.
    """
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    found = {}
    for node in graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in plain:
            continue
        stem = node.input[1].removesuffix("_quantized")
        parts = [_array(plain[stem + end]) for end in ("_quantized", "_scale", "_zero_point")]
        whole, scale, zero = (part.astype(np.float32) for part in parts)
        name = _bias_behind(node, readers)
        if name is not None:
            weight = np.ascontiguousarray(((whole - zero) * scale).T)
            found[name.removesuffix(".bias")] = torch.from_numpy(weight)
    return found


def _bias_behind(node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]]) -> str | None:
    """Name of the bias three nodes on; None behind the last projection, which has none."""
    for _ in range(3):
        if not readers[node.output[0]]:
            return None
        node = readers[node.output[0]][0]
    return next((name for name in node.input if name.endswith(".bias")), None)


def _array(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    array: NDArray[np.generic] = numpy_helper.to_array(tensor)
    return array
