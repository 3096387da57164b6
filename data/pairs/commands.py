"""`unreel pairs reconstruct`, `blend` and `train-autoencoder`.

Click objects only: what a command needs is imported when it runs, so that --help needs no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unreel.detector.commands import EXIT_UNREADABLE

if TYPE_CHECKING:
    from unreel.data.pairs.encoding import Encodings
    from unreel.data.pairs.pair_folder import Outcome

Job = TypeVar("Job")
_PATH = click.Path(path_type=Path)
codec_option = click.option(
    "--codec", "codecs", multiple=True, default=("h264",), show_default=True,
    help="h264, h265, av1, vp9 or lossless; one is drawn for each pair. Repeatable.",
)  # fmt: skip
crf_option = click.option(
    "--crf", nargs=2, type=int, default=(18, 32), show_default=True,
    help="Lowest and highest quality parameter to draw from, on x264's scale.",
)  # fmt: skip
condition_option = click.option(
    "--condition", help="Encode as this condition does (canonical, hard, ...), not by --codec."
)
seed_option = click.option(
    "--seed", default=0, show_default=True, help="Of everything that is drawn."
)
device_option = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True,
    help="Where the autoencoder runs.",
)  # fmt: skip


@click.command(short_help="Camera clips and their reconstructions.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=_PATH)
@click.option(
    "--autoencoder", default="causal4", show_default=True,
    help="causal4 of the package, a folder of weights, or a hub id such as madebyollin/taesd.",
)  # fmt: skip
@click.option("--frames", default=25, show_default=True, help="Neighbouring frames of a pair.")
@click.option(
    "--crop", default=256, show_default=True,
    help="Side of the square that is taken at native size, pixels; 0 = the whole frame.",
)  # fmt: skip
@click.option("--variants", default=1, show_default=True, help="Pairs from each clip.")
@click.option(
    "--strength", "strengths", multiple=True, default=("0", "0.1:32", "0.25:12"), show_default=True,
    help="NOISE or NOISE:LEVELS of the latents; one is drawn for each pair. Repeatable.",
)  # fmt: skip
@codec_option
@crf_option
@condition_option
@seed_option
@device_option
def reconstruct(
    source: Path,
    out: Path,
    autoencoder: str,
    frames: int,
    crop: int,
    variants: int,
    strengths: tuple[str, ...],
    codecs: tuple[str, ...],
    crf: tuple[int, int],
    condition: str | None,
    seed: int,
    device: str,
) -> None:
    """Make pairs of the camera clips in SOURCE (a manifest .csv, a folder, a video): bursts of
    neighbouring frames at native size, and the same through an autoencoder, both encoded alike.

    OUT gets a manifest with pair_id and recipe of each clip. The same command takes an interrupted
    run up. What cannot be read is listed in OUT/failed.csv, and the exit code is 3.

    \b
    Examples:
      unreel pairs reconstruct my-footage/ pairs/
      unreel pairs reconstruct corpus/manifest.csv pairs/ --autoencoder taef2/ --variants 2
      unreel pairs reconstruct my-footage/ pairs/ --autoencoder taef2/ --codec h265 --codec av1
      unreel pairs reconstruct my-footage/ whole/ --autoencoder taef2/ --codec lossless
    """
    from unreel.data.pairs.autoencoders import open_autoencoder
    from unreel.data.pairs.latents import parse_strength
    from unreel.data.pairs.reconstruct import Settings, reconstruct_all

    settings = Settings(
        frames, crop, variants, tuple(parse_strength(s) for s in strengths),
        _encodings(codecs, crf, condition), seed,
    )  # fmt: skip
    opened = open_autoencoder(autoencoder, device)
    end(
        out,
        reconstruct_all(source, out, opened, settings, follow=follow_with_bar("reconstructing")),
    )


@click.command(short_help="Mix the halves of pairs, with masks.")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=_PATH)
@click.option(
    "--kind", "kinds", multiple=True, default=("bands", "region", "stretch"), show_default=True,
    help="bands of frequency, a region of the frame, a stretch of time. Repeatable.",
)  # fmt: skip
@click.option("--variants", default=1, show_default=True, help="Mixtures of each pair.")
@codec_option
@crf_option
@condition_option
@seed_option
def blend(
    source: Path,
    out: Path,
    kinds: tuple[str, ...],
    variants: int,
    codecs: tuple[str, ...],
    crf: tuple[int, int],
    condition: str | None,
    seed: int,
) -> None:
    """Mix the camera half and the reconstructed half of each pair in SOURCE, a folder that `unreel
    pairs reconstruct` made. The mixture and the camera half are encoded alike; a mask (grey,
    lossless, 255 = generated) lies beside each mixture and is named in the manifest.

    \b
    Examples:
      unreel pairs reconstruct my-footage/ whole/ --autoencoder taef2/ --codec lossless
      unreel pairs blend whole/ blended/
      unreel pairs blend whole/ blended-hard/ --kind region --condition hard
    """
    from unreel.data.pairs.blend import Settings, blend_all

    settings = Settings(kinds, variants, _encodings(codecs, crf, condition), seed)
    end(out, blend_all(source, out, settings, follow=follow_with_bar("mixing")))


@click.command(short_help="Train a small video autoencoder.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=_PATH)
@click.option(
    "--hold-out", type=int, help="Fold of the manifest to keep out, as `unreel train` numbers them."
)
@click.option("--folds", default=5, show_default=True, help="Number of folds.")
@click.option("--steps", default=1800, show_default=True, help="Training steps.")
@click.option("--batch", default=2, show_default=True, help="Bursts a step.")
@click.option("--crop", default=80, show_default=True, help="Side of a burst in training, pixels.")
@seed_option
@device_option
def train_autoencoder(
    source: Path,
    out: Path,
    hold_out: int | None,
    folds: int,
    steps: int,
    batch: int,
    crop: int,
    seed: int,
    device: str,
) -> None:
    """Train the causal video autoencoder (four frames to one latent) on the camera clips of SOURCE,
    and write it to OUT/model, which `unreel pairs reconstruct --autoencoder` takes.

    Pairs that a classifier is tested beside must not come from an autoencoder that has seen the
    clips of the test: --hold-out keeps a fold out and measures on it. An interrupted run goes on.

    \b
    Examples:
      unreel pairs train-autoencoder corpus/manifest.csv runs/causal --hold-out 4
      unreel pairs train-autoencoder my-footage/ runs/causal --steps 20000 --batch 8 --device cuda
    """
    from unreel.data.pairs.train_autoencoder import Settings, train

    settings = Settings(hold_out, folds, seed, steps, batch, crop)
    metrics = train(source, out, settings, device=device, tell=lambda s: click.echo(s, err=True))
    click.echo(out / "model")
    if metrics["clips"]:
        click.echo(f"PSNR {metrics['psnr_db']} dB, median of {metrics['clips']} held-out clips")


def _encodings(codecs: tuple[str, ...], crf: tuple[int, int], condition: str | None) -> Encodings:
    from unreel.data.pairs.encoding import Encodings

    return Encodings(codecs, *crf, condition)


def follow_with_bar(label: str) -> Callable[[list[Job]], Iterable[Job]]:
    """A progress bar on stderr where a person watches; nothing elsewhere."""

    def follow(jobs: list[Job]) -> Iterable[Job]:
        hidden: dict[str, Any] = {"hidden": not sys.stderr.isatty()}
        with click.progressbar(jobs, label=label, file=sys.stderr, **hidden) as bar:
            yield from bar

    return follow


def end(out: Path, outcome: Outcome) -> None:
    click.echo(out / "manifest.csv")
    words = f"{outcome.made} pairs made, {outcome.kept} were there"
    if outcome.failed:
        words += f", {len(outcome.failed)} sources failed: {out / 'failed.csv'}"
    click.echo(words, err=True)
    if outcome.failed:
        raise click.exceptions.Exit(EXIT_UNREADABLE)
