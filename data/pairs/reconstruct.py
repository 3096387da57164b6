"""`unreel pairs reconstruct`: camera bursts beside what an autoencoder makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unreel.data.manifest import Clip
from unreel.data.pairs.encoding import Encodings, checked, encode
from unreel.data.pairs.footage import Burst, read_burst
from unreel.data.pairs.latents import DEFAULT_STRENGTHS, Autoencoder, Strength
from unreel.data.pairs.pair_folder import (
    Job,
    Outcome,
    PairFolder,
    described,
    write,
)
from unreel.data.pairs.sources import camera_clips
from unreel.data.seeds import rng_of, seed_of
from unreel.detector.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a pair, beside the clip and the autoencoder."""

    frames: int = 25
    crop: int = 256
    """Side of the square at native size, pixels; 0 = the whole frame."""
    variants: int = 1
    """Pairs from each clip, at other places, strengths and encodings."""
    strengths: tuple[Strength, ...] = DEFAULT_STRENGTHS
    encodings: Encodings = Encodings()  # noqa: RUF009  # frozen
    seed: int = 0

    def recipe(self, autoencoder: str) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": "reconstruct", "autoencoder": autoencoder, "frames": self.frames,
            "crop": self.crop, "strengths": [str(s) for s in self.strengths],
            "codecs": list(self.encodings.codecs), "condition": self.encodings.condition,
            "crf": [self.encodings.crf_low, self.encodings.crf_high], "seed": self.seed,
        }  # fmt: skip


def reconstruct_all(
    source: Path,
    out: Path,
    autoencoder: Autoencoder,
    settings: Settings,
    *,
    follow: Callable[[list[Job]], Iterable[Job]] = lambda jobs: jobs,
) -> Outcome:
    """Make a pair of each camera clip and variant that has none yet.

    Args:
        source: A manifest, of which the clips labelled `real` are taken, a folder or a video.
        out: The folder of pairs; the same call takes it up where it stopped.
        autoencoder: Makes the second halves.
        settings: The recipe.
        follow: Wraps the list of jobs, for a progress bar.

    Raises:
        UsageError: A setting is off, or `out` holds other pairs.
    """
    checked(settings.encodings)
    if settings.crop and settings.crop < 2 * max(autoencoder.multiple, 32):
        raise UsageError(f"a crop of {settings.crop} pixels: allowed are 0 and 64 or more")
    if settings.frames < 5 or settings.variants < 1 or not settings.strengths:
        raise UsageError("allowed are 5 frames or more, 1 variant or more, 1 strength or more")
    folder = PairFolder(out, settings.recipe(autoencoder.name))
    return folder.add_all(
        camera_clips(source), settings.variants,
        lambda clip, variant: _add(folder, clip, variant, autoencoder, settings), follow,
    )  # fmt: skip


def _add(
    folder: PairFolder,
    clip: Clip,
    variant: int,
    autoencoder: Autoencoder,
    settings: Settings,
) -> None:
    # Content and variant alone decide what is drawn: a file that moved gives the same pair.
    draw = (settings.seed, clip.sha256, variant)
    burst = read_burst(
        str(clip.path), sha256=clip.sha256, frames=settings.frames, crop=settings.crop,
        multiple=max(autoencoder.multiple, 2), rng=rng_of("burst", *draw),
    )  # fmt: skip
    pair_id = folder.name(burst.sha256, variant)
    rng = rng_of("pair", *draw)
    strength = settings.strengths[int(rng.integers(len(settings.strengths)))]
    how = settings.encodings.draw(rng)
    noise_seed = seed_of("noise", *draw)
    made = autoencoder.reconstruct(burst.frames, strength, noise_seed)
    facts = {
        "kind": "reconstruct", "autoencoder": autoencoder.name, "noise": strength.noise,
        "levels": strength.levels, "noise_seed": noise_seed, **_place(burst, clip),
        "encoding": how.as_dict(),
    }  # fmt: skip
    with folder.adding(pair_id) as scratch:
        clips = []
        for stem, frames in (("real", burst.frames), ("reconstructed", made)):
            path = encode(frames, burst.pts_seconds.tolist(), scratch, stem, how)
            values: dict[str, Any] = {"label": "real", "family": clip.family or "camera"}
            if stem != "real":
                values = {"label": "generated", "family": "reconstruction"}
                values["generator"] = autoencoder.name
            clips.append(
                described(
                    path, pair_id=pair_id, group=clip.group, source=clip.source,
                    recipe=json.dumps(facts, sort_keys=True), **values,
                )
            )  # fmt: skip
        write(scratch, clips)


def _place(burst: Burst, clip: Clip) -> dict[str, Any]:
    """Where in which clip the burst lies."""
    height, width = burst.frames.shape[1:3]
    return {
        "source_sha256": burst.sha256, "begins_seconds": round(burst.begins_seconds, 4),
        "frames": len(burst.frames), "left": burst.left, "top": burst.top, "width": width,
        "height": height, "source_label": clip.label,
    }  # fmt: skip
