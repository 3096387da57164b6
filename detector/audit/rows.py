"""The records that pass between store, engines and commands; frozen, units in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["pending", "in-hand", "done"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file as a walk came across it."""

    path: str
    """Bytes that are not UTF-8 stand as surrogates (os.fsdecode); or a URL like s3://bucket/key."""
    size: int | None = None
    """Bytes; None when it cannot be told."""
    mtime_ns: int | None = None
    """Time of last change, or what else differs when an object of a bucket was replaced."""
    error: tuple[str, str] | None = None
    """Code and message when it cannot even be tried, e.g. a folder that may not be listed."""


@dataclass(frozen=True, slots=True)
class Work:
    """One file in hand."""

    file_id: int
    path: str
    known_sha256: str | None = None
    """Of its bytes when nothing has changed since they were hashed; None = not known."""
    may_be_known: bool = False
    """Another file has as many bytes, or it was touched: it is hashed before it is scanned."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file and what is known of it; a row of the view `results`."""

    file_id: int
    path: str
    """As text: bytes that are not UTF-8 stand as \\xff."""
    state: State
    sha256: str | None
    status: Literal["ok", "error"] | None
    """None as long as it was not looked at."""
    error_code: str | None
    error_message: str | None
    label: str | None
    score: float | None
    llr: float | None
    threshold: float | None
    duration_seconds: float | None
    finished: str | None
    scan_id: int | None
    reviewed_as: str | None


@dataclass(slots=True)
class Counts:
    """What a run came across and did."""

    found: int = 0
    new: int = 0
    changed: int = 0
    """Size or time of change are other than they were."""
    unchanged: int = 0
    """Have a result under these settings: not looked at again."""
    to_do: int = 0
    scanned: int = 0
    """Judged, or found to be unusable, in this run."""
    same_bytes: int = 0
    """Got the result of other names of the same bytes, without a scan."""
    generated: int = 0
    errors: int = 0
    crashes: int = 0
    """Workers that died or were stopped."""

    @property
    def done(self) -> int:
        """Rows that this run finished."""
        return self.scanned + self.same_bytes
