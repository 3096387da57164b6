"""The commands `unreel retrain` and `unreel models bank`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unreel.detector.judging_options import ModelFolder

EXIT_REFUSED = 1
_CACHE = click.option(
    "--cache", "cache_folder", type=click.Path(path_type=Path), default=Path("cache/retrain"),
    show_default=True, help="Where frames, facts and embeddings are kept between runs.",
)  # fmt: skip
_WORKERS = click.option("--workers", default=2, show_default=True, help="Decoding processes.")
_FOLDER = click.Path(path_type=Path, exists=True)


class _Start(ModelFolder):
    """A model folder, `small` for the one in the package, or one that was pulled by its name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from unreel.detector.model import DEFAULT_FOLDER

        packaged = str(value) == "small" and not Path(value).is_dir()
        return DEFAULT_FOLDER if packaged else super().convert(value, param, ctx)


def _tell(line: str) -> None:
    click.echo(line, err=True)


@click.command(short_help="Teach a model a new generator.")
@click.option(
    "--from", "model", required=True, type=_Start(path_type=Path, exists=True),
    help="Model to start from: a folder, or small for the one in the package.",
)  # fmt: skip
@click.option("--new", required=True, type=_FOLDER, help="Folder or manifest of its clips.")
@click.option("--generator", required=True, help="Name of the new generator.")
@click.option("--family", default="", help="Its family (t2v, i2v, v2v, ...), if it has one.")
@click.option("--real", type=_FOLDER, help="Folder or manifest of camera clips to learn beside.")
@click.option(
    "--autoencoder", default="", metavar="causal4|FOLDER|ID",
    help="Also make pairs of those camera clips with it, as `unreel pairs reconstruct` does.",
)  # fmt: skip
@click.option("--pairs", default=60, show_default=True, help="Of at most so many of them.")
@click.option("--bank", type=_FOLDER, help="Bank of the model.  [default: bank.npz in its folder]")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option(
    "--margin", default=0.02, show_default=True, help="AUC that an old family may lose.",
)  # fmt: skip
@click.option(
    "--fpr-margin", default=0.01, show_default=True,
    help="Growth of false alarms that is allowed, as a share of camera clips.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write the model whatever the gate says; in its card.")
@_CACHE
@_WORKERS
@click.pass_context
def retrain(
    ctx: click.Context,
    model: Path,
    new: Path,
    generator: str,
    family: str,
    real: Path | None,
    autoencoder: str,
    pairs: int,
    bank: Path | None,
    out: Path,
    margin: float,
    fpr_margin: float,
    force: bool,
    cache_folder: Path,
    workers: int,
) -> None:
    """Fit a model's head again on its bank and on clips of a generator that it does not know.

    Half of the new clips, by source, are held out; the table shows them, each old family and the
    false alarms before and after. The new model folder is OUT/model; a gate refuses to write one
    that loses more than a margin on what was known.

    \b
    Examples:
      unreel retrain --from small --new clips/newgen --generator newgen-1 --out runs/newgen
      unreel retrain --from my-model --new newgen.csv --generator newgen-1 --real own-footage \\
          --out runs/newgen
      unreel retrain --from small --new clips/newgen --generator newgen-1 --real own-footage \\
          --autoencoder taef2/ --out runs/newgen-pairs

    \b
    Exit codes:
      0  the model was written
      1  the gate refused (--force writes it all the same)
      2  the call itself is off
    """
    import json
    from dataclasses import asdict

    from unreel.training.before_after import Gate
    from unreel.training.retrain import refusals
    from unreel.training.retrain import retrain as run
    from unreel.training.retrained_model import summary, write_model

    found = run(
        model, new, generator, cache_folder, family=family, real=real, autoencoder=autoencoder,
        pairs=pairs, bank_file=bank, workers=workers, tell=_tell,
    )  # fmt: skip
    gate = Gate(margin, fpr_margin)
    refused = refusals(found, gate)
    text = summary(found, refused, gate)
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    rows = {"rows": [r.as_dict() for r in found.rows], "curve": [asdict(p) for p in found.points]}
    (out / "table.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    click.echo(text)
    if refused and not force:
        click.echo("no model was written", err=True)
        ctx.exit(EXIT_REFUSED)
    write_model(found, model, out / "model", refused, gate)
    click.echo(out / "model")


@click.command("bank", short_help="Make the bank that retraining replays.")
@click.argument("model", type=_Start(path_type=Path, exists=True))
@click.option("--manifest", required=True, type=_FOLDER, help="The clips it was trained on.")
@click.option("--out", type=click.Path(path_type=Path), help="[default: bank.npz in MODEL]")
@click.option(
    "--condition", "conditions", multiple=True, default=("raw", "canonical", "hard"),
    show_default=True, help="Conditions that clips are seen under, all alike. Repeatable.",
)  # fmt: skip
@click.option(
    "--components", default=250, show_default=True, help="Principal components of the head."
)
@click.option("--strength", default=0.002, show_default=True, help="Inverse of its penalty.")
@_CACHE
@_WORKERS
def bank(
    model: Path,
    manifest: Path,
    out: Path | None,
    conditions: tuple[str, ...],
    components: int,
    strength: float,
    cache_folder: Path,
    workers: int,
) -> None:
    """Embed the clips that MODEL was trained on: some KB a clip and condition, and no picture.

    The bank of `small` is in the package. That of `base` would be four times as large: this command
    writes it into the folder that `unreel models pull base` made. With the folder above that of
    `unreel train --cache` what training kept is taken instead of computed again.

    \b
    Examples:
      unreel models bank my-model --manifest corpus/manifest.csv
      unreel models bank base --manifest corpus/manifest.csv --cache cache
    """
    from unreel.data.manifest import read_manifest
    from unreel.training.bank import FILE, HeadSettings
    from unreel.training.make_bank import make_bank

    settings = HeadSettings(components, strength, tuple((c, 1.0) for c in conditions))
    where = out or model / FILE
    make_bank(
        model, read_manifest(manifest), conditions, cache_folder, where, settings,
        workers=workers, tell=_tell,
    )  # fmt: skip
    click.echo(where)
