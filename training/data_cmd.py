"""The command `unreel data`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Make training sets ready for other machines.

    \b
    Example:
      unreel data pack corpus/manifest.csv --recipe gpu --out shards
    """


@data.command(short_help="Write a set as WebDataset shards.")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--recipe", default="laptop", show_default=True, help="Sampling and conditions.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of shards.")
@click.option("--shard-mb", default=256, show_default=True, help="Size of a shard.")
@click.option(
    "--cache", "cache_folder", type=click.Path(path_type=Path), default=Path("cache/frames"),
    show_default=True, help="Where decoded frames are kept.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True, help="Decoding processes.")
def pack(
    manifest: Path, recipe: str, out: Path, shard_mb: int, cache_folder: Path, workers: int
) -> None:
    """Decode the clips of MANIFEST once, as a recipe sees them, into tar files that are read from
    front to back: `unreel train RECIPE --shards OUT` needs neither the clips nor a cache.

    \b
    Examples:
      unreel data pack corpus/manifest.csv --recipe gpu --out shards
      unreel train gpu --manifest corpus/manifest.csv --shards shards --out runs/gpu --part final
    """
    from unreel.data.fact_cache import with_hashes
    from unreel.data.manifest import read_manifest
    from unreel.detector.errors import UsageError
    from unreel.training.cache import FrameCache
    from unreel.training.cv import sampling_of
    from unreel.training.recipe import Recipe, load_recipe
    from unreel.training.shards import pack as pack_set

    wanted = load_recipe(recipe)
    if not isinstance(wanted, Recipe):
        raise UsageError(f"the recipe {recipe} stands on a frozen encoder: it reads no frames")
    clips = with_hashes(read_manifest(manifest))
    cache = FrameCache(cache_folder, sampling_of(wanted), wanted.short_side)

    def tell(line: str) -> None:
        click.echo(line, err=True)

    for problem in cache.fill(clips, wanted.conditions, workers=workers, tell=tell):
        tell(f"left out: {problem}")
    names = pack_set(
        clips, list(wanted.conditions), cache, out, shard_bytes=shard_mb * 1_000_000, tell=tell
    )
    click.echo(f"{out}: {len(names)} shards")
