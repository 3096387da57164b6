"""Reads a folder of frame embeddings: one .npz for each clip, named by the clip's sha256.

NAME.npz    NAME = at least the first 16 digits of the clip's sha256
  features      (T, D), or (T, layers, D) with --layer; another name with --array
  pts_seconds   (T,); without it frames are --step seconds apart
  lengths       frames of each window, where the T frames are several windows; absent = one
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.manifest import Clip, read_manifest
from unreel.data.splits import group_folds

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Windows:
    """The embeddings of one clip."""

    clip: Clip
    fold: int
    embeddings: tuple[Array, ...]
    """Each (T, D)."""
    times: tuple[Array, ...]
    """Each (T,), seconds."""
    layers: Array
    """(layers, D) mean over all frames; (1, D) where there is one layer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that all commands on such folders share."""
    parser.add_argument("features", type=Path, help="folder of .npz files")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--array", default="features")
    parser.add_argument(
        "--layer", type=int, default=-1, help="of (T, layers, D); default: the last"
    )
    parser.add_argument("--step", type=float, default=0.5, help="seconds, where no times are kept")
    parser.add_argument("--folds", type=int, default=5)


def read(options: argparse.Namespace) -> list[Windows]:
    """Clips of the manifest that have features; face manipulations are another lane's task."""
    clips = read_manifest(options.manifest)
    folds = group_folds(clips, options.folds)
    files = {path.stem[:16]: path for path in sorted(options.features.glob("*.npz"))}
    found = []
    for clip, fold in zip(clips, folds, strict=True):
        path = files.get(clip.sha256[:16])
        if path is not None and not clip.is_face_only:
            windows = _windows(path, clip, fold, options)
            if windows.embeddings:
                found.append(windows)
    return found


def _windows(path: Path, clip: Clip, fold: int, options: argparse.Namespace) -> Windows:
    with np.load(path) as content:
        values = np.asarray(content[options.array], np.float64)
        lengths = content["lengths"] if "lengths" in content else np.array([len(values)])
        known = content.get("pts_seconds")
    if not len(values):
        return Windows(clip, fold, (), (), np.zeros((1, 1)))
    path_values = values[:, options.layer] if values.ndim == 3 else values
    ends = np.cumsum(lengths)[:-1]
    times = np.arange(len(values)) * options.step if known is None else np.asarray(known)
    means = values.mean(axis=0)
    return Windows(
        clip, fold, tuple(np.split(path_values, ends)), tuple(np.split(times, ends)),
        means if means.ndim == 2 else means[None],
    )  # fmt: skip


def labels_of(windows: list[Windows]) -> tuple[Array, NDArray[np.str_], NDArray[np.int64]]:
    """Labels (1 = generated), groups and folds."""
    return (
        np.array([float(w.clip.is_positive) for w in windows]),
        np.array([w.clip.group for w in windows]),
        np.array([w.fold for w in windows]),
    )
