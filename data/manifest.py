"""The list of clips that training and evaluation work on: one CSV row per clip.

Columns: path, label, family, generator, pair_id, group, source, width, height, fps, codec, bytes,
sha256, note, split, recipe, mask. Only path, label and group are required; others may be empty.
Paths are relative to the manifest. `group` is what splits must keep together: clips of one source,
scene or speaker.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from unreel.detector.errors import UsageError

Label = Literal["real", "generated", "manipulated"]
FACE_FAMILIES = frozenset({"lip-sync", "face-swap", "talking-head", "reenactment", "face-blend"})
"""Manipulations of a face in otherwise camera footage: another lane's positives."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One row."""

    path: Path
    """Absolute, or relative to the working directory after `read_manifest`."""
    label: Label
    group: str
    family: str = ""
    generator: str = ""
    pair_id: str = ""
    source: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    codec: str = ""
    bytes: int = 0
    sha256: str = ""
    note: str = ""
    split: str = ""
    """Name of a fixed part, e.g. train or test, of sets that come with one; not used by training,
    which folds by group."""
    recipe: str = ""
    """JSON of how a pair's half was made; empty for clips that were found."""
    mask: str = ""
    """Of a mixture: path from the manifest of a grey video, 255 where a pixel is generated."""

    @property
    def is_positive(self) -> bool:
        """Generated or manipulated."""
        return self.label != "real"

    @property
    def is_face_only(self) -> bool:
        """A face manipulation: printed as an extra row, never trained on by the learned lane."""
        return self.is_positive and self.family in FACE_FAMILIES


def read_manifest(path: str | Path) -> list[Clip]:
    """Read and check a manifest.

    Raises:
        UsageError: The file or a column is missing, a value cannot be read, a path stands twice.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UsageError(f"cannot read manifest {path}: {error.strerror}") from error
    missing = {"path", "label", "group"} - set(rows[0] if rows else ())
    if missing:
        raise UsageError(f"manifest {path} lacks the column(s) {', '.join(sorted(missing))}")
    clips = [_clip(row, path, line) for line, row in enumerate(rows, start=2)]
    seen: set[Path] = set()
    for clip in clips:
        if clip.path in seen:
            raise UsageError(f"manifest {path} lists {clip.path} twice")
        seen.add(clip.path)
    return clips


def _clip(row: dict[str, str], manifest: Path, line: int) -> Clip:
    if row["label"] not in get_args(Label):
        raise UsageError(
            f"{manifest} line {line}: label {row['label']!r}, allowed are {get_args(Label)}"
        )
    if not row["group"]:
        raise UsageError(f"{manifest} line {line}: an empty group would leak between splits")
    convert = {"int": int, "float": float, "str": str}
    values: dict[str, object] = {}
    for spec in fields(Clip):
        text = row.get(spec.name) or ""
        if spec.name not in ("path", "label") and text:
            try:
                values[spec.name] = convert[str(spec.type)](text)
            except ValueError as error:
                raise UsageError(f"{manifest} line {line}: {spec.name} {text!r}") from error
    return Clip(path=manifest.parent / row["path"], label=row["label"], **values)  # type: ignore[arg-type]  # label was checked above, the rest by field type


def write_manifest(path: str | Path, clips: Iterable[Clip]) -> None:
    """Write a manifest; paths become relative to its folder where they lie below it."""
    path = Path(path)
    names = [spec.name for spec in fields(Clip)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        for clip in clips:
            row = {name: getattr(clip, name) for name in names}
            if clip.path.is_relative_to(path.parent):
                row["path"] = clip.path.relative_to(path.parent).as_posix()
            writer.writerow(row)


def check_hashes(clips: Sequence[Clip]) -> list[str]:
    """Sentences on clips that are missing or whose bytes differ from the manifest's sha256."""
    problems = []
    for clip in clips:
        if not clip.path.is_file():
            problems.append(f"{clip.path}: missing")
        elif clip.sha256:
            with clip.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != clip.sha256:
                problems.append(
                    f"{clip.path}: sha256 {found[:12]}..., listed {clip.sha256[:12]}..."
                )
    return problems
