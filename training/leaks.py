"""What of a set must not stand on both sides of a split, and labels that look wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unreel.data.clip_facts import ClipFacts
from unreel.data.manifest import Clip
from unreel.data.perceptual_hash import find_matches

LOW_PERCENTILE = 0.05
"""A generated clip that scores below nearly all camera clips is worth a second look."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two clips that show the same pictures."""

    first: str
    second: str
    bits: float
    """Median distance of their frames, of 64 bits."""
    groups: tuple[str, str]
    splits: tuple[str, str]
    contrary: bool
    """One is labelled camera footage, the other not."""
    paired: bool
    """The manifest says that one was made from the other."""

    @property
    def leaks(self) -> bool:
        """A split can put them on two sides: by group, or by the manifest's own column."""
        return self.groups[0] != self.groups[1] or self.splits[0] != self.splits[1]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A clip whose label something speaks against."""

    clip: str
    label: str
    why: str


@dataclass(frozen=True, slots=True)
class Sources:
    """How sources lie across groups and classes."""

    sources: int
    unnamed_clips: int
    over_groups: dict[str, tuple[str, ...]]
    """Source -> its groups, of those with several: a split by group mixes them."""
    over_splits: dict[str, tuple[str, ...]]
    """The same of the manifest's own splits."""
    one_class_clips: int
    """Clips of sources that hold one class only: their page tells the label."""


def find_duplicates(clips: Sequence[Clip], facts: Sequence[ClipFacts]) -> list[Duplicate]:
    """All pairs of clips that show the same, nearest first."""
    hashes = [f.hashes for f in facts]
    found = []
    for match in find_matches(hashes, hashes):
        a, b = clips[match.first], clips[match.second]
        found.append(
            Duplicate(
                str(a.path), str(b.path), match.bits, (a.group, b.group), (a.split, b.split),
                a.is_positive != b.is_positive, bool(a.pair_id) and a.pair_id == b.pair_id,
            )
        )  # fmt: skip
    return found


def find_suspects(
    clips: Sequence[Clip],
    facts: Sequence[ClipFacts],
    duplicates: Sequence[Duplicate],
    scores: Mapping[str, Mapping[str, object]],
) -> list[Suspect]:
    """Clips whose own words, twin or score speak against their label.

    Args:
        clips: The set.
        facts: Of each.
        duplicates: From `find_duplicates`.
        scores: sha256 -> `verdict` of a scan by a model that was not trained on the clip; may be
            empty.
    """
    label_of = {str(c.path): c.label for c in clips}
    found = []
    for clip, fact in zip(clips, facts, strict=True):
        speaks = fact.claims_camera if clip.is_positive else fact.claims_generated
        found += [Suspect(str(clip.path), clip.label, f"the file says: {s}") for s in speaks]
        verdict = scores.get(clip.sha256)
        if verdict:
            found += _of_score(clip, verdict)
    for pair in duplicates:
        if pair.contrary and not pair.paired and pair.groups[0] != pair.groups[1]:
            why = f"shows the same as {Path(pair.second).name}, which has the other label"
            found.append(Suspect(pair.first, label_of[pair.first], why))
    return found


def _of_score(clip: Clip, verdict: Mapping[str, object]) -> list[Suspect]:
    share = verdict.get("percentile_among_real")
    if not isinstance(share, int | float):
        return []
    if not clip.is_positive and verdict.get("label") == "generated":
        return [Suspect(str(clip.path), clip.label, f"scores above {share:.1%} of camera clips")]
    if clip.is_positive and share < LOW_PERCENTILE:
        why = f"scores below {1 - share:.1%} of camera clips"
        return [Suspect(str(clip.path), clip.label, why)]
    return []


def source_overlap(clips: Sequence[Clip]) -> Sources:
    """How the sources of a set lie across its groups, splits and classes."""
    members: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.source:
            members[clip.source].append(clip)
    groups = {s: tuple(sorted({c.group for c in cs})) for s, cs in members.items()}
    splits = {s: tuple(sorted({c.split for c in cs} - {""})) for s, cs in members.items()}
    single = [cs for cs in members.values() if len({c.is_positive for c in cs}) == 1]
    return Sources(
        sources=len(members),
        unnamed_clips=sum(not c.source for c in clips),
        over_groups={s: g for s, g in sorted(groups.items()) if len(g) > 1},
        over_splits={s: p for s, p in sorted(splits.items()) if len(p) > 1},
        one_class_clips=sum(map(len, single)),
    )
