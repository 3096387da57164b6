"""The command `unreel models push`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Hand a model on: to a folder, or to a hub.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("target")
@click.option("--public", is_flag=True, help="Of a repository that has to be made on a hub.")
def push(folder: Path, target: str, public: bool) -> None:
    """Copy a model with its card, calibration and the sha256 of each file to TARGET: a folder that
    is not there yet (no connection is opened), or hf://OWNER/NAME (extra `hub`).

    \b
    Examples:
      unreel models push runs/newgen/model /mnt/share/models/newgen
      unreel models push runs/newgen/model hf://our-desk/newgen
    """
    from unreel.detector.hub import push as push_model

    click.echo(push_model(folder, target, private=not public))
