"""Which camera clips pairs are made from: a manifest, or videos as `unreel scan` takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unreel.data.manifest import Clip, read_manifest
from unreel.data.splits import group_folds
from unreel.detector.errors import UsageError
from unreel.detector.inputs import expand


def camera_clips(source: Path) -> list[Clip]:
    """The clips labelled `real` of a manifest, or all videos of a file or folder.

    What is no manifest is taken for camera footage, each file a group of its own: where several
    files show one scene, only a manifest can say so.

    Raises:
        UsageError: There is none.
    """
    if source.suffix == ".csv":
        clips = [clip for clip in read_manifest(source) if clip.label == "real"]
        clips = [c if c.sha256 else replace(c, sha256=_digest(c.path)) for c in clips]
        if not clips:
            raise UsageError(f"manifest {source} lists no clip with the label `real`")
        return clips
    found = expand([str(source)])
    broken = [item for item in found.files if item.error]
    if broken and len(broken) == len(found.files):
        assert broken[0].error is not None
        raise UsageError(f"{source}: {broken[0].error.message}")
    paths = [Path(item.path) for item in found.files if not item.error]
    if not paths:
        raise UsageError(f"{source} holds no video; allowed are a manifest .csv, a video, a folder")
    clips = []
    for path in paths:
        digest = _digest(path)
        group = f"file-{digest[:12] or path.name}"
        clips.append(Clip(path, "real", group, source=path.name, sha256=digest))
    return clips


def _digest(path: Path) -> str:
    """sha256 of a file; empty where it cannot be read, which the decoder will say."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def without_fold(
    source: Path, hold_out: int | None, folds: int, seed: int
) -> tuple[list[Clip], list[Clip]]:
    """Camera clips to use, and those of the fold that is held out.

    Folds are those of `unreel train` on the same manifest: made of all of its clips, generated ones
    too, and cut down to camera clips afterwards.

    Args:
        source: A manifest where `hold_out` is given.
        hold_out: Number of the fold; None = nothing is held out.
        folds: How many there are.
        seed: Of the assignment.

    Raises:
        UsageError: There is no such fold, or no manifest to make it of.
    """
    if hold_out is None:
        return camera_clips(source), []
    if source.suffix != ".csv" or not 0 <= hold_out < folds:
        raise UsageError(
            f"fold {hold_out} of {source}: folds need a manifest .csv and are 0 to {folds - 1}"
        )
    clips = read_manifest(source)
    fold_of = group_folds(clips, folds, seed)
    both: tuple[list[Clip], list[Clip]] = ([], [])
    for clip, fold in zip(clips, fold_of, strict=True):
        if clip.label == "real":
            both[fold == hold_out].append(clip)
    return both


def names_of(clips: Sequence[Clip]) -> list[str]:
    """First 16 hexadecimal digits of each clip's sha256, sorted: what a model says it has seen."""
    return sorted((clip.sha256 or _digest(clip.path))[:16] for clip in clips)
