"""A folder of pairs: each appears whole or not at all, so that a run can be taken up.

OUT/recipe.json          the settings; a folder belongs to one set of them
OUT/pairs/ID/            the clips of one pair, and pair.json
OUT/manifest.csv         all clips, as training reads them
OUT/failed.csv           sources without a pair, and why
OUT/DONE                 written last
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from unreel.data.manifest import Clip, read_manifest, write_manifest
from unreel.detector.errors import MediaError, UsageError

Job = tuple[Clip, int]
"""A camera clip and the number of a variant."""
MADE = ".made-"
"""Prefix of folders that are not whole yet."""


@dataclass(slots=True)
class Outcome:
    """What a run has come to."""

    made: int = 0
    kept: int = 0
    """Pairs of an earlier run that stood there already."""
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, code, message) of sources that no pair could be made of."""


class PairFolder:
    """The folder that one run writes.

    Args:
        out: Made when missing.
        recipe: All settings that decide what a pair looks like; JSON values only.

    Raises:
        UsageError: It holds pairs of another recipe, or something else altogether.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any]) -> None:
        self.out = out
        self.digest = _digest(recipe)
        held = out / "recipe.json"
        if held.exists():
            before = json.loads(held.read_text(encoding="utf-8"))
            if _digest(before) != self.digest:
                other = sorted(k for k in {*before, *recipe} if before.get(k) != recipe.get(k))
                raise UsageError(
                    f"{out} holds pairs made with other settings ({', '.join(other)}): name "
                    "another folder, or give the same settings to take that run up"
                )
        elif out.exists() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty and holds no pairs: name a new folder")
        (out / "pairs").mkdir(parents=True, exist_ok=True)
        (out / "DONE").unlink(missing_ok=True)
        _write_text(held, json.dumps(recipe, indent=1, sort_keys=True) + "\n")

    def name(self, sha256: str, variant: int) -> str:
        """Pair id: of the source's bytes, the recipe and the number of the variant."""
        return f"{sha256[:12]}-{self.digest[:6]}-{variant}"

    def has(self, pair_id: str) -> bool:
        """It was made before."""
        return (self.out / "pairs" / pair_id / "pair.json").exists()

    @contextmanager
    def adding(self, pair_id: str) -> Iterator[Path]:
        """A scratch folder that becomes the pair's own when the block ends without an error."""
        scratch = self.out / "pairs" / f"{MADE}{pair_id}-{os.getpid()}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
            os.replace(scratch, self.out / "pairs" / pair_id)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def add_all(
        self,
        clips: Sequence[Clip],
        variants: int,
        add: Callable[[Clip, int], None],
        follow: Callable[[list[Job]], Iterable[Job]],
    ) -> Outcome:
        """Add each variant of each camera clip that is not there yet, then finish.

        Args:
            clips: Camera clips.
            variants: Pairs of each.
            add: Adds one pair.
            follow: Wraps the list of jobs, for a progress bar.
        """
        outcome = Outcome()
        for clip, variant in follow([(c, v) for c in clips for v in range(variants)]):
            if clip.sha256 and self.has(self.name(clip.sha256, variant)):
                outcome.kept += 1  # of an earlier run, or the same bytes under another name
                continue
            try:
                add(clip, variant)
                outcome.made += 1
            except MediaError as error:
                outcome.failed.append((str(clip.path), error.code, error.message))
        self.finish(outcome)
        return outcome

    def finish(self, outcome: Outcome) -> Path:
        """Write failed.csv, manifest.csv and DONE.

        Returns:
            The manifest.
        """
        for left in (self.out / "pairs").glob(MADE + "*"):  # of runs that were killed
            shutil.rmtree(left, ignore_errors=True)
        clips = [clip for folder in sorted((self.out / "pairs").iterdir()) for clip in read(folder)]
        partial = self.out / "manifest.partial.csv"
        write_manifest(partial, clips)
        os.replace(partial, self.out / "manifest.csv")
        with (self.out / "failed.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "code", "message"))
            writer.writerows(
                [t.encode(errors="backslashreplace").decode() for t in row]
                for row in outcome.failed
            )
        (self.out / "DONE").touch()
        return self.out / "manifest.csv"


def write(folder: Path, clips: list[Clip]) -> None:
    """Write pair.json of clips that lie in `folder`."""
    rows = [{**asdict(clip), "path": clip.path.name} for clip in clips]
    _write_text(folder / "pair.json", json.dumps(rows, indent=1) + "\n")


def read(folder: Path) -> list[Clip]:
    """The clips of one pair, with paths below `folder`."""
    rows = json.loads((folder / "pair.json").read_text(encoding="utf-8"))
    names = {spec.name for spec in fields(Clip)}
    found = []
    for row in rows:
        values = {k: v for k, v in row.items() if k in names and k != "path"}
        found.append(Clip(path=folder / row["path"], **values))
    return found


def pairs_of(folder: Path) -> dict[str, list[Clip]]:
    """Pair id -> its clips, of a finished folder.

    Raises:
        UsageError: It is none, or was not finished.
    """
    if not (folder / "DONE").exists():
        raise UsageError(
            f"{folder} is no finished folder of pairs (no DONE in it): make one with "
            "`unreel pairs reconstruct`, or let that command finish"
        )
    found: dict[str, list[Clip]] = {}
    for clip in read_manifest(folder / "manifest.csv"):
        found.setdefault(clip.pair_id, []).append(clip)
    return found


def read_pairs(folders: Iterable[Path]) -> list[tuple[Clip, Clip]]:
    """The pairs of finished folders: camera half, made half.

    Raises:
        UsageError: A folder is none or was not finished.
    """
    found = []
    for folder in folders:
        for halves in pairs_of(folder).values():
            camera = [c for c in halves if not c.is_positive]
            made = [c for c in halves if c.is_positive]
            found += [(camera[0], one) for one in made if camera]
    return found


def described(path: Path, **values: Any) -> Clip:
    """A clip that was just written, with what its bytes say of it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None]
        width, height = stream.codec_context.width, stream.codec_context.height
        codec = stream.codec_context.name
    span = max(times) - min(times)
    fps = round((len(times) - 1) / span, 3) if span > 0 else 0.0
    content = path.read_bytes()
    return Clip(
        path, width=width, height=height, fps=fps, codec=codec, bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(), **values,
    )  # fmt: skip


def _digest(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
