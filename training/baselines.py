"""Frozen-feature baselines: what the same backbone knows without being trained for this.

Per clip: mean and spread over time of the backbone's output, means of its stages, geometry of its
path through time (step, curvature and second differences, after D3 and ReStraV), and statistics of
spectra and noise residuals. Logistic regression on each, and the mean of their log odds. A trained
model that does not clearly beat these is not worth shipping.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from unreel.data.manifest import Clip
from unreel.detector.preprocess import normalise
from unreel.training.backbones import build, normalisation
from unreel.training.cache import CachedClip, FrameCache

Array = NDArray[np.float64]
BACKBONE = "tf_efficientnet_lite0"
PROBED_STAGES = (2, 3, 4, 5)
"""Stages whose means are features."""
KINDS = ("mean over time", "spread over time", "stages", "path geometry", "spectra and residuals")
FUSION = "late fusion of these"


def features_file(run: Path, condition: str) -> Path:
    """Where a run keeps the features of its clips."""
    return run / "frozen" / f"frozen-{condition}.npz"


def clip_features(
    clips: Sequence[Clip], condition: str, cache: FrameCache, keep: Path
) -> dict[str, Array]:
    """Features of all clips, computed once and kept in `keep` (.npz).

    Returns:
        For each of KINDS an (n, d) array; rows of clips without a window are NaN.
    """
    if not keep.exists():
        network = build(BACKBONE, head_width=8, dropout=0.0)
        mean, std = normalisation(network, BACKBONE)
        backbone = network.backbone.eval().to(memory_format=torch.channels_last)
        rows = [_features(backbone, cache.load(c, condition), mean, std) for c in clips]
        width = {k: next(len(r[k]) for r in rows if r) for k in KINDS}
        keep.parent.mkdir(parents=True, exist_ok=True)
        table = {k: np.stack([r[k] if r else np.full(width[k], np.nan) for r in rows])
                 for k in KINDS}  # fmt: skip
        np.savez(keep, **table)  # type: ignore[arg-type]  # the stub knows no keyword arrays
    with np.load(keep) as found:
        return {k: found[k] for k in KINDS}


@torch.no_grad()
def _features(
    backbone: Any, entry: CachedClip, mean: tuple[float, ...], std: tuple[float, ...]
) -> dict[str, Array] | None:
    if not entry.windows:
        return None
    heads, stages, paths = [], [], []
    for window in entry.windows:
        frames = torch.from_numpy(normalise(np.asarray(window), mean, std))
        x = backbone.bn1(backbone.conv_stem(frames.contiguous(memory_format=torch.channels_last)))
        means = []
        for number, block in enumerate(backbone.blocks):
            x = block(x)
            if number in PROBED_STAGES:
                means.append(x.mean(dim=(0, 2, 3)).numpy())
        head = backbone.bn2(backbone.conv_head(x)).mean(dim=(2, 3)).numpy()  # (T, C)
        heads.append(head)
        stages.append(np.concatenate(means))
        paths.append(_path(head))
    together = np.concatenate(heads)
    return {
        "mean over time": together.mean(axis=0),
        "spread over time": np.mean([h.std(axis=0) for h in heads], axis=0),
        "stages": np.mean(stages, axis=0),
        "path geometry": np.mean(paths, axis=0),
        "spectra and residuals": np.mean([_statistics(np.asarray(w)) for w in entry.windows], 0),
    }


def _path(embedding: NDArray[np.float32]) -> Array:
    """(9,) step lengths, turning angles and second differences of (T, C) embeddings."""
    z = embedding / (np.linalg.norm(embedding, axis=1, keepdims=True) + 1e-9)
    step = np.diff(z, axis=0)
    length = np.linalg.norm(step, axis=1) + 1e-9
    cosine = (step[1:] * step[:-1]).sum(axis=1) / (length[1:] * length[:-1])
    angle = np.arccos(np.clip(cosine, -1, 1))
    second = np.linalg.norm(np.diff(z, n=2, axis=0), axis=1)
    found = [f(v) for v in (length, angle, second) for f in (np.mean, np.std, np.max)]
    return np.array(found, np.float64)


def _statistics(window: NDArray[np.uint8]) -> Array:
    """(28,) log band energies of frames and of frame differences, moments of the residual."""
    import cv2

    grey = window.astype(np.float32).mean(axis=-1)  # (T, h, w)
    blurred = np.stack([cv2.GaussianBlur(g, (0, 0), 1.0) for g in grey])
    residual = grey - blurred
    moving = np.diff(residual, axis=0)
    moments = [
        residual.std(), np.abs(residual).mean(), _kurtosis(residual),
        moving.std(), np.abs(moving).mean(), _kurtosis(moving),
        np.corrcoef(residual[1:].ravel(), residual[:-1].ravel())[0, 1] if residual.any() else 0.0,
        np.diff(grey, axis=0).std(),
    ]  # fmt: skip
    steps = np.diff(grey, axis=0)
    return np.nan_to_num(np.concatenate([_bands(grey), _bands(steps), moments]))


def _bands(stack: NDArray[np.float32], bands: int = 10) -> Array:
    """(bands,) log energy by radial frequency, relative to the total."""
    spectrum = (np.abs(np.fft.rfft2(stack - stack.mean(axis=(1, 2), keepdims=True))) ** 2).mean(0)
    rows = np.abs(np.fft.fftfreq(stack.shape[1]))[:, None]
    columns = np.fft.rfftfreq(stack.shape[2])[None]
    which = np.minimum((np.hypot(rows, columns) / 0.5 * bands).astype(int), bands - 1)
    energy = np.bincount(which.ravel(), spectrum.ravel(), minlength=bands)
    return np.log10((energy + 1) / (energy.sum() + 1))


def _kurtosis(values: NDArray[np.float32]) -> float:
    spread = values.std()
    return float(np.log1p((((values - values.mean()) / (spread + 1e-6)) ** 4).mean()))


def baseline_scores(
    features: dict[str, Array], labels: Array, folds: NDArray[np.int64], seed: int = 0
) -> dict[str, Array]:
    """Out-of-fold log odds of each kind and of their mean, on the folds of the model beside."""
    scores = {kind: np.full(len(labels), np.nan) for kind in KINDS}
    for kind, values in features.items():
        for fold in np.unique(folds):
            test = folds == fold
            model = _regression(values.shape[1], int((~test).sum()), seed)
            model.fit(values[~test], labels[~test])
            scores[kind][test] = model.decision_function(values[test])
    fused = [np.clip(scores[kind], -5, 5) for kind in KINDS]
    return scores | {FUSION: np.mean(fused, axis=0)}


def stage_regression(rows: int, seed: int) -> Pipeline:
    """The regression on stage means, for the probe in the network."""
    return _regression(1000, rows, seed)


def _regression(width: int, rows: int, seed: int) -> Pipeline:
    """Standardised, at most 60 principal components, balanced classes."""
    reduce = [PCA(min(60, rows), whiten=True, random_state=seed)] if width > 60 else []
    last = LogisticRegression(C=0.02 if width > 60 else 0.3, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), *reduce, last)
