"""The command group `unreel pairs`: makes clips with known truth out of camera footage.

The group only names its commands; each is loaded, with what it needs, when it is called.
"""

from __future__ import annotations

import click

from unreel.detector.commands import Lazy, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "reconstruct": Lazy(
            "unreel.data.pairs.commands:reconstruct", "Camera clips and their reconstructions."
        ),
        "blend": Lazy("unreel.data.pairs.commands:blend", "Mix the halves of pairs, with masks."),
        "face-blend": Lazy(
            "unreel.data.pairs.face_blend_cmd:face_blend",
            "Blend faces of camera clips into themselves.",
        ),
        "plant": Lazy(
            "unreel.data.pairs.plant_cmd:plant", "Plant impossible events, with the truth."
        ),
        "train-autoencoder": Lazy(
            "unreel.data.pairs.commands:train_autoencoder", "Train a small video autoencoder."
        ),
    },
)
def pairs() -> None:
    """Make clips for training and for tests, with the truth of what was done to them.

    \b
    Examples:
      unreel pairs reconstruct footage/ pairs/ --autoencoder taef2/
      unreel pairs blend pairs/ blended/
      unreel pairs face-blend footage/ faces/ --variants 5
      unreel pairs plant footage/ planted/
    """
