"""What can go wrong with an audit as a whole; what is wrong with one file is a row."""

from __future__ import annotations

from unreel.detector.errors import UnreelError


class StoreError(UnreelError):
    """The store cannot be opened, read or written; what was stored before is intact."""


class EngineError(UnreelError):
    """No worker can be started, whatever the file."""
