"""Runs the two graphs of a model: one looks at each frame, a small one at a window of them.

    frames (T, h, w, 3) uint8 -> model.onnx, frame by frame -> embedding (T, D), logits (T,)
    embeddings and logits of the window's frames -> head.onnx -> logit of the window

Each core works on a frame of its own. That keeps the activations of one frame for each: on 288x512
pixels 60 MB instead of 500 for eight at once, and it is faster, for they stay in the core's cache
and no core waits for another after each layer (benchmarks/README.md).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError

FRAMES_AT_ONCE = 4
"""More cores than this share the frames: a window has eight, and each takes memory."""


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """What the graphs say of one window."""

    clip: float
    frames: NDArray[np.float32]
    """(T,)"""
    patches: NDArray[np.float32]
    """(T, h, w): their mean over a frame is the frame's logit."""


class Graphs:
    """The frame graph and the window graph of one model.

    Args:
        frame_graph: Bytes of an ONNX model without external data: frames (N, h, w, 3) uint8 RGB to
            embedding (N, D), frame_logits (N,) and patch_logits (N, gh, gw).
        window_graph: Likewise: embedding (N, T, D) and frame_logits (N, T) to clip_logit (N,).
        threads: 0 = as many as there are cores.
        named: Where they come from, for messages.

    Raises:
        ModelError: The runtime refuses one of them.
    """

    def __init__(self, frame_graph: bytes, window_graph: bytes, threads: int, named: Path) -> None:
        threads = threads or os.cpu_count() or 1
        side_by_side = min(threads, FRAMES_AT_ONCE)
        self._frame = open_session(frame_graph, threads // side_by_side, named)
        self._window = open_session(window_graph, 1, named)
        self._pool = ThreadPoolExecutor(side_by_side, "judge")

    def judge(self, frames: NDArray[np.uint8]) -> WindowLogits:
        """Run the graphs on one window.

        Args:
            frames: (T, h, w, 3) RGB at the model's size, T >= 2.
        """
        each = self._pool.map(self._look_at, frames)
        embedding, logits, patches = (np.concatenate(part) for part in zip(*each, strict=True))
        (clip,) = self._window.run(
            ["clip_logit"], {"embedding": embedding[None], "frame_logits": logits[None]}
        )
        return WindowLogits(float(clip[0]), logits, patches)

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the frame graph says of frames, before any judgement.

        Args:
            frames: (T, h, w, 3) RGB at the model's size.

        Returns:
            (T, D)
        """
        each = self._pool.map(self._look_at, frames)
        return np.concatenate([embedding for embedding, _, _ in each])

    def _look_at(self, frame: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """(h, w, 3) to embedding (1, D), logit (1,) and patch logits (1, gh, gw)."""
        names = ["embedding", "frame_logits", "patch_logits"]
        found: list[NDArray[np.float32]] = self._frame.run(names, {"frames": frame[None]})
        return found


def open_session(graph: bytes, threads: int, named: Path) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        graph: Bytes of an ONNX model without external data.
        threads: That work on one layer together.
        named: For messages.

    Raises:
        ModelError: The runtime refuses the graph.
    """
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A window more must not keep a core busy between runs, where the decoder needs it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own exception types are private
        raise ModelError(f"onnxruntime refuses {named}: {error}") from error


def _import_onnxruntime() -> Any:
    """The runtime, with its telemetry off.

    Since 1.29 its wheels send name and hash of the model and facts about the machine to Microsoft,
    and keep a device number under ~/.cache, unless this is in the environment before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # had the caller imported it before us
    return onnxruntime
