"""The command `unreel bias`."""

from __future__ import annotations

from pathlib import Path

import click

EXIT_OVER = 1


@click.command(short_help="Audit a set of clips for shortcuts.")
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--condition", "conditions", multiple=True, default=("raw",), show_default=True,
    help="raw, canonical, native23, hard, reshare or screen. Repeatable; the last one decides.",
)  # fmt: skip
@click.option(
    "--fail-over", "threshold", type=click.FloatRange(0.5, 1.0), default=0.65, show_default=True,
    help="AUC of a shortcut above which the exit code is 1.",
)  # fmt: skip
@click.option("--faces", is_flag=True, help="Count clips with manipulated faces too.")
@click.option(
    "--scores", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Lines of `unreel scan --json` of these clips, for labels that look wrong.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with every row.")
@click.option(
    "--cache", "cache", type=click.Path(path_type=Path, file_okay=False),
    default=Path("cache/bias"), show_default=True,
    help="Where encodes and what was measured are kept between runs.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True, help="Processes that measure clips.")
@click.option("--seed", default=0, show_default=True, help="Of folds, boosting and bootstrap.")
@click.pass_context
def bias(
    ctx: click.Context,
    manifest: Path,
    conditions: tuple[str, ...],
    threshold: float,
    faces: bool,
    scores: Path | None,
    as_json: bool,
    cache: Path,
    workers: int,
    seed: int,
) -> None:
    """Ask what tells the classes of a labelled set apart without looking at the pictures.

    Frame rate, length, size, codec, bitrate, key frames, container, sound, encoder tag, brightness
    and motion: each alone and all together, on groups that were held out. Then: clips that show the
    same on both sides of a split, labels to look at again, sources that overlap, and what to do.

    \b
    Examples:
      unreel bias corpus/manifest.csv
      unreel bias corpus/manifest.csv --condition raw --condition canonical
      unreel bias corpus/manifest.csv --condition canonical --fail-over 0.7 --json

    \b
    Exit codes:
      0  no shortcut above --fail-over under the last condition named
      1  at least one, or the manifest's own splits hold the same pictures
      2  the call itself is off
    """
    import json
    import sys

    from unreel.data.manifest import read_manifest
    from unreel.training.bias import audit_set, read_scores
    from unreel.training.bias_text import bias_text

    def tell(line: str) -> None:
        if sys.stderr.isatty():
            click.echo(line, err=True)

    report = audit_set(
        manifest, read_manifest(manifest), conditions, cache, faces=faces, workers=workers,
        scores=read_scores(scores) if scores else None, threshold=threshold, seed=seed, tell=tell,
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        click.echo(bias_text(report), nl=False)
    if report.failed:
        ctx.exit(EXIT_OVER)
