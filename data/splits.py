"""Folds that keep every group on one side.

Clips of one page share an encoder, a resolution and often a scene; a split that mixes a group
between train and test measures the page instead of the generator.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from unreel.data.manifest import Clip
from unreel.detector.errors import UsageError


def group_folds(clips: Sequence[Clip], folds: int = 5, seed: int = 0) -> list[int]:
    """Assign each clip to a fold, whole groups at a time, classes balanced.

    Groups are placed from the largest to the smallest, each into the fold that then has the
    evenest class counts; the seed shuffles groups of equal size by a hash, so that the result
    depends on nothing but the manifest's groups, labels and the seed.

    Returns:
        Fold number (0..folds-1) of each clip, in order.

    Raises:
        UsageError: Fewer groups than folds.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for position, clip in enumerate(clips):
        members[clip.group].append(position)
    if len(members) < folds:
        raise UsageError(f"{folds} folds need at least as many groups, got {len(members)}")
    totals = {cls: max(1, sum(c.is_positive == cls for c in clips)) for cls in (False, True)}
    counts = [{False: 0, True: 0} for _ in range(folds)]
    assigned = [0] * len(clips)

    def order(group: str) -> tuple[int, str]:
        return -len(members[group]), hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()

    for group in sorted(members, key=order):
        own = {c: sum(clips[i].is_positive == c for i in members[group]) for c in (False, True)}

        # Load of a fold after taking the group: its larger class share. Small groups of one class
        # thus fill up the folds that lack that class.
        def load(fold: int, own: dict[bool, int] = own) -> tuple[float, float]:
            after = [(counts[fold][c] + own[c]) / totals[c] for c in (False, True) if own[c]]
            return max(after), sum(counts[fold].values())

        best = min(range(folds), key=load)
        for cls in (False, True):
            counts[best][cls] += own[cls]
        for position in members[group]:
            assigned[position] = best
    return assigned


def check_no_leak(train: Sequence[Clip], test: Sequence[Clip]) -> None:
    """Refuse a split in which a group, a pair or identical bytes stand on both sides.

    Raises:
        UsageError: Names what leaks.
    """
    for name in ("group", "pair_id", "sha256"):
        both = {getattr(c, name) for c in train} & {getattr(c, name) for c in test} - {""}
        if both:
            raise UsageError(f"{name} {sorted(both)[:3]} in both train and test: this split leaks")
