"""What a model's encoder says of clips: one vector each, all that a linear head needs.

The frames come out of the frame cache, so that they are those of a scan, and go through the frame
graph of the model folder, on the CPU like a scan. Where the training of that model kept the tokens
of a clip, those are taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unreel.data.clip_facts import ClipFacts
from unreel.data.manifest import Clip
from unreel.detector.model import Model
from unreel.training.bank import Bank, HeadSettings, as_rows
from unreel.training.cache import FrameCache
from unreel.training.tokens import entry_of, mean_tokens, read_entry

Tell = Callable[[str], None]
Known = Callable[[Clip, str], NDArray[np.float16] | None]


def kept_by_training(model_folder: Path, cache: FrameCache) -> Known:
    """Embeddings out of the tokens that `unreel train` kept beside these frames.

    Args:
        model_folder: On a frozen encoder; of any other, and where nothing was kept, none is known.
        cache: Of the frames.
    """
    config = json.loads((model_folder / "config.json").read_text(encoding="utf-8"))
    encoder = config.get("encoder", {}).get("sha256")

    def known(clip: Clip, condition: str) -> NDArray[np.float16] | None:
        if not encoder or not config.get("layers"):
            return None
        path = entry_of(
            cache.folder / "tokens", encoder, int(config["frame_stride"]),
            int(config["map_layer"]), cache, clip, condition,
        )  # fmt: skip
        if not path.exists():
            return None
        entry = read_entry(path)
        return mean_tokens(entry, config["layers"]).astype(np.float16) if entry.lengths else None

    return known


def embed_clips(
    model: Model,
    encoder: str,
    settings: HeadSettings,
    clips: Sequence[Clip],
    facts: Sequence[ClipFacts],
    conditions: Sequence[str],
    cache: FrameCache,
    *,
    known: Known = lambda _clip, _condition: None,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> Bank:
    """Embed clips under some conditions; kept beside the frames, so that none is done twice.

    Args:
        model: Whose encoder looks.
        encoder: Its digest, from `heads.encoder_digest`.
        settings: How its head is fitted.
        clips: With sha256.
        facts: Of each.
        conditions: Names.
        cache: With the model's sampling.
        known: Embeddings of a clip under a condition that are there already.
        workers: Decoding processes.
        tell: Receives progress lines.
    """
    for problem in cache.fill(clips, conditions, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    embeddings, quality = {}, {}
    for name in conditions:
        rows, sides = [], []
        for done, clip in enumerate(clips, start=1):
            vector = known(clip, name)
            rows.append(_embedding(model, encoder, clip, name, cache) if vector is None else vector)
            said = cache.load(clip, name).facts
            short = min(said.get("width", np.nan), said.get("height", np.nan))
            sides.append([short, said.get("bits_per_pixel", np.nan)])
            if done % 25 == 0 or done == len(clips):
                tell(f"{name}: {done} of {len(clips)} clips embedded")
        width = max((len(r) for r in rows if r is not None), default=1)
        blank = np.full(width, np.nan, np.float16)
        embeddings[name] = np.stack([blank if r is None else r for r in rows])
        quality[name] = np.array(sides, np.float64)
    return Bank(
        encoder,
        settings,
        as_rows(clips),
        tuple(facts),
        embeddings,
        quality,
        np.zeros(len(clips), bool),
    )


def _embedding(
    model: Model, encoder: str, clip: Clip, name: str, cache: FrameCache
) -> NDArray[np.float16] | None:
    """(D,) of one clip; None when nothing of it could be sampled."""
    frames = cache.path_of(clip, name)
    kept = frames.with_suffix(f".{encoder[:12]}.npy")
    if kept.exists():
        found: NDArray[np.float16] = np.load(kept, allow_pickle=False)
        return found
    windows = [np.asarray(w) for w in cache.load(clip, name).windows]
    if not windows:
        return None
    judged = [window[:: model.frame_stride] for window in windows]
    each = [model.embed(window).mean(axis=0) for window in judged]  # (D,) of each window
    vector = np.mean(each, axis=0).astype(np.float16)
    partial = kept.with_suffix(".partial.npy")
    np.save(partial, vector)
    partial.replace(kept)
    return vector
