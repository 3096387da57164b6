"""Faces in single frames, by a detector that is given as a file.

Two kinds are known, told apart by their outputs:

    YuNet         12 maps at three strides: class, objectness, box and five points
    CenterFace    one heat map at a quarter of the frame, with sizes, offsets and five points

Both give five points: the eyes, the nose and the corners of the mouth, left to right as one sees
them. Frames are shrunk to a long side of LONG_SIDE first; a frame in which nothing is found is
looked at once more at twice that, where small faces show.

Sources: YuNet (Wu, Peng, Yu 2023), CenterFace (Xu et al. 2019).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.detecting import overlap
from unreel.detector.errors import ModelError

LONG_SIDE = 640
"""Pixels of the longer side of the frame that is searched."""
MIN_CONFIDENCE = 0.5
"""Weaker ones are no faces. Below SURE they only go on with a track; see tracks.py."""
MAX_OVERLAP = 0.4
MAX_PER_FRAME = 16
YUNET_STRIDES = (8, 16, 32)
CENTERFACE_OUTPUTS = ("537", "538", "539", "540")
WANTED = "wanted is YuNet or CenterFace as ONNX: `unreel models pull faces` fetches one"


@dataclass(frozen=True, slots=True)
class Face:
    """One face in one frame."""

    confidence: float
    """0..1"""
    box: tuple[float, float, float, float]
    """(x, y, w, h) pixels of the frame."""
    points: NDArray[np.float64]
    """(5, 2) x, y: the eye on the left of the picture, the other, nose, corners of the mouth."""


class FaceDetector:
    """A face detector as ONNX.

    Args:
        path: The file.
        threads: Of onnxruntime.

    Raises:
        ModelError: It cannot be read, or is of no known kind.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        from unreel.detector.runtime import open_session

        self.path = str(path)
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ModelError(
                f"face detector {path} cannot be read ({error.strerror}); {WANTED}"
            ) from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = open_session(data, threads, Path(path))
        self._input = self._session.get_inputs()[0].name
        names = {output.name for output in self._session.get_outputs()}
        if names >= {
            f"{kind}_{s}" for kind in ("cls", "obj", "bbox", "kps") for s in YUNET_STRIDES
        }:
            self.kind = "yunet"
        elif names >= set(CENTERFACE_OUTPUTS):
            self.kind = "centerface"
        else:
            raise ModelError(f"face detector {path} has outputs {sorted(names)[:4]}; {WANTED}")

    def detect(self, frame: NDArray[np.uint8], long_side: int = LONG_SIDE) -> list[Face]:
        """Faces in a frame (h, w, 3) RGB, the surest first.

        Args:
            frame: Of any size.
            long_side: Pixels to which it is shrunk; twice that where nothing is found.
        """
        found = self._at(frame, long_side)
        if not found and max(frame.shape[:2]) > long_side:
            found = self._at(frame, 2 * long_side)
        return found

    def _at(self, frame: NDArray[np.uint8], long_side: int) -> list[Face]:
        import cv2

        height, width = frame.shape[:2]
        scale = min(1.0, long_side / max(height, width))
        small: Any = frame
        if scale < 1:
            size = (max(32, round(width * scale)), max(32, round(height * scale)))
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        h, w = small.shape[:2]
        padded = cv2.copyMakeBorder(small, 0, -h % 32, 0, -w % 32, cv2.BORDER_CONSTANT)
        scores, boxes, points = self._candidates(np.asarray(padded, np.uint8))
        factor = np.array([width / w, height / h])
        return _suppressed(scores, boxes * np.tile(factor, 2), points * factor)

    def _candidates(self, picture: NDArray[np.uint8]) -> _Candidates:
        if self.kind == "yunet":  # trained on BGR as OpenCV reads it
            tensor = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1)[None], np.float32)
            outputs = [o.name for o in self._session.get_outputs()]
            found = dict(
                zip(outputs, self._session.run(outputs, {self._input: tensor}), strict=True)
            )
            return _yunet(found, picture.shape[1])
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        return _centerface(*self._session.run(list(CENTERFACE_OUTPUTS), {self._input: tensor}))


_Candidates = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Scores (k,), boxes (k, 4) x, y, w, h and points (k, 5, 2) in pixels of what was searched."""


@lru_cache(maxsize=1)
def load_face_detector(path: str) -> FaceDetector:
    """The detector of a file; the last one stays loaded, for the next clip of a folder.

    Raises:
        ModelError: See FaceDetector.
    """
    return FaceDetector(path)


def _yunet(outputs: dict[str, NDArray[np.float32]], width: int) -> _Candidates:
    """Each cell of each stride speaks for a face whose box and points are told from the cell."""
    scores, boxes, points = [], [], []
    for stride in YUNET_STRIDES:
        sure = np.sqrt(
            np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1)
            * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
        )
        kept = np.flatnonzero(sure >= MIN_CONFIDENCE)
        cells = np.stack([kept % (width // stride), kept // (width // stride)], axis=-1)
        box = outputs[f"bbox_{stride}"][0, kept].astype(np.float64)
        centre = (cells + box[:, :2]) * stride
        size = np.exp(box[:, 2:]) * stride
        offsets = outputs[f"kps_{stride}"][0, kept].reshape(-1, 5, 2)
        scores.append(sure[kept])
        boxes.append(np.hstack([centre - size / 2, size]))
        points.append((offsets + cells[:, None]) * stride)
    return np.concatenate(scores), np.concatenate(boxes), np.concatenate(points)


def _centerface(
    heat: NDArray[np.float32],
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    marks: NDArray[np.float32],
) -> _Candidates:
    """Each hot place of the map is the centre of a face."""
    rows, columns = np.nonzero(heat[0, 0] >= MIN_CONFIDENCE)
    high, wide = np.exp(sizes[0][:, rows, columns].astype(np.float64)) * 4
    y = (rows + offsets[0, 0, rows, columns] + 0.5) * 4 - high / 2
    x = (columns + offsets[0, 1, rows, columns] + 0.5) * 4 - wide / 2
    told = marks[0][:, rows, columns].astype(np.float64).T.reshape(-1, 5, 2)[..., ::-1]
    size = np.stack([wide, high], axis=-1)
    points = told * size[:, None] + np.stack([x, y], axis=-1)[:, None]
    return heat[0, 0, rows, columns], np.stack([x, y, wide, high], axis=-1), points


def _suppressed(
    scores: NDArray[Any], boxes: NDArray[np.float64], points: NDArray[np.float64]
) -> list[Face]:
    """The surest of those that overlap."""
    kept: list[Face] = []
    for row in np.argsort(-scores, kind="stable"):
        x, y, w, h = (float(side) for side in boxes[row])
        if len(kept) < MAX_PER_FRAME and all(
            overlap(f.box, boxes[row]) < MAX_OVERLAP for f in kept
        ):
            kept.append(Face(float(scores[row]), (x, y, w, h), points[row].copy()))
    return kept
