"""The settings of `unreel serve`; every default and every limit stands here."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError

MIN_TOKEN_CHARACTERS = 16


def default_folder() -> Path:
    """Where clips and results are kept: $XDG_DATA_HOME/unreel, or ~/.local/share/unreel."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "unreel"


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How a server runs.

    Raises:
        UsageError: Another address than this machine's own without a token, or a short token.
    """

    folder: Path = field(default_factory=default_folder)
    """Holds the audit store, the uploads and their pictures."""
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    """Asked for on every request; needed for other addresses than this machine's own."""
    names: tuple[str, ...] = ()
    """Host names, besides localhost and bare addresses, under which requests are answered."""
    model_folder: Path | None = None
    config: ScanConfig = field(default_factory=ScanConfig)
    workers: int = 1
    """Clips that are judged at the same time."""
    judge: str = "unreel.detector.serve.judge:telling_judge"
    file_seconds: float = 600.0
    worker_bytes: int = 4 << 30

    max_file_bytes: int = 2 << 30
    max_files_per_request: int = 100
    max_waiting: int = 1000
    """Clips on the list at the same time."""
    max_total_bytes: int = 20 << 30
    """Of all uploads that are kept."""
    min_free_bytes: int = 1 << 30
    """What uploads leave free on the disk."""
    receiving_at_once: int = 8
    """Uploads that are read at the same time; others wait, and so memory stays bounded."""
    stalled_seconds: float = 60.0
    """An upload from which nothing comes for so long is dropped."""
    keep_days: float = 7.0
    """Videos older than this are deleted, unless they carry a label; 0 = never."""
    requests_per_second: float = 20.0
    burst: int = 400
    """Requests of one address that are answered before the rate counts."""
    tries_per_minute: float = 10.0
    """Wrong tokens of one address."""
    max_listeners: int = 32
    """Pages that are told of progress at the same time."""

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < MIN_TOKEN_CHARACTERS:
            raise UsageError(
                f"the token has {len(self.token)} characters, at least {MIN_TOKEN_CHARACTERS} are "
                "needed: openssl rand -hex 16"
            )
        if self.token is None and not is_own_address(self.host):
            raise UsageError(
                f"--host {self.host} lets other machines in: that needs a token, in a file named "
                "with --token-file or in the environment as UNREEL_TOKEN"
            )

    @property
    def store_path(self) -> Path:
        """The audit store."""
        return self.folder / "audit.sqlite"


def is_own_address(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
