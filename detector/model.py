"""A model folder: weights as ONNX graphs, how to feed them, what their logits mean.

    model.onnx  head.onnx  config.json  calibration.json  model.safetensors  metrics.json
    MODEL_CARD.md  DONE

The graphs run with onnxruntime: 0.3 s to start instead of torch's 6 s, and nothing is unpickled.
They are loaded from bytes, never by path, so that a folder of unknown origin cannot make the
runtime read other files as its weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.calibration import Calibration, load_calibration
from unreel.detector.config import SamplingConfig
from unreel.detector.errors import ModelError
from unreel.detector.preprocess import squeezed
from unreel.detector.records import ModelInfo
from unreel.detector.runtime import Graphs, WindowLogits

INTERFACE_VERSION = 2
GRAPHS = ("model.onnx", "head.onnx")
"""What looks at a frame, and what looks at a window of them."""
DEFAULT_FOLDER = Path(__file__).parent / "models" / "small"


class Model:
    """A loaded model folder; make it with `load_model`."""

    def __init__(
        self,
        info: ModelInfo,
        graphs: Graphs,
        config: dict[str, Any],
        calibration: Calibration,
    ) -> None:
        self.info = info
        self.calibration = calibration
        self.sampling = SamplingConfig(**config["sampling"])
        """As the model was trained."""
        self.short_side = int(config["short_side"])
        """Pixels at which frames are kept for judging."""
        self.frame_stride = int(config.get("frame_stride", 1))
        """Every so many-th frame of a window is judged."""
        self._square = int(config.get("square", 0))
        self._graphs = graphs

    def judge(self, frames: NDArray[np.uint8]) -> WindowLogits:
        """What the model says of one window.

        Args:
            frames: (T, h, w, 3) RGB at the model's size, T >= 2, those that are judged. An encoder
                that takes squares gets them squeezed into one.
        """
        return self._graphs.judge(squeezed(frames, self._square) if self._square else frames)

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the encoder says of each frame of one window: what a new head is fitted on.

        Args:
            frames: (T, h, w, 3) RGB at the model's size, those that are judged.

        Returns:
            (T, D)
        """
        return self._graphs.embed(squeezed(frames, self._square) if self._square else frames)


def load_model(folder: str | os.PathLike[str] | None = None, threads: int = 0) -> Model:
    """Load a model folder.

    Args:
        folder: None = the default model in the package.
        threads: For the network; 0 = as many as there are cores.

    Raises:
        ModelError: A file is missing or damaged, or was made for another version of the interface.
    """
    where = Path(folder) if folder is not None else DEFAULT_FOLDER
    if where.is_dir() and not (where / "DONE").exists():
        raise ModelError(f"{where} has no file DONE: it is not a model folder, or not finished")
    config = _config(where)
    frame, window = (_checked(where / name, config["graphs"].get(name)) for name in GRAPHS)
    # Both graphs are the model: `cat model.onnx head.onnx | sha256sum` gives the same.
    digest = hashlib.sha256(frame + window).hexdigest()
    info = ModelInfo(str(config["name"]), str(config["version"]), digest)
    calibration = load_calibration(where / "calibration.json")
    return Model(info, Graphs(frame, window, threads, where), config, calibration)


def _checked(path: Path, promised: object) -> bytes:
    """Bytes of a graph that are those which config.json promises."""
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    digest = hashlib.sha256(graph).hexdigest()
    if digest != promised:
        raise ModelError(
            f"{path} has sha256 {digest[:16]}..., config.json says {str(promised)[:16]}...: "
            "the folder is damaged or was mixed"
        )
    return graph


def _config(where: Path) -> dict[str, Any]:
    path = where / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{where} is not a model folder: {path.name}: {error.strerror}; "
            f"`unreel models list` shows those that are"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no table of settings")
    version = config.get("interface_version")
    if version != INTERFACE_VERSION:
        raise ModelError(
            f"{path} is of interface version {version}, this program reads {INTERFACE_VERSION}: "
            "export the model again with `unreel models export`"
        )
    needed = {"name", "version", "graphs", "sampling", "short_side"}
    if missing := sorted(needed - set(config)):
        raise ModelError(f"{path} lacks {', '.join(missing)}")
    if not isinstance(config["graphs"], dict):
        raise ModelError(f"{path}: graphs names no files")
    return config
