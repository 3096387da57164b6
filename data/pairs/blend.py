"""`unreel pairs blend`: mixtures of the two halves of pairs, with masks that say where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unreel.data.manifest import Clip
from unreel.data.pairs.encoding import (
    Encodings,
    checked,
    encode,
    masks_as_encoded,
    read_clip,
    write_masks,
)
from unreel.data.pairs.mixing import KINDS, mix
from unreel.data.pairs.pair_folder import (
    Outcome,
    PairFolder,
    described,
    pairs_of,
    write,
)
from unreel.data.seeds import rng_of
from unreel.detector.errors import MediaError, UsageError

MASK = "mask.mkv"


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a mixture, beside the pair."""

    kinds: tuple[str, ...] = KINDS
    variants: int = 1
    encodings: Encodings = Encodings()  # noqa: RUF009  # frozen
    seed: int = 0

    def recipe(self, pairs: list[str]) -> dict[str, Any]:
        """As JSON values; `pairs` are those that are mixed."""
        return {
            "kind": "blend", "kinds": list(self.kinds), "pairs": sorted(pairs),
            "codecs": list(self.encodings.codecs), "condition": self.encodings.condition,
            "crf": [self.encodings.crf_low, self.encodings.crf_high], "seed": self.seed,
        }  # fmt: skip


def blend_all(
    source: Path,
    out: Path,
    settings: Settings,
    *,
    follow: Callable[[list[str]], Iterable[str]] = lambda names: names,
) -> Outcome:
    """Mix each pair of a finished folder; the camera half goes through the same encoder again.

    Args:
        source: Written by `unreel pairs reconstruct`; best with `--codec lossless`, so that no
            encode lies between the decoder's traces and the mixture.
        out: The folder of mixtures; the same call takes it up where it stopped.
        settings: The recipe.
        follow: Wraps the list of pair ids, for a progress bar.

    Raises:
        UsageError: A setting is off, `source` is no folder of pairs, or `out` holds others.
    """
    checked(settings.encodings)
    if not settings.kinds or not set(settings.kinds) <= set(KINDS):
        raise UsageError(f"kinds {', '.join(settings.kinds)}: allowed are {', '.join(KINDS)}")
    if settings.variants < 1:
        raise UsageError(f"{settings.variants} variants: allowed are 1 or more")
    pairs = pairs_of(source)
    folder = PairFolder(out, settings.recipe(list(pairs)))
    outcome = Outcome()
    for pair_id in follow(sorted(pairs)):
        halves: dict[str, Clip] = {clip.label: clip for clip in pairs[pair_id]}
        if set(halves) != {"real", "generated"}:
            message = f"{pair_id} has halves {sorted(halves)}; wanted are real and generated"
            outcome.failed.append((str(source), "unreadable", message))
            continue
        for variant in range(settings.variants):
            try:
                _add(folder, pair_id, halves, variant, settings, outcome)
            except MediaError as error:
                outcome.failed.append((str(halves["real"].path), error.code, error.message))
    folder.finish(outcome)
    return outcome


def _add(
    folder: PairFolder,
    pair_id: str,
    halves: dict[str, Clip],
    variant: int,
    settings: Settings,
    outcome: Outcome,
) -> None:
    name = f"{pair_id}-{folder.digest[:6]}-{variant}"
    if folder.has(name):
        outcome.kept += 1
        return
    real, generated = halves["real"], halves["generated"]
    rng = rng_of("blend", settings.seed, pair_id, variant)
    kind = settings.kinds[int(rng.integers(len(settings.kinds)))]
    how = settings.encodings.draw(rng)
    first, pts = _decoded(real)
    second, _ = _decoded(generated)
    if first.shape != second.shape:
        raise MediaError(
            "changed", f"the halves of {pair_id} differ: {first.shape} and {second.shape}"
        )
    mixed, masks, drawn = mix(first, second, kind, rng)
    made = {
        "kind": f"blend-{kind}", **drawn, "of": pair_id, "encoding": how.as_dict(),
        "reconstruction": json.loads(generated.recipe or "{}"),
    }  # fmt: skip
    facts = json.dumps(made, sort_keys=True)
    common = {"pair_id": name, "group": real.group, "source": real.source, "recipe": facts}
    with folder.adding(name) as scratch:
        path = encode(first, pts, scratch, "real", how)
        clips = [described(path, label="real", family=real.family, **common)]
        path = encode(mixed, pts, scratch, "mixed", how)
        placed, times = masks_as_encoded(masks, pts, path, how)
        write_masks(placed, times, scratch / MASK)
        clip = described(
            path, label="manipulated", family="pair-blend", generator=generated.generator, **common
        )
        clips.append(replace(clip, mask=f"pairs/{name}/{MASK}"))
        write(scratch, clips)
    outcome.made += 1


def _decoded(clip: Clip) -> tuple[Any, list[float]]:
    try:
        return read_clip(clip.path)
    except (OSError, ValueError, IndexError) as error:  # av's errors are OSErrors and ValueErrors
        raise MediaError("unreadable", f"{clip.path}: {error!s:.200}") from error
