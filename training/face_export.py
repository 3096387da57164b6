"""The model folder of the faces lane: a line on all groups, calibration on what was held out."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.faces.embedding import BACKBONE, FOLDER, load_face_embedder
from unreel.detector.faces.judging import FPR, HEAD, NUMBERS
from unreel.training.calibrate import HeldOut, calibration_of
from unreel.training.face_run import FaceRecipe, FaceTable

NAME, VERSION = "faces", "0.2.0"


def export_faces(
    table: FaceTable,
    recipe: FaceRecipe,
    held_out: NDArray[np.float64],
    metrics: dict[str, Any],
    folder: Path,
) -> None:
    """Write head.json, calibration.json and metrics.json; DONE comes last.

    Args:
        table: All clips.
        recipe: Of the line.
        held_out: (n,) out-of-fold logits of the table's rows, which the calibration is fitted on.
        metrics: For metrics.json.
        folder: Made when missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = table.fit(np.ones(len(table.rows), bool), recipe)
    embedder = load_face_embedder()
    content = {
        "name": NAME,
        "version": VERSION,
        "recipe": asdict(recipe),
        "fpr": FPR,
        "backbone_sha256": embedder.backbone_sha256,
        "encoder_sha256": embedder.encoder_sha256,
        "names": NUMBERS,
        "offset": round(head.offset, 6),
        **{key: np.round(getattr(head, key), 6).tolist() for key in ("mean", "spread", "weight")},
    }
    rows = [
        HeldOut(row.clip.sha256, row.positive, float(logit), 0.0, 0.0)
        for row, logit in zip(table.rows, held_out, strict=True)
        if row.found
    ]
    calibration = calibration_of(rows)
    # Buckets go by the size of frames and their bits; too few clips show faces for that.
    calibration["buckets"] = {"pooled": calibration["buckets"]["pooled"]}
    for name, what in (
        (HEAD, content), ("calibration.json", calibration), ("metrics.json", metrics),
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(FOLDER / BACKBONE, folder / BACKBONE)
    (folder / "DONE").touch()
