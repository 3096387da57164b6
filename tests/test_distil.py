"""What a whole encoder teaches the heads of a compressed one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install 'unreel[train]'")
pytest.importorskip("onnx", reason="needs the train extra: pip install 'unreel[train]'")

from numpy.typing import NDArray

from unreel.data.manifest import Clip
from unreel.training.clip_encoder import WIDTH
from unreel.training.distil import Teacher
from unreel.training.linear_head import fit_head
from unreel.training.token_recipe import TokenRecipe
from unreel.training.token_run import TrainingTable
from unreel.training.token_table import TokenTable
from unreel.training.tokens import ClipTokens

pytestmark = pytest.mark.slow

CLIPS = [
    Clip(Path(f"{n}.mp4"), "generated" if n % 2 else "real", f"group{n // 4}", sha256=f"{n:064d}")
    for n in range(64)
]
LABELS = np.array([float(c.is_positive) for c in CLIPS])
WHOLE = TokenRecipe(layers=(1, 2, 3), components=12, strength=0.1, conditions={"raw": 1.0})
SMALL = replace(WHOLE, layers=(1, 3), backbone="small", teacher_share=0.5)


class Kept:
    """Tokens by clip, as a filled cache gives them."""

    def __init__(self, seed: int, apart: float, blurred: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        direction = np.random.default_rng(0).normal(size=(4, WIDTH))
        self._of = {
            c.sha256: rng.normal(size=(4, WIDTH))
            + apart * (c.is_positive - 0.5) * direction
            + blurred * rng.normal(size=(4, WIDTH))
            for c in CLIPS
        }

    def load(self, clip: Clip, _: str) -> ClipTokens:
        tokens = np.stack([self._of[clip.sha256]] * 2).astype(np.float16)
        return ClipTokens(tokens, tokens[:, 0], (2,))


def table(kept: Any, recipe: TokenRecipe) -> TokenTable:
    return TokenTable(CLIPS, kept, recipe)


def said(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the teacher said, taken out of moved labels."""
    return (labels - 0.5 * LABELS) / 0.5


def test_rows_are_those_of_the_recipes_layers() -> None:
    whole = table(Kept(1, 0.2), WHOLE)
    rows = Teacher(whole, SMALL).rows("raw").reshape(len(CLIPS), 2, WIDTH)
    everything = whole.of("raw")[0].reshape(len(CLIPS), 3, WIDTH)
    np.testing.assert_array_equal(rows, everything[:, [0, 2]])
    with pytest.raises(ValueError):
        Teacher(whole, replace(SMALL, layers=(0,))).rows("raw")


def test_labels_move_by_the_share_toward_what_others_clips_tell() -> None:
    teacher = Teacher(table(Kept(1, 0.2), WHOLE), SMALL)
    everything = np.ones(len(CLIPS), bool)
    moved = teacher.labels(everything)
    assert ((moved > 0) & (moved < 1)).all()
    assert said(moved)[LABELS == 1].mean() > said(moved)[LABELS == 0].mean() + 0.1
    some = everything.copy()
    some[:16] = False
    assert (teacher.labels(some)[:16] == LABELS[:16]).all()


def test_nothing_is_said_of_a_clip_by_heads_that_saw_its_group() -> None:
    """A teacher of pure noise knows its own clips by heart, and others' not at all."""
    teacher = Teacher(table(Kept(2, 0.0), WHOLE), SMALL)
    guess = said(teacher.labels(np.ones(len(CLIPS), bool)))
    assert abs(guess[LABELS == 1].mean() - guess[LABELS == 0].mean()) < 0.1


def test_heads_that_are_taught_are_better_on_blurred_tokens() -> None:
    whole, small = Kept(1, 0.25), Kept(1, 0.25, blurred=2.0)
    inside = np.arange(len(CLIPS)) < 48
    plain = TrainingTable(CLIPS, small, replace(SMALL, teacher_share=0.0))  # type: ignore[arg-type]  # Kept stands for a cache
    teacher = Teacher(table(whole, WHOLE), SMALL)
    taught = TrainingTable(CLIPS, small, SMALL, teacher)  # type: ignore[arg-type]  # as above
    gaps = []
    for one in (plain, taught):
        logits = one.logits(one.fit(inside), "raw")[~inside]
        truth = LABELS[~inside]
        gaps.append((logits[truth == 1].mean() - logits[truth == 0].mean()) / logits.std())
    assert gaps[1] > gaps[0]


def test_a_row_between_the_classes_counts_for_both() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(80, 6)) + np.repeat([[0.0], [1.0]], 40, axis=0)
    labels, weights = np.repeat([0.0, 1.0], 40), np.ones(80)
    sure = fit_head(rows, labels, weights, components=6, strength=1.0)
    unsure = fit_head(rows, 0.25 + labels / 2, weights, components=6, strength=1.0)
    assert 0 < np.linalg.norm(unsure.weight) < np.linalg.norm(sure.weight)
    twice = fit_head(
        np.concatenate([rows, rows]), np.r_[labels, labels], np.r_[weights, weights],
        components=6, strength=0.5,
    )  # fmt: skip
    np.testing.assert_allclose(twice.weight, sure.weight, rtol=5e-3)
