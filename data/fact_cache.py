"""Facts of a whole set under a condition, measured once and kept.

<folder>/<condition>/<sha256, 16 digits>.mp4    the clip in the condition's form
<folder>/<condition>-facts.json                 what was measured of it
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from unreel.data.canonical import condition, encode_condition
from unreel.data.clip_facts import ClipFacts, measure_clip
from unreel.data.manifest import Clip
from unreel.detector.errors import MediaError

_FORMAT = 1
"""Raised when what is measured changes."""
Tell = Callable[[str], None]


def with_hashes(clips: Sequence[Clip]) -> list[Clip]:
    """The same clips, each with the sha256 of its file where the manifest gives none.

    A file that is not there keeps its empty hash; whoever opens it says so.
    """
    found = []
    for clip in clips:
        digest = clip.sha256
        if not digest and clip.path.is_file():
            with clip.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(replace(clip, sha256=digest))
    return found


def encoded_path(clip: Clip, name: str, folder: Path) -> Path:
    """Where a clip lies in a condition's form; `raw` is the clip itself."""
    return clip.path if name == "raw" else folder / name / f"{clip.sha256[:16]}.mp4"


def set_facts(
    clips: Sequence[Clip],
    name: str,
    folder: Path,
    *,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> list[ClipFacts | MediaError]:
    """Facts of each clip, in order; an error where a clip cannot be read.

    Args:
        clips: With sha256.
        name: Of a condition; clips that are not there in its form yet are encoded.
        folder: Where encodes and facts are kept; made when missing.
        workers: Processes.
        tell: Receives progress lines.
    """
    keep = folder / f"{condition(name).name}-facts.json"
    known: dict[str, Any] = {}
    if keep.exists():
        content = json.loads(keep.read_text(encoding="utf-8"))
        known = content["clips"] if content["format"] == _FORMAT else {}
    jobs = [(c, name, folder) for c in clips if c.sha256 not in known or not c.sha256]
    errors: dict[str, MediaError] = {}
    if jobs:
        folder.mkdir(parents=True, exist_ok=True)
        for done, (clip, found) in enumerate(_measured(jobs, workers), start=1):
            if isinstance(found, MediaError):
                errors[str(clip.path)] = found
            else:
                known[clip.sha256] = facts_to_json(found)
            if done % 50 == 0 or done == len(jobs):
                tell(f"{name}: {done} of {len(jobs)} clips measured")
                _write(keep, {"format": _FORMAT, "clips": known})
    return [errors.get(str(c.path)) or facts_from_json(known[c.sha256]) for c in clips]


def _measured(jobs: Sequence[tuple[Clip, str, Path]], workers: int) -> Any:
    if workers < 2 or len(jobs) < 4:
        yield from map(_measure, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_measure, jobs, chunksize=2)


def _measure(job: tuple[Clip, str, Path]) -> tuple[Clip, ClipFacts | MediaError]:
    clip, name, folder = job
    path = encoded_path(clip, name, folder)
    try:
        if not path.exists() and path != clip.path:
            path.parent.mkdir(parents=True, exist_ok=True)
            encode_condition(clip.path, path, condition(name))
        return clip, measure_clip(path)
    except MediaError as error:
        return clip, error


def facts_to_json(facts: ClipFacts) -> dict[str, Any]:
    """JSON types only; hashes in hexadecimal."""
    return {**asdict(facts), "hashes": [[f"{int(h):016x}" for h in row] for row in facts.hashes]}


def facts_from_json(content: dict[str, Any]) -> ClipFacts:
    """What `facts_to_json` wrote."""
    hashes = [[int(h, 16) for h in row] for row in content["hashes"]]
    return ClipFacts(
        content["numbers"],
        content["words"],
        np.array(hashes, np.uint64).reshape(2, -1),
        tuple(content["claims_generated"]),
        tuple(content["claims_camera"]),
    )


def _write(path: Path, content: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    os.replace(partial, path)
