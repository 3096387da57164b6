"""Which file was it? Asked for files without a verdict, whose row must name them all the same."""

from __future__ import annotations

import hashlib

from unreel.detector.errors import MediaError
from unreel.detector.sniff import open_regular


def fingerprint(path: str) -> tuple[str | None, int | None]:
    """SHA-256 and size in bytes of a file; None, None when it cannot be read to its end."""
    try:
        with open(open_regular(path), "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest(), handle.tell()
    except (MediaError, OSError):
        return None, None
