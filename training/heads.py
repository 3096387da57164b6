"""The head of a model folder: finding it, putting another in its place.

A linear model holds its head inside the frame graph (initialisers `x/frame/weight` and
`x/frame/offset`) and averages the frames' logits. In any other model the window graph is replaced
by one that judges the mean embedding; its frame and place logits stay those of the old head, and
the card says so.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from unreel.detector.model import GRAPHS
from unreel.training.linear_head import LinearHead

WEIGHT, OFFSET = "x/frame/weight", "x/frame/offset"
OPSET = 14


def encoder_digest(folder: Path) -> str:
    """sha256 of the frame graph without its head: the same for all heads on one encoder."""
    model = onnx.load(str(folder / GRAPHS[0]))
    for value in _head_of(model):
        value.Clear()
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def has_linear_head(folder: Path) -> bool:
    """Whether the frame graph holds a head that can be exchanged."""
    return len(_head_of(onnx.load(str(folder / GRAPHS[0])))) == 2


def _head_of(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [v for v in model.graph.initializer if v.name in (WEIGHT, OFFSET)]


def put_head(folder: Path, head: LinearHead) -> bool:
    """Exchange the head of a model folder and renew the hashes in its config.json.

    Returns:
        True when frame and place logits are those of the new head too.
    """
    whole = has_linear_head(folder)
    if whole:
        # additions.onnx, where it is there, holds the same head: what ships without the encoder.
        for path in sorted(folder.glob("*.onnx")):
            _exchange(path, head)
    else:
        (folder / GRAPHS[1]).write_bytes(_window_graph(head))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["graphs"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in GRAPHS
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return whole


def _exchange(path: Path, head: LinearHead) -> None:
    model = onnx.load(str(path))
    values = {
        WEIGHT: head.weight.astype(np.float32)[:, None],
        OFFSET: np.array(head.offset, np.float32),
    }
    found = _head_of(model)
    for value in found:
        shape = tuple(value.dims)
        value.CopyFrom(numpy_helper.from_array(values[value.name].reshape(shape), value.name))
    if found:
        path.write_bytes(model.SerializeToString())


def _window_graph(head: LinearHead) -> bytes:
    """Mean embedding of the window, times the head."""
    kind, width = TensorProto.FLOAT, len(head.weight)
    takes = [
        helper.make_tensor_value_info("embedding", kind, ["n", "t", width]),
        helper.make_tensor_value_info("frame_logits", kind, ["n", "t"]),
    ]
    gives = [helper.make_tensor_value_info("clip_logit", kind, ["n"])]
    weights = [
        numpy_helper.from_array(head.weight.astype(np.float32), "weight"),
        numpy_helper.from_array(np.array(head.offset, np.float32), "offset"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["embedding"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["clip_logit"]),
    ]
    graph = helper.make_graph(nodes, "window", takes, gives, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
