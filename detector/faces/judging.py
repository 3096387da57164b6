"""Judges upright faces: one weight for each number of statistics.py and of embedding.py, fitted on
blends and on manipulated clips (training/face_run.py), and a calibration of its own.

`models/faces/head.json` holds all of it, so that a reader can compute any score by hand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.detector.calibration import POOLED, Calibration, load_calibration
from unreel.detector.errors import ModelError
from unreel.detector.faces.embedding import (
    BACKBONE,
    CHANNELS,
    FOLDER,
    WIDTH,
    FaceEmbedder,
    load_face_embedder,
)
from unreel.detector.faces.statistics import NAMES, PARTS, area, statistics_of
from unreel.detector.records import ModelInfo

NUMBERS = (*NAMES, *CHANNELS)
"""All that are weighed."""
HEAD = "head.json"
FILES = (HEAD, "calibration.json", BACKBONE)
"""All that decides a score, beside the detector."""
FPR = 0.05
"""Share of camera clips with faces that may be called manipulated."""
GRID = 28
"""Places of the heat map across a crop."""


@dataclass(frozen=True, slots=True)
class FaceHead:
    """logit = offset + weight @ (numbers - mean) / spread; what was not seen counts as mean."""

    mean: NDArray[np.float64]
    """(904,)"""
    spread: NDArray[np.float64]
    """(904,)"""
    weight: NDArray[np.float64]
    """(904,)"""
    offset: float

    def shares(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each number adds to the logit: (..., 904) to (..., 904)."""
        return np.nan_to_num((numbers - self.mean) / self.spread) * self.weight

    def logits(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 904) to (...)."""
        return np.asarray(self.shares(numbers).sum(axis=-1) + self.offset)


@dataclass(frozen=True, slots=True)
class FaceLogits:
    """What is said of one track."""

    frames: NDArray[np.float64]
    """(m,) natural-log odds before calibration; their mean is the track's."""
    parts: dict[str, float]
    """Part of the face -> what it adds to the track's logit, by the numbers of statistics.py."""
    texture: float
    """What the backbone adds. Its places were measured, and lie beside what was blended in."""
    token: float
    """What the encoder adds, which has no place."""

    def places(self) -> NDArray[np.float32]:
        """(GRID, GRID): the parts laid on the crop; 0 where no part is."""
        grid = np.zeros((GRID, GRID), np.float32)
        for name, share in self.parts.items():
            grid[area(PARTS[name], GRID)] = share
        return grid


class FaceModel:
    """Head and calibration; make it with `load_face_model`."""

    def __init__(
        self, info: ModelInfo, head: FaceHead, calibration: Calibration, embedder: FaceEmbedder
    ) -> None:
        self.info, self.head, self.calibration = info, head, calibration
        self._embedder = embedder
        self.point = calibration.operating_point(FPR, POOLED)

    def judge(self, crops: NDArray[np.uint8], pts_seconds: NDArray[np.float64]) -> FaceLogits:
        """Look at the crops (m, SIDE, SIDE, 3) of one track at their times (m,)."""
        numbers = numbers_of(statistics_of(crops, pts_seconds), self._embedder.embed(crops))
        shares = self.head.shares(numbers).mean(axis=0)  # (904,)
        by_part = shares[: len(NAMES)].reshape(-1, len(PARTS)).sum(axis=0)
        parts = {name: float(share) for name, share in zip(PARTS, by_part, strict=True)}
        texture, token = np.split(shares[len(NAMES) :], [len(CHANNELS) - WIDTH])
        logits = self.head.logits(numbers)
        return FaceLogits(logits, parts, float(texture.sum()), float(token.sum()))

    def span(
        self, pts_seconds: NDArray[np.float64], logits: NDArray[np.float64]
    ) -> tuple[float, float]:
        """From when to when a face looks manipulated, seconds.

        The longest row of frames that reach the threshold, each seen with its neighbours; where
        none does, from the first frame of the track to the last.
        """
        padded = np.pad(logits, 1, mode="edge")
        level = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
        reaching = [self.calibration.score(float(x)) >= self.point.threshold for x in level]
        rows = np.flatnonzero(reaching)
        if not len(rows):
            return float(pts_seconds[0]), float(pts_seconds[-1])
        longest = max(np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1), key=len)
        return float(pts_seconds[longest[0]]), float(pts_seconds[longest[-1]])


def numbers_of(
    statistics: NDArray[np.float64], embedding: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(m, 56) of frames and (848,) of their track to (m, 904): the networks speak of all of it."""
    return np.hstack([statistics, np.tile(embedding, (len(statistics), 1))])


@cache
def load_face_model(folder: Path = FOLDER) -> FaceModel:
    """The face model in the package.

    Raises:
        ModelError: A file is missing, or was made for other numbers.
    """
    try:
        text = (folder / HEAD).read_bytes()
        content = json.loads(text)
        embedder = load_face_embedder(folder)
        fitted_on = (content["backbone_sha256"], content["encoder_sha256"])
        here = (embedder.backbone_sha256, embedder.encoder_sha256)
        if tuple(content["names"]) != NUMBERS or fitted_on != here:
            raise ModelError(
                f"{folder / HEAD} weighs other numbers than this version measures: fit it again "
                "with `unreel train-faces`, or install the package anew"
            )
        vectors = [np.array(content[key], np.float64) for key in ("mean", "spread", "weight")]
        head = FaceHead(vectors[0], vectors[1], vectors[2], float(content["offset"]))
        name, version = str(content["name"]), str(content["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the face model {folder} cannot be used: {error!r}") from error
    info = ModelInfo(name, version, hashlib.sha256(text).hexdigest())
    return FaceModel(info, head, load_calibration(folder / "calibration.json"), embedder)
