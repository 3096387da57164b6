"""`unreel train-faces`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train-faces", short_help="Fit and measure the faces lane.")
@click.option(
    "--manifest", required=True, type=click.Path(path_type=Path),
    help="CSV with path, label, group and family of each clip.",
)  # fmt: skip
@click.option(
    "--pairs", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that `unreel pairs face-blend` made of its camera clips. Repeatable.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option(
    "--face-detector", type=click.Path(path_type=Path), metavar="FILE",
    help="YuNet or CenterFace as ONNX.  [default: what `unreel models pull faces` fetched]",
)  # fmt: skip
@click.option(
    "--condition",
    default="canonical",
    show_default=True,
    help="Under which clips of the manifest are compared; blends are read as they were encoded.",
)
@click.option(
    "--cache", "cache_folder", type=click.Path(path_type=Path), default=Path("cache/faces"),
    show_default=True, help="Where numbers of faces are kept between runs.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True, help="Clips that are looked at at once.")
def train_faces(
    manifest: Path,
    pairs: tuple[Path, ...],
    out: Path,
    face_detector: Path | None,
    condition: str,
    cache_folder: Path,
    workers: int,
) -> None:
    """Fit the line of the faces lane on the camera clips of a manifest that show faces, on its
    clips of the families face-swap, lip-sync, talking-head and reenactment, and on blends.

    Folds are by group; OUT gets tables.md with what each part is worth on unseen groups, and
    OUT/model with weights, calibration and metrics.

    \b
    Examples:
      unreel pairs face-blend corpus/manifest.csv blends/ --variants 3 --condition canonical
      unreel train-faces --manifest corpus/manifest.csv --pairs blends/ --out runs/faces
    """
    from unreel.training.face_pipeline import run_faces
    from unreel.training.face_run import FaceRecipe

    run_faces(
        manifest, pairs, out, FaceRecipe(),
        face_detector=face_detector, condition=condition, cache_folder=cache_folder,
        workers=workers, tell=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    click.echo(out / "model")
