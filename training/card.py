"""MODEL_CARD.md of an exported model: what it was made from, what it is blind to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unreel.data.manifest import Clip
from unreel.training.calibrate import HeldOut
from unreel.training.recipe import Recipe

_TEXT = """\
# {name} {version}

Logit of a burst of frames: generated or manipulated (higher) against camera footage.

## Made from
- backbone `{backbone}`, started from ImageNet weights (Apache-2.0); the stem, {stages} stages and
  the depthwise filters keep them
- {positives} generated and manipulated clips of {generators} generators and {reals} camera clips of
  {sources} sources, in {groups} groups; none of the clips is part of this package
- clips seen under: {conditions}; {epochs} epochs, seed {seed}; face manipulations left out

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


def write_card(
    folder: Path, recipe: Recipe, clips: Sequence[Clip], rows: Sequence[HeldOut], accuracy: str = ""
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
        backbone=recipe.backbone,
        stages=recipe.frozen_stages,
        positives=kinds[True],
        reals=kinds[False],
        generators=len({c.generator for c in used if c.is_positive}),
        sources=len({c.source for c in used if not c.is_positive}),
        groups=len({c.group for c in used}),
        conditions=", ".join(recipe.conditions),
        conditions_of=" and ".join(recipe.calibration_conditions),
        epochs=recipe.epochs,
        seed=recipe.seed,
        held_real=len({r.clip for r in rows if not r.positive}),
        held_generated=len({r.clip for r in rows if r.positive}),
        accuracy=accuracy
        or "Not measured yet: `unreel evaluate RUN --manifest ... --condition all`.\n",
    )
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")
