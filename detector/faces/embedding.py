"""What two networks say of an upright face: plain numbers beside those of statistics.py.

* stage   means over the parts of statistics.py of the maps behind the first three stages of
          EfficientNet-Lite0 as ImageNet left it (`models/faces/backbone.onnx`, 0.2 MB): texture
* token   the class token behind the fifth layer of the encoder under the model `small`, which is in
          the package: how a thing is painted, before it turns to what it is

A few frames of each track are enough: texture hardly changes from one to the next.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError
from unreel.detector.faces.crops import SIDE
from unreel.detector.faces.statistics import PARTS, area

MODELS = Path(__file__).parents[1] / "models"
FOLDER = MODELS / "faces"
ENCODER_FOLDER = MODELS / "small"
BACKBONE = "backbone.onnx"
BACKBONE_SIDE = 128
"""Pixels of the crop that the backbone sees; faces of clips that were shared are no larger."""
STAGES = {"stage1": 16, "stage2": 24, "stage3": 40}
"""Output of the backbone's graph -> its channels."""
LAYER = 4
"""Of the encoder, counted from 0."""
WIDTH = 768
"""Numbers of a class token."""
LOOKED_AT = 8
"""Frames of a track, by the backbone..."""
ENCODED = 2
"""...and by the encoder, which takes ten times as long."""
CHANNELS = (
    *(f"stage {name[-1]}/{channel}" for name, count in STAGES.items() for channel in range(count)),
    *(f"token {number}" for number in range(WIDTH)),
)


class FaceEmbedder:
    """The two networks; make it with `load_face_embedder`."""

    def __init__(
        self,
        backbone: Any,
        encoder: Any,
        tokens: slice,
        *,
        backbone_sha256: str,
        encoder_sha256: str,
    ) -> None:
        self._backbone, self._encoder, self._tokens = backbone, encoder, tokens
        self.backbone_sha256 = backbone_sha256
        """Of the backbone's graph."""
        self.encoder_sha256 = encoder_sha256
        """Of the encoder under the model `small`, without its heads."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(848,) in the order of CHANNELS, of the crops (m, SIDE, SIDE, 3) RGB of one track."""
        import cv2

        size = (BACKBONE_SIDE, BACKBONE_SIDE)
        stages = np.zeros(sum(STAGES.values()))
        few = _spread(len(crops), LOOKED_AT)
        for crop in crops[few]:  # one by one: the activations of a single face stay in the cache
            small: Any = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
            maps = [m[0] for m in self._backbone.run(list(STAGES), {"frames": small[None]})]
            means = [m.reshape(len(m), -1) @ on_parts(m.shape[1]).ravel() for m in maps]
            stages += np.concatenate(means) / len(few)
        fewer = _spread(len(crops), ENCODED)
        tokens = np.zeros(WIDTH)
        for crop in crops[fewer]:
            (embedding,) = self._encoder.run(["embedding"], {"frames": crop[None]})
            tokens += embedding[0, self._tokens] / len(fewer)
        return np.concatenate([stages, tokens])


@cache
def on_parts(side: int) -> NDArray[np.float32]:
    """(side, side) weights of the places of a map, sum 1: each part of the face counts the same.

    Hair, clothes and what is behind a head fill half of a crop and say nothing of the face.
    """
    weights = np.zeros((side, side), np.float32)
    for box in PARTS.values():
        inside = area(box, side)
        weights[inside] += 1 / (weights[inside].size * len(PARTS))
    return weights


def _spread(count: int, few: int) -> NDArray[np.int64]:
    """Positions of `few` of `count` frames, in the middle of as many equal parts."""
    return np.unique(((np.arange(few) + 0.5) * count / few).astype(np.int64))


@cache
def load_face_embedder(
    folder: Path = FOLDER, encoder_folder: Path = ENCODER_FOLDER
) -> FaceEmbedder:
    """The networks in the package.

    Raises:
        ModelError: A file is missing or is no such network.
    """
    from unreel.detector.runtime import open_session

    try:
        facts = json.loads((encoder_folder / "config.json").read_text(encoding="utf-8"))
        start = list(facts["layers"]).index(LAYER) * WIDTH
        if facts["square"] != SIDE:
            raise ValueError(f"the encoder looks at {facts['square']} pixels, a crop has {SIDE}")
        sha256 = str(facts["encoder"]["sha256"])
        graph = (encoder_folder / "model.onnx").read_bytes()
        first = (folder / BACKBONE).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"what looks at faces cannot be used: {error!r}") from error
    return FaceEmbedder(
        open_session(first, 1, folder / BACKBONE),
        open_session(graph, 1, encoder_folder / "model.onnx"),
        slice(start, start + WIDTH),
        backbone_sha256=hashlib.sha256(first).hexdigest(),
        encoder_sha256=sha256,
    )
