"""`unreel models`: which models are here, one more file from elsewhere, one from a training run."""

from __future__ import annotations

from pathlib import Path

import click

from unreel.detector.commands import EXIT_UNREADABLE, Lazy, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        # Training makes files, never imports: the exporter is named here and loaded when called.
        "export": Lazy(
            "unreel.training.commands:export", "Turn a training run into a model folder."
        ),
        "push": Lazy("unreel.detector.hub_cmd:push", "Hand a model on: to a folder or a hub."),
        "bank": Lazy("unreel.training.retrain_cmd:bank", "Make the bank that retraining replays."),
    },
)
def models() -> None:
    """List, fetch and export models. A model is a folder; `unreel scan --model DIR` uses it.

    \b
    Examples:
      unreel models list
      unreel models list my-models/*/
    """


@models.command("list", short_help="Show models and whether they can be used.")
@click.argument("folders", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))
@click.pass_context
def list_models(ctx: click.Context, folders: tuple[Path, ...]) -> None:
    """Show the model in the package, and those in the folders named; each one is loaded to see.

    \b
    Examples:
      unreel models list
      unreel models list my-models/large

    Exit code 3 when one of them cannot be used.
    """
    from unreel.detector.errors import ModelError
    from unreel.detector.model import load_model

    broken = 0
    for folder in (None, *folders):
        where = "in the package" if folder is None else str(folder)
        try:
            model = load_model(folder, threads=1)
        except ModelError as error:
            broken += 1
            click.echo(f"{where}: cannot be used: {error}")
            continue
        info, clips = model.info, model.calibration.real_clips
        click.echo(f"{where}: {info.name} {info.version}, calibrated on {clips} camera clips")
        click.echo(f"  sha256 {info.sha256} of model.onnx and head.onnx")
    if broken:
        ctx.exit(EXIT_UNREADABLE)


@models.command("pull", short_help="Fetch one file of a model and check it.")
@click.argument("url")
@click.option("--sha256", default="", metavar="HEX", help="Of a URL: hash that it must have.")
@click.option(
    "--into",
    "folder",
    default=Path("."),
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that the file goes into; made when it is not there.  [default: this one]",
)
def pull_file(url: str, sha256: str, folder: Path) -> None:
    """Fetch one file of a model over https. It is kept only if its SHA-256 is the one given.

    This is the only command that opens a connection. The name `objects` stands for FastestDet
    (COCO, BSD-3-Clause), for `unreel scan --object-detector`.

    \b
    Examples:
      unreel models pull objects
      unreel models pull https://models.example.org/large/model.onnx \\
          --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 \\
          --into my-models/large
    """
    from unreel.detector.pull import pull

    click.echo(pull(url, sha256=sha256, folder=folder))
