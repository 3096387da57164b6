"""The command `unreel pairs plant`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from unreel.detector.errors import UsageError


@click.command(short_help="Plant impossible events, with the truth.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Another seed, other clips.")
@click.option(
    "--event", "hows", multiple=True, metavar="NAME",
    help="Only this event, e.g. jump or occlusion; repeatable. An unknown one lists them all.",
)  # fmt: skip
@click.option(
    "--per-clip", default=4, show_default=True, type=click.IntRange(min=1),
    help="Events planted in each source, each in a clip of its own, and as many lawful twins.",
)  # fmt: skip
@click.option(
    "--simulated", default=0, show_default=True, type=click.IntRange(min=0), metavar="N",
    help="Scenes of a physics simulation besides, over pictures of the sources or drawn ones.",
)  # fmt: skip
@click.option(
    "--seconds", default=3.0, show_default=True, type=click.FloatRange(1, 20),
    help="Length of each clip.",
)  # fmt: skip
@click.option(
    "--short-side", default=320, show_default=True, type=click.IntRange(64, 1080),
    help="Pixels of the shorter side of each clip.",
)  # fmt: skip
@click.option(
    "--max-fps", default=25.0, show_default=True, type=click.FloatRange(5, 60),
    help="Faster footage is thinned to this.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N sources.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes on stderr.")
def plant(
    source: Path,
    out: Path,
    seed: int,
    hows: tuple[str, ...],
    per_clip: int,
    simulated: int,
    seconds: float,
    short_side: int,
    max_fps: float,
    limit: int | None,
    quiet: bool,
) -> None:
    """Make clips in which something impossible happens, and lawful twins in which nothing does.

    SOURCE is camera footage: a video, a folder, or the manifest of a corpus (its clips labelled
    real). OUT gets clips/, planted.jsonl (what happens, when, with boxes over time, seed and hash
    of the source) and planted.csv. The same call takes up a run that was stopped.

    \b
    Examples:
      unreel pairs plant footage/ planted/
      unreel pairs plant corpus/manifest.csv planted/ --simulated 30 --seed 7
      unreel pairs plant clip.mp4 planted/ --event jump --event occlusion
    """
    from unreel.data.pairs.plant import HOWS, Settings
    from unreel.data.pairs.plant import plant as make
    from unreel.detector.progress import ProgressLine
    from unreel.detector.text import printable

    sources = _sources(source)[:limit]
    settings = Settings(
        seed, hows or tuple(HOWS), per_clip, simulated, seconds, short_side, max_fps
    )
    watched = sys.stderr is not None and sys.stderr.isatty() and not quiet
    line = ProgressLine(len(sources) + simulated, enabled=watched)
    try:
        planted, notes = make(
            sources, out, settings, lambda done, _, name: line.show(done + 1, name, "planting")
        )
    finally:
        line.clear()
    if not quiet:
        for note in notes:
            click.echo(f"left out: {printable(note)}", err=True)
    lawful = sum(record.lawful for record in planted)
    click.echo(f"{out}: {len(planted) - lawful} planted events, {lawful} lawful twins")


def _sources(source: Path) -> list[Path]:
    """The footage that was named."""
    from unreel.data.manifest import read_manifest
    from unreel.detector.inputs import expand

    if source.suffix.lower() == ".csv":
        found = [clip.path for clip in read_manifest(source) if clip.label == "real"]
    else:
        found = [Path(item.path) for item in expand([str(source)]).files if item.error is None]
    if not found:
        raise UsageError(
            f"{source} holds no footage: name a video, a folder of them, or a manifest with clips "
            "labelled real"
        )
    return found
