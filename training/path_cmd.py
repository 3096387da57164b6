"""`unreel train-paths`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train-paths", short_help="Train the head that sees things morph, bend, grow.")
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path),
    help="CSV with path, label and group of each clip; the camera clips are used.",
)  # fmt: skip
@click.option(
    "--planted", multiple=True, required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that `unreel pairs plant` made of these camera clips. Repeatable.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the heads.")
@click.option(
    "--cache", type=click.Path(path_type=Path), default=Path("cache/paths"), show_default=True,
    help="Where numbers of clips are kept between runs.",
)  # fmt: skip
@click.option("--rounds", default=4, show_default=True, help="Rounds of looking for what is hard.")
@click.option("--steps", default=1500, show_default=True, help="Steps of one round.")
@click.option("--workers", default=2, show_default=True, help="Clips that are measured at once.")
def train_paths(
    manifest: Path,
    planted: tuple[Path, ...],
    out: Path,
    cache: Path,
    rounds: int,
    steps: int,
    workers: int,
) -> None:
    """Train the head over the ways of places (identity-morph, rigidity-break, scale-drift,
    impossible-acceleration, and things that come or go slowly) on planted events, their lawful
    twins and camera clips.

    OUT gets a head for each fold by group, for measurements, and head.npz, trained on all. To use
    it, measure it with benchmarks/evidence.py, which also makes the reference that goes with it.

    \b
    Examples:
      unreel pairs plant corpus/manifest.csv planted/
      unreel train-paths --manifest corpus/manifest.csv --planted planted/ --out runs/paths
    """
    from unreel.training.path_head import PathRecipe
    from unreel.training.path_run import run_paths

    head = run_paths(
        manifest, planted, out, PathRecipe(rounds=rounds, steps=steps),
        cache=cache, workers=workers, tell=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    click.echo(head)
