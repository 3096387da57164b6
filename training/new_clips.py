"""The clips that a model shall learn next: a manifest, or a folder and the name of a generator."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import with_hashes
from unreel.data.manifest import Clip, read_manifest
from unreel.data.perceptual_hash import find_matches
from unreel.detector.errors import UsageError
from unreel.detector.inputs import expand

LEAST = 2
"""Groups of new clips: one is learnt, the other is the test."""


def clips_of(place: Path, *, generator: str, label: str, family: str = "") -> list[Clip]:
    """Labelled clips of a folder or manifest.

    In a folder, clips of one sub-folder are one source; those directly in it are each their own.

    Args:
        place: A folder, or a .csv with at least `path`.
        generator: Name that the clips get; empty for camera clips.
        label: real or generated.
        family: As in a manifest; empty = the generator stands for itself.

    Raises:
        UsageError: Nothing there, or a manifest of the other class.
    """
    if place.is_dir():
        files = videos_below(place)
        if not files:
            raise UsageError(f"no video below {place}")
        clips = [
            Clip(
                path, label, _group(place, path), family=family or generator,  # type: ignore[arg-type]
                generator=generator, source=_group(place, path),
            )
            for path in files
        ]  # fmt: skip
    else:
        rows = [c for c in read_manifest(_with_groups(place)) if c.is_positive == (label != "real")]
        if not rows:
            raise UsageError(f"{place} lists no clip with label {label!r}")
        clips = [
            replace(c, generator=generator or c.generator, family=c.family or family or generator)
            for c in rows
        ]
    found: dict[str, Clip] = {}
    for clip in with_hashes(clips):
        found.setdefault(clip.sha256, clip)  # the same bytes twice are one clip
    return list(found.values())


def videos_below(folder: Path) -> list[Path]:
    """Videos of a folder, by the rules of a scan, in order of their names."""
    return [Path(item.path) for item in expand([str(folder)]).files if not item.error]


def _group(folder: Path, path: Path) -> str:
    inside = path.relative_to(folder)
    return inside.parts[0] if len(inside.parts) > 1 else inside.name


def _with_groups(manifest: Path) -> Path:
    """The manifest itself; one without the columns that are needed is refused by its reader."""
    with manifest.open(newline="", encoding="utf-8") as file:
        if "path" not in (csv.DictReader(file).fieldnames or ()):
            raise UsageError(f"{manifest} is no manifest: it has no column `path`")
    return manifest


def join_twins(clips: Sequence[Clip], facts: Sequence[ClipFacts], mark: str) -> list[Clip]:
    """Give clips that show the same one group, so that no split tears them apart.

    Args:
        clips: The new ones.
        facts: Of each.
        mark: Put before each group, so that it meets no group of the bank by its name.
    """
    parent = {c.group: c.group for c in clips}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    hashes = [f.hashes for f in facts]
    for match in find_matches(hashes, hashes):
        parent[root(clips[match.second].group)] = root(clips[match.first].group)
    return [replace(c, group=f"{mark}/{root(c.group)}") for c in clips]
