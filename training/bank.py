"""The bank: what is kept of a training set so that a model can learn on without its clips.

One vector of half precision for each clip and condition, what the split needs to know of the clip
(class, family, group), and its facts with perceptual hashes: 8 KB a clip and condition. No path, no
picture and no file name is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.data.clip_facts import ClipFacts
from unreel.data.fact_cache import facts_from_json, facts_to_json
from unreel.data.manifest import Clip
from unreel.data.perceptual_hash import find_matches
from unreel.detector.errors import ModelError, UsageError

FILE = "bank.npz"
"""Beside the model's graphs."""
_FORMAT = 1
_TEXTS = ("sha256", "label", "family", "generator", "group")
_LATER = ("pair_id",)
"""Columns that older banks lack."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How heads are fitted; the defaults are those of the recipe `base`."""

    components: int = 250
    strength: float = 0.002
    conditions: tuple[tuple[str, float], ...] = (("raw", 1.0), ("canonical", 1.0), ("hard", 1.0))
    """Conditions that a head is fitted under, with their weights."""
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Bank:
    """Clips as the model's encoder sees them; all sequences have one entry for each clip."""

    encoder: str
    """sha256 of what made the embeddings; those of two encoders cannot be compared."""
    settings: HeadSettings
    """How the model's head was fitted on them."""
    clips: tuple[Clip, ...]
    """Without paths; `pair_id` marks halves of pairs that were made for retraining."""
    facts: tuple[ClipFacts, ...]
    embeddings: dict[str, NDArray[np.float16]]
    """Condition -> (n, D) mean over the frames of each window and then over windows; a row of NaN
    for what could not be read."""
    quality: dict[str, NDArray[np.float64]]
    """Condition -> (n, 2) short side and bits per pixel as encoded: buckets of the calibration."""
    left_out: NDArray[np.bool_]
    """(n,) clips that no head is fitted or judged on: face manipulations, unless retraining was
    asked to learn them."""

    def __post_init__(self) -> None:
        parts = [self.clips, self.facts, self.left_out]
        lengths = {len(p) for p in [*parts, *self.embeddings.values(), *self.quality.values()]}
        if len(lengths) != 1 or set(self.embeddings) != set(self.quality):
            raise ValueError(f"parts of a bank of different lengths or conditions: {lengths}")

    @property
    def paired(self) -> NDArray[np.bool_]:
        """(n,) halves of pairs: learnt, and judged apart from what was found as it is."""
        return np.array([bool(c.pair_id) for c in self.clips], bool)

    def joined(self, other: Bank) -> Bank:
        """Both, one behind the other.

        Raises:
            UsageError: They are of two encoders or lack each other's conditions.
        """
        if self.encoder != other.encoder:
            raise UsageError(
                f"the bank is of encoder {self.encoder[:12]}..., these clips were embedded by "
                f"{other.encoder[:12]}...: take the bank that belongs to the model"
            )
        if lacking := sorted(set(self.embeddings) - set(other.embeddings)):
            raise UsageError(f"the new clips were not embedded under {', '.join(lacking)}")
        return Bank(
            self.encoder,
            self.settings,
            self.clips + other.clips,
            self.facts + other.facts,
            {n: np.concatenate([e, other.embeddings[n]]) for n, e in self.embeddings.items()},
            {n: np.concatenate([q, other.quality[n]]) for n, q in self.quality.items()},
            np.concatenate([self.left_out, other.left_out]),
        )

    def subset(self, inside: NDArray[np.bool_]) -> Bank:
        """Some of the clips.

        Args:
            inside: (n,)
        """
        rows = np.flatnonzero(inside)
        return Bank(
            self.encoder,
            self.settings,
            tuple(self.clips[i] for i in rows),
            tuple(self.facts[i] for i in rows),
            {n: e[rows] for n, e in self.embeddings.items()},
            {n: q[rows] for n, q in self.quality.items()},
            self.left_out[rows],
        )


def save_bank(path: Path, bank: Bank) -> None:
    """Write a bank whole or not at all."""
    names = (*_TEXTS, *_LATER)
    texts = {name: np.array([str(getattr(c, name)) for c in bank.clips]) for name in names}
    facts = np.array([json.dumps(facts_to_json(f)) for f in bank.facts])
    arrays: dict[str, Any] = {"facts": facts, "left_out": bank.left_out, **texts}
    arrays |= {f"embeddings/{n}": e for n, e in bank.embeddings.items()}
    arrays |= {f"quality/{n}": q for n, q in bank.quality.items()}
    header = json.dumps(
        {"format": _FORMAT, "encoder": bank.encoder, "settings": asdict(bank.settings)}
    )
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, header=np.array(header), **arrays)
    os.replace(partial, path)


def load_bank(path: Path) -> Bank:
    """Read a bank; nothing in it is unpickled.

    Raises:
        ModelError: It is missing or not of this form.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            content = {name: found[name] for name in found.files}
        header = json.loads(str(content["header"]))
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']}")
        names = [*_TEXTS, *(name for name in _LATER if name in content)]
        rows = zip(*(content[name].tolist() for name in names), strict=True)
        clips = [Clip(path=Path(), **dict(zip(names, row, strict=True))) for row in rows]
        facts = [facts_from_json(json.loads(text)) for text in content["facts"].tolist()]
        return Bank(
            header["encoder"], _settings(header["settings"]), tuple(clips), tuple(facts),
            _part(content, "embeddings/"), _part(content, "quality/"), content["left_out"],
        )  # fmt: skip
    except OSError as error:
        raise ModelError(
            f"no bank at {path}: {error.strerror}; `unreel models bank MODEL --manifest ...` makes "
            "one from the clips that the model was trained on"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a bank: {error!r}") from error


def _settings(values: dict[str, Any]) -> HeadSettings:
    conditions = tuple((str(name), float(share)) for name, share in values.pop("conditions"))
    return HeadSettings(conditions=conditions, **values)


def _part(content: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {n.removeprefix(prefix): a for n, a in content.items() if n.startswith(prefix)}


def as_rows(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """Clips as a bank keeps them: without what points to a file or a person."""
    return tuple(
        replace(
            c,
            path=Path(),
            source="",
            pair_id=c.pair_id if c.recipe else "",
            note="",
            recipe="",
            mask="",
        )
        for c in clips
    )


def known_clips(bank: Bank, facts: Sequence[ClipFacts]) -> dict[int, int]:
    """Of new clips those that show what a clip of the bank shows: position -> row of the bank."""
    matches = find_matches([f.hashes for f in facts], [f.hashes for f in bank.facts])
    found: dict[int, int] = {}
    for match in matches:  # nearest first
        found.setdefault(match.first, match.second)
    return found
