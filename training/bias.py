"""The shortcut audit of a set of labelled clips: `unreel bias`.

A pure report: facts are measured (data/fact_cache.py), what they give away is worked out here,
`bias_text.py` says it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unreel.data.canonical import condition
from unreel.data.fact_cache import set_facts, with_hashes
from unreel.data.manifest import Clip
from unreel.detector.errors import MediaError, UsageError
from unreel.training.bias_advice import advice
from unreel.training.leaks import (
    Duplicate,
    Sources,
    Suspect,
    find_duplicates,
    find_suspects,
    source_overlap,
)
from unreel.training.shortcuts import Separation, separations

THRESHOLD = 0.65
"""AUC of a shortcut above which an audit fails. Chance spreads to about .6 with a hundred clips."""
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class BiasReport:
    """What an audit found."""

    manifest: str
    real: int
    positive: int
    groups: int
    faces_left_out: int
    unreadable: tuple[tuple[str, str], ...]
    """(path, why) of clips that no number here counts."""
    conditions: dict[str, tuple[Separation, ...]]
    """In the order asked for; the last one decides."""
    duplicates: tuple[Duplicate, ...]
    suspects: tuple[Suspect, ...]
    sources: Sources
    threshold: float
    advice: tuple[str, ...]

    @property
    def deciding(self) -> str:
        """The condition that is held against the threshold."""
        return list(self.conditions)[-1]

    @property
    def over(self) -> tuple[Separation, ...]:
        """What lies above the threshold there."""
        return tuple(s for s in self.conditions[self.deciding] if s.exceeds(self.threshold))

    @property
    def leaks(self) -> tuple[Duplicate, ...]:
        """Duplicates that a split can tear apart."""
        return tuple(d for d in self.duplicates if d.leaks)

    @property
    def failed(self) -> bool:
        """A shortcut is above the threshold, or a fixed split has the same on both sides."""
        torn = any(d.splits[0] != d.splits[1] for d in self.duplicates)
        return bool(self.over) or torn

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        content = asdict(self)
        for rows in content["conditions"].values():
            for row in rows:
                row |= {k: round(row[k], 4) for k in ("auc", "low", "high")}
        return {
            "schema_version": SCHEMA,
            **content,
            "deciding": self.deciding,
            "over": [s.shortcut for s in self.over],
            "failed": self.failed,
        }


def audit_set(
    manifest: Path,
    clips: Sequence[Clip],
    conditions: Sequence[str],
    cache: Path,
    *,
    faces: bool = False,
    scores: Mapping[str, Mapping[str, object]] | None = None,
    threshold: float = THRESHOLD,
    workers: int = 2,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> BiasReport:
    """Audit a set.

    Args:
        manifest: Named in the report.
        clips: Its rows.
        conditions: Names; the last one decides.
        cache: Folder of encodes and facts.
        faces: Count manipulated faces too, which the learned lane is never trained on.
        scores: sha256 -> verdict of a scan, for labels that look wrong.
        threshold: AUC.
        workers: Processes.
        seed: Of folds, boosting and bootstrap.
        tell: Receives progress lines.

    Raises:
        UsageError: Unknown condition, a class is missing, no clip can be read.
    """
    names = list(dict.fromkeys(condition(n).name for n in conditions))
    used = with_hashes([c for c in clips if faces or not c.is_face_only])
    measured = {n: set_facts(used, n, cache, workers=workers, tell=tell) for n in names}
    unreadable: dict[str, str] = {}
    for name, found in measured.items():
        for clip, fact in zip(used, found, strict=True):
            if isinstance(fact, MediaError):
                unreadable.setdefault(str(clip.path), f"{name}: {fact.code}: {fact.message}")
    kept = [i for i, c in enumerate(used) if str(c.path) not in unreadable]
    if not kept:
        raise UsageError(f"none of the {len(used)} clips of {manifest} can be read")
    good = [used[i] for i in kept]
    rows = {}
    for name in names:
        tell(f"{name}: telling the classes apart by each shortcut")
        facts = [f for i in kept if not isinstance(f := measured[name][i], MediaError)]
        rows[name] = tuple(separations(good, facts, seed))
    first = [f for i in kept if not isinstance(f := measured[names[0]][i], MediaError)]
    duplicates = find_duplicates(good, first)
    return BiasReport(
        manifest=str(manifest),
        real=sum(not c.is_positive for c in good),
        positive=sum(c.is_positive for c in good),
        groups=len({c.group for c in good}),
        faces_left_out=len(clips) - len(used),
        unreadable=tuple(unreadable.items()),
        conditions=rows,
        duplicates=tuple(duplicates),
        suspects=tuple(find_suspects(good, first, duplicates, scores or {})),
        sources=source_overlap(good),
        threshold=threshold,
        advice=tuple(advice(rows, names[-1], threshold)),
    )


def read_scores(path: Path) -> dict[str, dict[str, object]]:
    """sha256 -> verdict out of the lines that `unreel scan --json` prints.

    Raises:
        UsageError: A line is not such a row.
    """
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            row = json.loads(line)
            if row.get("verdict"):
                found[row["file"]["sha256"]] = row["verdict"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} holds no lines of `unreel scan --json`: {error!r}") from error
    return found
