"""Objects in single frames: with a detector where one was given, by motion where none was.

A detector is an ONNX file of the YOLO kind trained on the 80 classes of COCO. Which of three
layouts its output has is told by the shape:

    (1, 85, gh, gw)    FastestDet: objectness, offset and size of each cell, classes
    (1, N, 85)         YOLOv5, YOLOv7: box, objectness, classes for each of N candidates
    (1, 84, N)         YOLOv8 and later: box and classes

Without one, whatever moves against the camera is a thing without a name.

Sources: FastestDet (Xu 2022), the YOLO family since Redmon et al. 2016, COCO (Lin et al. 2014).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.errors import ModelError
from unreel.detector.step_maps import CELL, StepMaps, cell_centres
from unreel.detector.tracking import CameraMotion, shifts

MIN_CONFIDENCE = 0.25
"""Weaker detections do not exist; see object_tracks.SURE for what may begin a track."""
MAX_OVERLAP = 0.45
"""Intersection over union of two boxes of one class that stand for one thing."""
MAX_PER_FRAME = 40
MOVING = "thing"
"""Label of what moves where no detector gives names."""
MIN_MOTION = 0.9
"""Small pixels a step against the camera."""
MIN_MOVING_CELLS = 10

COCO = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant "
    "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite "
    "baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork "
    "knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake "
    "chair couch potted_plant bed dining_table toilet tv laptop mouse remote keyboard "
    "cell_phone microwave oven toaster sink refrigerator book clock vase scissors teddy_bear "
    "hair_drier toothbrush"
)
NAMES = tuple(name.replace("_", " ") for name in COCO.split())


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing in one frame."""

    label: str
    confidence: float
    """0..1"""
    box: tuple[float, float, float, float]
    """(x, y, w, h) pixels of the frame that was looked at."""


class ObjectDetector:
    """A COCO detector as ONNX.

    Args:
        path: The file.
        threads: Of onnxruntime; such small networks gain nothing from more than one.

    Raises:
        ModelError: It cannot be loaded, or its output has none of the known layouts.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        from unreel.detector.runtime import open_session

        self.path = str(path)
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ModelError(
                f"object detector {path} cannot be read ({error.strerror}); "
                "--object-detector wants an ONNX file of the YOLO or FastestDet kind"
            ) from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = open_session(data, threads, Path(path))
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape
        if len(shape) != 4:
            raise ModelError(f"object detector {path} wants input {shape}, not pictures (1,3,h,w)")
        self._size = tuple(side if isinstance(side, int) else 352 for side in shape[2:])
        self._decode: Any = None

    def detect(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """Things in a frame (h, w, 3) RGB, the surest first.

        Raises:
            ModelError: The output has none of the known layouts.
        """
        import cv2

        height, width = self._size
        resized = np.asarray(
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
        )
        # FastestDet was trained on BGR as OpenCV reads it, YOLOv5 and later on RGB.
        output = self._run(resized)
        if output.ndim == 4:
            output = self._run(resized[..., ::-1])
        scores, boxes, labels = self._candidates(output)
        scale = np.array([frame.shape[1], frame.shape[0]] * 2, np.float64)
        return _suppressed(scores, boxes * scale, labels)

    def _run(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255
        found: NDArray[np.float32] = self._session.run(None, {self._input.name: tensor})[0]
        return found

    def _candidates(
        self, output: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Scores (k,), boxes (k, 4) x, y, w, h as shares of the frame, classes (k,)."""
        shape = output.shape
        if output.ndim == 4 and shape[1] == 85:
            return _of_cells(output[0])
        if output.ndim == 3 and shape[2] == 85:
            rows = output[0]
            classes = rows[:, 5:]
            sure = rows[:, 4] * classes.max(axis=1)
        elif output.ndim == 3 and shape[1] == 84:
            rows = output[0].T
            classes = rows[:, 4:]
            sure = classes.max(axis=1)
        else:
            raise ModelError(
                f"object detector {self.path} gives {shape}; known are (1, 85, gh, gw), "
                "(1, N, 85) and (1, 84, N): FastestDet, YOLOv5 to YOLOv11, 80 classes of COCO"
            )
        sides = np.array([self._size[1], self._size[0]] * 2, np.float64)
        boxes = rows[:, :4] / (sides if rows[:, :4].max() > 2 else 1.0)
        boxes[:, :2] -= boxes[:, 2:] / 2
        return sure.astype(np.float64), boxes.astype(np.float64), classes.argmax(axis=1)


@lru_cache(maxsize=1)
def load_detector(path: str) -> ObjectDetector:
    """The detector of a file; the last one stays loaded, for the next clip of a folder.

    Raises:
        ModelError: See ObjectDetector.
    """
    return ObjectDetector(path)


def _of_cells(
    output: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """FastestDet: (85, gh, gw)."""
    gh, gw = output.shape[1:]
    rows, columns = np.mgrid[:gh, :gw]
    classes = output[5:]
    sure = output[0] ** 0.6 * classes.max(axis=0) ** 0.4
    wide, high = (1 / (1 + np.exp(-output[k])) for k in (3, 4))
    x = (np.tanh(output[1]) + columns) / gw - wide / 2
    y = (np.tanh(output[2]) + rows) / gh - high / 2
    boxes = np.stack([x, y, wide, high], axis=-1).reshape(-1, 4).astype(np.float64)
    return sure.ravel().astype(np.float64), boxes, classes.argmax(axis=0).ravel()


def _suppressed(
    scores: NDArray[np.float64], boxes: NDArray[np.float64], labels: NDArray[np.int64]
) -> list[Detection]:
    """The surest of those that overlap within a class."""
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable")[: 8 * MAX_PER_FRAME]:
        if scores[row] < MIN_CONFIDENCE or len(kept) == MAX_PER_FRAME:
            break
        same = [k for k in kept if labels[k] == labels[row]]
        if all(overlap(boxes[k], boxes[row]) < MAX_OVERLAP for k in same):
            kept.append(int(row))
    return [Detection(NAMES[int(labels[k])], float(scores[k]), _as_box(boxes[k])) for k in kept]


def _as_box(box: NDArray[np.float64]) -> tuple[float, float, float, float]:
    x, y, w, h = (float(side) for side in box)
    return x, y, w, h


def overlap(a: Sequence[float] | NDArray[Any], b: Sequence[float] | NDArray[Any]) -> float:
    """Intersection over union of two boxes (x, y, w, h), 0..1."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return float(both / (a[2] * a[3] + b[2] * b[3] - both))


def moving_things(step: StepMaps, camera: CameraMotion, index: int) -> list[Detection]:
    """What moves against the camera in the step to frame `index`.

    Args:
        step: Its flow, from this frame to the one before.
        camera: Of the stretch; where its motion is not known nothing can be said.
        index: Of the later frame.
    """
    import cv2

    if camera.steadiness[index] < 0.5:
        return []
    gh, gw = step.flow.shape[:2]
    expected = shifts(camera.between(index, index - 1), cell_centres(gh, gw))
    moves = (np.linalg.norm(step.flow - expected, axis=-1) > MIN_MOTION).astype(np.uint8)
    moves = cv2.morphologyEx(moves, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(moves, connectivity=8)
    found = []
    for x, y, w, h, cells in stats[1:count].tolist():
        if cells >= MIN_MOVING_CELLS and w < 0.8 * gw and h < 0.95 * gh:
            found.append(Detection(MOVING, 1.0, (x * CELL, y * CELL, w * CELL, h * CELL)))
    found.sort(key=lambda d: -d.box[2] * d.box[3])
    return found[:MAX_PER_FRAME]
