"""A TFLite network of MediaPipe, run by OpenCV: no package more is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError

WANTED = "wanted is the folder that `unreel models pull hands` makes"


class Network:
    """A network that takes a square picture.

    Args:
        path: The file.
        side: Pixels of the picture.
        outputs: Names and sizes of the outputs that it must have.

    Raises:
        ModelError: It cannot be read, or is of another kind.
    """

    def __init__(self, path: Path, side: int, outputs: Mapping[str, int]) -> None:
        import cv2

        try:
            self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(
                f"hand detector {path} cannot be read ({error.strerror}); {WANTED}"
            ) from error
        try:
            # The newer engine of OpenCV 5, and reading from memory, give only one of the outputs.
            self._net = cv2.dnn.readNetFromTFLite(str(path), cv2.dnn.ENGINE_CLASSIC)
            self._names = [n for n in self._net.getUnconnectedOutLayersNames() if n in outputs]
            found = {
                n: out.size for n, out in self.run(np.zeros((side, side, 3), np.uint8)).items()
            }
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1][-120:]
            raise ModelError(
                f"hand detector {path} is no network that can be run ({reason}); {WANTED}"
            ) from error
        if found != dict(outputs):
            raise ModelError(f"hand detector {path} has outputs {found}, not {outputs}; {WANTED}")

    def run(self, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """Outputs by name, flat.

        Args:
            picture: (side, side, 3) RGB.
        """
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255
        self._net.setInput(tensor)
        found = self._net.forward(self._names)
        return {
            n: np.asarray(o, np.float64).ravel() for n, o in zip(self._names, found, strict=True)
        }
