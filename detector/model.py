"""A model folder: weights as an ONNX graph, how to feed it, what its logits mean.

    model.onnx  config.json  calibration.json  model.safetensors  metrics.json  MODEL_CARD.md  DONE

The graph runs with onnxruntime: 0.3 s to start instead of torch's 6 s, and nothing is unpickled.
It is loaded from bytes, never by path, so that a folder of unknown origin cannot make the runtime
read other files as its weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.calibration import Calibration, load_calibration
from unreel.detector.config import SamplingConfig
from unreel.detector.errors import ModelError
from unreel.detector.preprocess import normalise
from unreel.detector.records import ModelInfo

INTERFACE_VERSION = 1
DEFAULT_FOLDER = Path(__file__).parent / "models" / "small"


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """What the graph says of one window."""

    clip: float
    frames: NDArray[np.float32]
    """(T,)"""
    patches: NDArray[np.float32]
    """(T, h, w): their mean over a frame is the frame's logit."""


class Model:
    """A loaded model folder; make it with `load_model`."""

    def __init__(
        self,
        info: ModelInfo,
        session: Any,
        config: dict[str, Any],
        calibration: Calibration,
    ) -> None:
        self.info = info
        self.calibration = calibration
        self.sampling = SamplingConfig(**config["sampling"])
        """As the model was trained."""
        self.short_side = int(config["short_side"])
        """Pixels at which frames are judged."""
        self._mean, self._std = tuple(config["mean"]), tuple(config["std"])
        self._session = session

    def judge(self, frames: NDArray[np.uint8]) -> WindowLogits:
        """Run the graph on one window.

        Args:
            frames: (T, h, w, 3) RGB at the model's size, T >= 2.
        """
        batch = normalise(frames, self._mean, self._std)[None]  # (1, T, 3, h, w)
        clip, frame, patch = self._session.run(
            ["clip_logit", "frame_logits", "patch_logits"], {"frames": batch}
        )
        return WindowLogits(float(clip[0]), frame[0], patch[0])


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
    try:
        graph = (where / "model.onnx").read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {where / 'model.onnx'}: {error.strerror}") from error
    digest = hashlib.sha256(graph).hexdigest()
    if digest != config["onnx_sha256"]:
        raise ModelError(
            f"{where / 'model.onnx'} has sha256 {digest[:16]}..., config.json says "
            f"{str(config['onnx_sha256'])[:16]}...: the folder is damaged or was mixed"
        )
    info = ModelInfo(str(config["name"]), str(config["version"]), digest)
    calibration = load_calibration(where / "calibration.json")
    return Model(info, open_session(graph, threads, where / "model.onnx"), config, calibration)


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
    needed = {"interface_version", "name", "version", "onnx_sha256", "sampling", "short_side",
              "mean", "std"}  # fmt: skip
    missing = sorted(needed - set(config)) if isinstance(config, dict) else sorted(needed)
    if missing:
        raise ModelError(f"{path} lacks {', '.join(missing)}")
    if config["interface_version"] != INTERFACE_VERSION:
        raise ModelError(
            f"{path} is of interface version {config['interface_version']}, this program "
            f"reads {INTERFACE_VERSION}: export the model again with `unreel models export`"
        )
    return config


def open_session(graph: bytes, threads: int, named: Path) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        graph: Bytes of an ONNX model without external data.
        threads: 0 = as many as there are cores.
        named: For messages.

    Raises:
        ModelError: The runtime refuses the graph.
    """
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
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
