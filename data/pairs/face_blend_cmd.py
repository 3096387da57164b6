"""`unreel pairs face-blend`."""

from __future__ import annotations

from pathlib import Path

import click

from unreel.data.pairs.commands import (
    codec_option,
    condition_option,
    crf_option,
    device_option,
    end,
    follow_with_bar,
    seed_option,
)


@click.command("face-blend", short_help="Blend faces of camera clips into themselves.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--face-detector", type=click.Path(path_type=Path), metavar="FILE",
    help="YuNet or CenterFace as ONNX.  [default: what `unreel models pull faces` fetched]",
)  # fmt: skip
@click.option(
    "--kind", "kinds", multiple=True,
    default=("self", "jitter", "framewise", "mouth", "resynthesis"), show_default=True,
    help="A swap, one whose rim trembles, one made frame by frame, a mouth of another moment, a "
    "mouth drawn anew. The variants of a clip take turns. Repeatable.",
)  # fmt: skip
@click.option("--variants", default=1, show_default=True, help="Pairs from each clip.")
@click.option("--frames", default=48, show_default=True, help="Neighbouring frames of a pair.")
@click.option(
    "--long-side", default=960, show_default=True,
    help="Larger frames are shrunk to this first, pixels; 0 = never.",
)  # fmt: skip
@click.option(
    "--close", is_flag=True,
    help="Encode the surroundings of the face alone, as large as in the whole frame, and take one "
    "burst for all variants of a clip: many blends at little cost.",
)  # fmt: skip
@click.option(
    "--autoencoder",
    help="Draws mouths anew: a folder of weights or a hub id.  [default: the clip's components]",
)
@codec_option
@crf_option
@condition_option
@seed_option
@device_option
def face_blend(
    source: Path,
    out: Path,
    face_detector: Path | None,
    kinds: tuple[str, ...],
    variants: int,
    frames: int,
    long_side: int,
    close: bool,
    autoencoder: str | None,
    codecs: tuple[str, ...],
    crf: tuple[int, int],
    condition: str | None,
    seed: int,
    device: str,
) -> None:
    """Make pairs of the camera clips in SOURCE (a manifest .csv, a folder, a video) that show a
    face: a burst of neighbouring frames, and the same with the face blended into itself. Both are
    encoded alike; a mask (grey, lossless, 255 = blended in) lies beside each blend and is named in
    the manifest. No swapped face of anybody is needed.

    The same command takes an interrupted run up. Clips without a face are listed in OUT/failed.csv,
    and the exit code is 3.

    \b
    Examples:
      unreel pairs face-blend my-footage/ blends/ --variants 5
      unreel pairs face-blend corpus/manifest.csv blends/ --variants 8 --condition canonical --close
      unreel pairs face-blend my-footage/ lips/ --kind mouth --kind resynthesis
      unreel pairs face-blend my-footage/ lips/ --kind resynthesis --autoencoder taef2/
    """
    from unreel.data.pairs.encoding import Encodings
    from unreel.data.pairs.face_blend import Settings, blend_faces
    from unreel.detector.faces.finding import FaceDetector
    from unreel.detector.faces.published import face_detector_file

    settings = Settings(
        frames, long_side, close, kinds, variants, Encodings(codecs, *crf, condition), seed
    )
    detector = FaceDetector(face_detector_file(face_detector))
    redraw = None
    if autoencoder:
        from unreel.data.pairs.autoencoders import open_autoencoder

        redraw = open_autoencoder(autoencoder, device)
    bar = follow_with_bar("blending faces")
    end(out, blend_faces(source, out, detector, settings, autoencoder=redraw, follow=bar))
