"""`unreel doctor`: is everything in place? What is here, in which version, and does a scan work?

Its last check makes a small video and scans it, so that a broken decoder or model is found before
a case depends on it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import click

from unreel.detector.extras import EXTRAS, missing_modules

EXIT_BROKEN = 1
PACKAGES = (
    "decord2",
    "av",
    "onnxruntime",
    "opencv-python-headless",
    "numpy",
)
"""Distributions that a scan needs."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one look found."""

    name: str
    status: Literal["ok", "missing", "broken"]
    """missing = optional and not here; broken = a scan will not work."""
    detail: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this installation: versions, decoders, extras, the model, and a scan of a made clip.

    \b
    Examples:
      unreel doctor
      unreel doctor --json > about-this-machine.json

    Exit code 1 when something is broken; extras that are not installed are not.
    """
    checks = examine()
    works = all(check.status != "broken" for check in checks)
    if as_json:
        rows = [asdict(check) for check in checks]
        click.echo(json.dumps({"works": works, "checks": rows}))
    else:
        for check in checks:
            click.echo(f"{check.status:<8} {check.name:<24} {check.detail}")
        click.echo("Everything that a scan needs works." if works else "A scan will not work.")
    ctx.exit(0 if works else EXIT_BROKEN)


def examine() -> list[Check]:
    """All checks, the scan of a made clip last."""
    return [
        Check("unreel", "ok", version("unreel")),
        Check("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        Check("platform", "ok", platform.platform()),
        Check("threads", "ok", f"{_usable_cores()} cores: as many threads unless --threads says"),
        *(_package(name) for name in PACKAGES),
        _guarded("decoder libraries", _decoder_libraries),
        *(_extra(name) for name in EXTRAS),
        _guarded("model", _model),
        _guarded("self-test", _self_test),
    ]


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere a process has all cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "broken", f"not installed: pip install {name}")


def _extra(name: str) -> Check:
    missing = missing_modules(name)
    if not missing:
        return Check(f"extra {name}", "ok", "installed")
    return Check(
        f"extra {name}", "missing", f"without {', '.join(missing)}: pip install 'unreel[{name}]'"
    )


def _guarded(name: str, look: Callable[[], str]) -> Check:
    """A look that may fail in any way: whatever it raises is the finding."""
    try:
        return Check(name, "ok", look())
    except Exception as error:
        return Check(name, "broken", f"{type(error).__name__}: {error}")


def _decoder_libraries() -> str:
    import av

    libraries = sorted(av.library_versions.items())
    return ", ".join(f"{name} {'.'.join(map(str, number))}" for name, number in libraries)


def _model() -> str:
    from unreel.detector.model import load_model

    model = load_model()
    clips = model.calibration.real_clips
    info = model.info
    return f"{info.name} {info.version}, {clips} camera clips behind it, sha256 {info.sha256}"


def _self_test() -> str:
    """Make a two-second clip, scan it, and look whether there is a verdict."""
    from unreel.detector.scan import scan_video

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "self-test.mp4"
        write_test_clip(clip)
        report = scan_video(clip)
    if report.error is not None:
        raise RuntimeError(f"{report.error.code}: {report.error.message}")
    if report.media is None or report.verdict is None or report.verdict.score is None:
        raise RuntimeError("the scan of a made clip gave no score")
    seconds = sum(report.run["seconds"].values())
    return (
        f"a made clip was encoded, decoded by {report.media.decoder} and judged in {seconds:.1f} s"
    )


def write_test_clip(path: Path, *, seconds: float = 2.0, fps: int = 12) -> None:
    """Write a small H.264 video of a bright square that crosses a grey noise pattern."""
    import numpy as np

    from unreel.detector.encode import H264Writer

    noise = np.random.default_rng(0).integers(96, 160, (192, 256, 3), dtype=np.uint8)
    with H264Writer(str(path), width=256, height=192, crf=23) as writer:
        for index in range(round(seconds * fps)):
            frame = noise.copy()
            left = 8 + 8 * index
            frame[64:128, left : left + 48] = 230
            writer.write(frame, index / fps)
