"""The clips that a model shall learn next: a manifest, or a folder and the name of a generator.

Of camera clips pairs can be made: a burst, and the same by an autoencoder, encoded alike, so that
the autoencoder alone tells the halves apart. They are learnt beside the new clips and judged in a
row of their own, never as camera clips.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import with_hashes
from unreel.data.manifest import Clip, Label, read_manifest, write_manifest
from unreel.data.pairs.autoencoders import open_autoencoder
from unreel.data.pairs.latents import Autoencoder
from unreel.data.pairs.reconstruct import Settings, reconstruct_all
from unreel.data.perceptual_hash import find_matches
from unreel.detector.errors import UsageError
from unreel.detector.inputs import expand
from unreel.training.devices import best_device

NOT_MADE = (
    "the camera clips are learnt as they are; pairs were not made of them: --autoencoder FOLDER|ID "
    "makes them (`unreel pairs train-autoencoder FOOTAGE runs/own` trains one of your own)"
)
Tell = Callable[[str], None]
LEAST = 2
"""Groups of new clips: one is learnt, the other is the test."""


def clips_of(place: Path, *, generator: str, label: Label, family: str = "") -> list[Clip]:
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
                path, label, _group(place, path), family=family or generator,
                generator=generator, source=_group(place, path),
            )
            for path in files
        ]  # fmt: skip
    else:
        rows = [c for c in read_manifest(_with_groups(place)) if c.is_positive == (label != "real")]
        if not rows:
            raise UsageError(f"{place} lists no clip with label {label!r}")
        # What `unreel pairs` made is a clip like any other when it is given as one.
        clips = [
            replace(
                c, generator=generator or c.generator, family=c.family or family or generator,
                pair_id="", recipe="",
            )
            for c in rows
        ]  # fmt: skip
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


def make_pairs(
    clips: Sequence[Clip], autoencoder: str, cache_folder: Path, *, most: int, tell: Tell
) -> tuple[list[Clip], list[str]]:
    """Both halves of a pair for each camera clip, in the clip's own group.

    Args:
        clips: Camera clips with sha256 and group.
        autoencoder: As `unreel pairs reconstruct --autoencoder` takes it.
        cache_folder: Pairs are kept below it, and not made twice.
        most: At most so many clips, drawn by their hashes.
        tell: Receives progress lines.

    Returns:
        The halves, and sentences on what could not be made or was left out.

    Raises:
        ModelError: The autoencoder cannot be opened.
        MissingExtraError: What it runs in is not installed.
    """
    opened = open_autoencoder(autoencoder, best_device())
    return pairs_of(clips, opened, cache_folder / "pairs", most=most, tell=tell)


def pairs_of(
    clips: Sequence[Clip],
    autoencoder: Autoencoder,
    folder: Path,
    *,
    most: int,
    settings: Settings | None = None,
    tell: Tell = lambda _: None,
) -> tuple[list[Clip], list[str]]:
    """The same with an autoencoder at hand.

    Args:
        clips: Camera clips with sha256 and group.
        autoencoder: Makes the second halves.
        folder: Pairs are kept below it.
        most: At most so many clips.
        settings: Of the pairs; None = those of `unreel pairs reconstruct`.
        tell: Receives progress lines.
    """
    settings = settings or Settings()
    chosen = sorted(clips, key=lambda c: c.sha256)[:most]
    recipe = json.dumps(settings.recipe(autoencoder.name), sort_keys=True)
    out = folder / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    listed = folder / f"{out.name}-sources.csv"
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(listed, chosen)

    def follow(jobs: list[tuple[Clip, int]]) -> list[tuple[Clip, int]]:
        tell(f"pairs: {len(jobs)} camera clips through {autoencoder.name}")
        return jobs

    outcome = reconstruct_all(listed, out, autoencoder, settings, follow=follow)
    notes = [f"no pair of {Path(path).name}: {code}" for path, code, _ in outcome.failed]
    if len(clips) > most:
        notes.append(f"pairs were made of {most} of {len(clips)} camera clips (--pairs N for more)")
    # The folder may hold pairs of other clips, made before, and groups change with what is beside.
    group_of = {c.sha256: c.group for c in chosen}
    halves = []
    for half in read_manifest(out / "manifest.csv"):
        group = group_of.get(str(json.loads(half.recipe)["source_sha256"]))
        if group is not None:
            halves.append(replace(half, group=group))
    notes.append(f"{len(halves) // 2} pairs were made by {autoencoder.name} and learnt")
    return with_hashes(halves), notes
