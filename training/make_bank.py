"""Make the bank of a model from the clips that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unreel.data.canonical import condition
from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import set_facts, with_hashes
from unreel.data.manifest import Clip
from unreel.detector.errors import UsageError
from unreel.detector.model import load_model
from unreel.training.bank import HeadSettings, save_bank
from unreel.training.cache import FrameCache
from unreel.training.embed import embed_clips, kept_by_training
from unreel.training.heads import encoder_digest

Tell = Callable[[str], None]


def make_bank(
    model_folder: Path,
    clips: Sequence[Clip],
    conditions: Sequence[str],
    cache_folder: Path,
    target: Path,
    settings: HeadSettings,
    *,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> None:
    """Measure and embed all clips, and write them as a bank; unreadable ones are told and left out.

    Raises:
        UsageError: An unknown condition, or heads are fitted under one that is not asked for.
    """
    names = [condition(n).name for n in dict.fromkeys(conditions)]
    if lacking := [n for n, _ in settings.conditions if n not in names]:
        raise UsageError(f"heads are fitted under {lacking[0]}: add --condition {lacking[0]}")
    hashed = with_hashes(clips)
    found = set_facts(hashed, "raw", cache_folder / "facts", workers=workers, tell=tell)
    good = [(c, f) for c, f in zip(hashed, found, strict=True) if isinstance(f, ClipFacts)]
    for clip, fact in zip(hashed, found, strict=True):
        if not isinstance(fact, ClipFacts):
            tell(f"left out: {clip.path}: {fact.code}")
    model = load_model(model_folder)
    cache = FrameCache(cache_folder / "frames", model.sampling, model.short_side)
    bank = embed_clips(
        model, encoder_digest(model_folder), settings, [c for c, _ in good], [f for _, f in good],
        names, cache, known=kept_by_training(model_folder, cache), workers=workers, tell=tell,
    )  # fmt: skip
    faces = np.array([c.is_face_only for c, _ in good])  # another lane's positives
    save_bank(target, replace(bank, left_out=faces))
