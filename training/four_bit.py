"""A compressed encoder as ONNX: linear layers of 4 bits in blocks, the patch filter of 8.

onnxruntime's MatMulNBits multiplies by packed weights as they are. Two codes share a byte, the
first in the low half; a code c of a block with scale s stands for (c - 8) s.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unreel.training.clip_encoder import PIXELS, SIDE
from unreel.training.compress import BLOCK, four_bits, layer_tokens
from unreel.training.graphs import store_as_half

OPSET = 17
INT8_COMPUTE = 4
"""accuracy_level of MatMulNBits: activations are rounded to 8 bits block by block."""


class _Layers(nn.Module):
    """The tower with all of its layers as outputs."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(layer_tokens(self.tower, pixels))


def write_encoder(tower: nn.Module, path: Path) -> None:
    """Write a tower that `compress` returned.

    Args:
        tower: Its weights are unrounded again afterwards.
        path: The .onnx file.
    """
    for module in tower.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    part: Any = tower
    for block in part.blocks:
        block.attn.fused_attn = False  # written as plain products, which every runtime knows
    names = [f"layer{k}" for k in range(len(part.blocks))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each shape that becomes a constant
        torch.onnx.export(
            _Layers(tower).eval(),
            (torch.zeros(2, 3, SIDE, SIDE),),
            str(path),
            input_names=[PIXELS],
            output_names=names,
            dynamic_axes={name: {0: "n"} for name in [PIXELS, *names]},
            opset_version=OPSET,
            dynamo=False,
        )
    _pack(path)
    store_as_half(path)


def _pack(path: Path) -> None:
    """Put 4-bit products in the place of plain ones, and an 8-bit patch filter."""
    model = onnx.load(str(path))
    graph = model.graph
    weights = {i.name: i for i in graph.initializer}
    nodes = []
    for node in graph.node:
        stored = weights.get(node.input[1]) if len(node.input) > 1 else None
        if node.op_type == "MatMul" and stored is not None:
            nodes.append(_product(graph, node, stored))
        elif node.op_type == "Conv" and stored is not None:
            nodes += [_filter(graph, stored), node]
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(path))


def _product(
    graph: onnx.GraphProto, node: onnx.NodeProto, stored: onnx.TensorProto
) -> onnx.NodeProto:
    weight = np.array(numpy_helper.to_array(stored), np.float32)  # (in, out)
    codes, scale = four_bits(torch.from_numpy(np.ascontiguousarray(weight.T)))
    whole = codes.numpy().astype(np.uint8)
    packed = whole[..., 0::2] | (whole[..., 1::2] << 4)  # (out, blocks, BLOCK / 2)
    graph.initializer.remove(stored)
    names = [f"{stored.name}/codes", f"{stored.name}/scales"]
    graph.initializer.append(numpy_helper.from_array(packed, names[0]))
    graph.initializer.append(numpy_helper.from_array(scale.numpy().ravel(), names[1]))
    return helper.make_node(
        "MatMulNBits", [node.input[0], *names], list(node.output), name=node.name,
        domain="com.microsoft", K=weight.shape[0], N=weight.shape[1], bits=4, block_size=BLOCK,
        accuracy_level=INT8_COMPUTE,
    )  # fmt: skip


def _filter(graph: onnx.GraphProto, stored: onnx.TensorProto) -> onnx.NodeProto:
    """The patch filter as int8 with a scale for each output, widened when it is used."""
    weight = np.array(numpy_helper.to_array(stored), np.float32)  # (out, in, 16, 16)
    scale = np.abs(weight).reshape(len(weight), -1).max(axis=1) / 127 + 1e-12
    codes = np.round(weight / scale[:, None, None, None]).astype(np.int8)
    graph.initializer.remove(stored)
    names = [f"{stored.name}/codes", f"{stored.name}/scales", f"{stored.name}/zeros"]
    values = (codes, scale.astype(np.float32), np.zeros(len(weight), np.int8))
    for name, value in zip(names, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(value, name))
    return helper.make_node("DequantizeLinear", names, [stored.name], axis=0)
