"""Teach a model a new generator, read from top to bottom.

    unreel retrain --from MODEL --new FOLDER --generator NAME --out runs/x

The encoder stays as it is; its embeddings of the old clips come from the bank, those of the new
ones are computed once; the head is fitted again on both, calibrated on camera clips that it had not
seen, and held against the old one before anything is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import set_facts
from unreel.data.manifest import Clip
from unreel.detector.errors import MediaError, UsageError
from unreel.detector.model import load_model
from unreel.training.bank import FILE, Bank, known_clips, load_bank
from unreel.training.before_after import Gate, Row, compare
from unreel.training.cache import FrameCache
from unreel.training.calibrate import HeldOut
from unreel.training.embed import embed_clips
from unreel.training.few_shot import Point, curve
from unreel.training.heads import encoder_digest
from unreel.training.linear_head import LinearHead
from unreel.training.new_clips import LEAST, NOT_MADE, clips_of, join_twins, make_pairs
from unreel.training.refit import fit_on, folds_of, out_of_fold
from unreel.training.shortcuts import Separation, separations

Tell = Callable[[str], None]
Mask = NDArray[np.bool_]
CALIBRATED_ON = ("raw", "canonical")


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a retraining found; nothing is written yet."""

    generator: str
    bank: Bank
    """Old and new clips."""
    new: Mask
    """(n,) rows that were not in the bank."""
    tested: Mask
    """(n,) rows of the new generator that no head of the table had seen."""
    notes: tuple[str, ...]
    """What happened to the clips: duplicates, unreadable files, shortcuts."""
    rows: tuple[Row, ...]
    points: tuple[Point, ...]
    head: LinearHead
    """Fitted on everything."""
    held_out: tuple[HeldOut, ...]
    """For the calibration."""


def retrain(
    model_folder: Path,
    new: Path,
    generator: str,
    cache_folder: Path,
    *,
    family: str = "",
    real: Path | None = None,
    autoencoder: str = "",
    pairs: int = 60,
    bank_file: Path | None = None,
    sizes: Sequence[int] = (5, 10, 20, 40),
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> Retrained:
    """Refit a model on its bank and new clips, and measure what that did.

    Args:
        model_folder: The model to start from.
        new: Folder or manifest of clips of the new generator.
        generator: Its name.
        cache_folder: Of frames and facts.
        family: Its family; empty = a family of its own.
        real: Folder or manifest of camera clips to learn beside them.
        autoencoder: Makes pairs of those camera clips: a folder of weights or a hub id; empty = no
            pairs, which the notes say.
        pairs: Of at most so many of them.
        bank_file: None = bank.npz in the model folder.
        sizes: Of the few-shot curve; those beyond the clips at hand are left out.
        workers: Decoding processes.
        tell: Receives progress lines.

    Raises:
        UsageError: Nothing new, too few groups, a bank of another encoder.
        ModelError: The model, its bank or the autoencoder cannot be used.
    """
    if autoencoder and real is None:
        raise UsageError("pairs are made of camera clips: --autoencoder needs --real FOLDER")
    old = load_bank(bank_file or model_folder / FILE)
    encoder = encoder_digest(model_folder)
    if encoder != old.encoder:
        raise UsageError(f"the bank {bank_file or model_folder / FILE} is not of {model_folder}")
    notes: list[str] = []

    # ---- clips: listed, measured, held against what is known ------------------------------------
    clips = clips_of(new, generator=generator, label="generated", family=family)
    if real is not None:
        clips += clips_of(real, generator="", label="real")
    given = clips
    clips = _without_known(clips, old, notes)
    clips, facts = _measured(clips, cache_folder, workers, tell, notes)
    clips = _grouped(clips, facts, old, generator, notes)
    notes += _shortcuts(clips, facts, old)
    if autoencoder:
        sources = _sources_of_pairs(given, clips, old)
        halves, said = make_pairs(sources, autoencoder, cache_folder, most=pairs, tell=tell)
        notes += said
        halves, more = _measured(halves, cache_folder, workers, tell, notes)
        clips, facts = [*clips, *halves], [*facts, *more]
    elif real is not None:
        notes.append(NOT_MADE)

    # ---- embeddings -----------------------------------------------------------------------------
    model = load_model(model_folder)
    cache = FrameCache(cache_folder / "frames", model.sampling, model.short_side)
    added = embed_clips(
        model, encoder, old.settings, clips, facts, list(old.embeddings), cache,
        workers=workers, tell=tell,
    )  # fmt: skip
    return learn(old, added, generator, sizes=sizes, notes=notes, tell=tell)


def learn(
    old: Bank,
    added: Bank,
    generator: str,
    *,
    sizes: Sequence[int],
    notes: Sequence[str] = (),
    tell: Tell = lambda _: None,
) -> Retrained:
    """The part of `retrain` that needs no video: heads, table, curve, calibration.

    Args:
        old: The bank.
        added: New clips of the generator, and camera clips.
        generator: Its name.
        sizes: Of the few-shot curve.
        notes: Handed on.
        tell: Receives progress lines.
    """
    bank, settings = old.joined(added), old.settings
    conditions = list(bank.embeddings)
    is_new = np.arange(len(bank.clips)) >= len(old.clips)
    folds = folds_of(bank.clips, settings)
    tested = is_new & _test_part(bank, is_new, settings.seed)
    tell("fitting heads without and with the new clips, by folds")
    before = out_of_fold(bank, ~is_new, folds, settings, conditions)
    after = out_of_fold(bank, ~tested, folds, settings, conditions)
    of_old = ~is_new
    rows = compare(bank, tested, folds, before, after, generator, of_old)
    tell("few-shot curve")
    points = curve(bank, is_new, tested, folds, sizes)
    # What ships has learnt all of them, and its calibration comes from folds that did so too.
    tell("fitting the head that ships, and the folds that calibrate it")
    everything = np.ones(len(bank.clips), bool)
    final = out_of_fold(bank, everything, folds, settings, conditions)
    return Retrained(
        generator, bank, is_new, tested, tuple(notes), tuple(rows), tuple(points),
        fit_on(bank, everything, settings), tuple(_held_out(bank, final)),
    )  # fmt: skip


def refusals(found: Retrained, gate: Gate) -> list[str]:
    """Why the gate would not let the model be written."""
    return gate.refusals(found.rows)


def _without_known(clips: Sequence[Clip], old: Bank, notes: list[str]) -> list[Clip]:
    known = {c.sha256 for c in old.clips}
    left = [c for c in clips if c.sha256 not in known]
    if len(left) < len(clips):
        notes.append(f"{len(clips) - len(left)} clips are in the bank already and were left out")
    if not any(c.is_positive for c in left):
        raise UsageError("no clip of the new generator is new: the bank has all of them already")
    return left


def _sources_of_pairs(given: Sequence[Clip], clips: Sequence[Clip], old: Bank) -> list[Clip]:
    """Camera clips that were given and can be read, those too that the bank has already."""
    group_of = {c.sha256: c.group for c in (*old.clips, *clips)}
    return [
        replace(c, group=group_of[c.sha256])
        for c in given
        if not c.is_positive and c.sha256 in group_of
    ]


def _measured(
    clips: Sequence[Clip], folder: Path, workers: int, tell: Tell, notes: list[str]
) -> tuple[list[Clip], list[ClipFacts]]:
    found = set_facts(clips, "raw", folder / "facts", workers=workers, tell=tell)
    kept, facts = [], []
    for clip, fact in zip(clips, found, strict=True):
        if isinstance(fact, MediaError):
            notes.append(f"{clip.path.name} cannot be read and was left out: {fact.code}")
        else:
            kept.append(clip)
            facts.append(fact)
    return kept, facts


def _grouped(
    clips: Sequence[Clip], facts: Sequence[ClipFacts], old: Bank, generator: str, notes: list[str]
) -> list[Clip]:
    """Groups that neither new nor old twins cross."""
    joined = join_twins(clips, facts, f"new:{generator}")
    group_of = {}
    for position, row in known_clips(old, facts).items():
        group_of[joined[position].group] = old.clips[row].group
        notes.append(
            f"{joined[position].path.name} shows what a known clip shows "
            f"({old.clips[row].generator or 'camera footage'}): kept in its group"
        )
    return [replace(c, group=group_of.get(c.group, c.group)) for c in joined]


def _test_part(bank: Bank, is_new: Mask, seed: int) -> Mask:
    """Half of the new generator's clips, whole groups.

    Groups may hold old clips too: what judges a clip never saw any of its group.
    """
    groups = np.array([c.group for c in bank.clips])
    positive = np.array([c.is_positive for c in bank.clips])
    fresh = is_new & positive & ~bank.paired
    names = sorted(
        set(groups[fresh].tolist()), key=lambda g: hashlib.sha256(f"{seed}/{g}".encode()).digest()
    )
    if len(names) < LEAST:
        raise UsageError(
            f"{len(names)} group of new clips: at least {LEAST} are needed, one to learn and one "
            "to test (clips of one sub-folder are a group, and so are those that show the same)"
        )
    tested = np.zeros(len(groups), bool)
    half = fresh.sum() / 2
    for name in names[1:]:  # at least one group is learnt
        members = fresh & (groups == name)
        if not tested.any() or tested.sum() + members.sum() <= np.ceil(half):
            tested |= members
    return tested


def _shortcuts(clips: Sequence[Clip], facts: Sequence[ClipFacts], old: Bank) -> list[str]:
    """What tells the new clips from camera footage without a look at them."""
    real = [i for i, c in enumerate(old.clips) if not c.is_positive]
    both = [*clips, *(old.clips[i] for i in real)]
    rows: list[Separation] = separations(both, [*facts, *(old.facts[i] for i in real)])
    return [
        f"told from camera clips by: {r.shortcut} (AUC {r.auc:.2f} on held-out groups)"
        for r in rows
        if r.exceeds(0.65)
    ]


def _held_out(bank: Bank, logits: dict[str, NDArray[np.float64]]) -> list[HeldOut]:
    rows = []
    for name in (n for n in CALIBRATED_ON if n in logits):
        for row in np.flatnonzero(np.isfinite(logits[name]) & ~bank.left_out & ~bank.paired):
            clip, quality = bank.clips[row], bank.quality[name][row]
            logit = float(logits[name][row])
            rows.append(HeldOut(clip.sha256, clip.is_positive, logit, *map(float, quality)))
    return rows
