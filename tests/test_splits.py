"""No group on two sides, whatever the groups."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unreel.data.manifest import Clip, read_manifest
from unreel.data.splits import check_no_leak, group_folds
from unreel.detector.errors import UsageError

GROUPED = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=40, max_size=200).filter(
    lambda rows: len({g for g, _ in rows}) >= 5
)


def _clips(rows: list[tuple[int, bool]]) -> list[Clip]:
    return [
        Clip(Path(f"{i}.mp4"), "generated" if positive else "real", f"g{group}")
        for i, (group, positive) in enumerate(rows)
    ]


@given(GROUPED, st.integers(0, 3))
def test_a_group_is_in_one_fold(rows: list[tuple[int, bool]], seed: int) -> None:
    clips = _clips(rows)
    folds = group_folds(clips, 5, seed)
    assert set(folds) <= set(range(5))
    of_group: dict[str, set[int]] = {}
    for clip, fold in zip(clips, folds, strict=True):
        of_group.setdefault(clip.group, set()).add(fold)
    assert all(len(found) == 1 for found in of_group.values())
    assert group_folds(clips, 5, seed) == folds


def test_the_corpus_is_dealt_out_evenly(corpus: Path) -> None:
    clips = read_manifest(corpus / "manifest.csv")
    folds = group_folds(clips)
    counts = Counter((fold, clip.is_positive) for fold, clip in zip(folds, clips, strict=True))
    # 289 real and 335 other clips over five folds: 58 and 67 each.
    assert all(50 <= counts[fold, False] <= 66 for fold in range(5))
    assert all(57 <= counts[fold, True] <= 77 for fold in range(5))


def test_fewer_groups_than_folds() -> None:
    with pytest.raises(UsageError, match="at least as many groups, got 2"):
        group_folds(_clips([(0, True), (1, False)]), 5)


@pytest.mark.parametrize(
    ("left", "right", "what"),
    [
        (Clip(Path("a"), "real", "g1"), Clip(Path("b"), "real", "g1"), "group"),
        (
            Clip(Path("a"), "real", "g1", pair_id="p"),
            Clip(Path("b"), "generated", "g2", pair_id="p"),
            "pair_id",
        ),
        (
            Clip(Path("a"), "real", "g1", sha256="s"),
            Clip(Path("b"), "real", "g2", sha256="s"),
            "sha256",
        ),
    ],
)
def test_a_leak_is_refused(left: Clip, right: Clip, what: str) -> None:
    with pytest.raises(UsageError, match=f"{what} .* in both"):
        check_no_leak([left], [right])


def test_empty_pairs_and_hashes_do_not_count_as_shared() -> None:
    check_no_leak([Clip(Path("a"), "real", "g1")], [Clip(Path("b"), "real", "g2")])
