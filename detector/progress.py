"""The progress of a command for a person who watches: one line that is written over and over."""

from __future__ import annotations

import os
import shutil

import click


class ProgressLine:
    """One line on stderr that is written over and over, and is gone when a row is printed.

    Args:
        total: Number of files.
        enabled: Whether a person watches; else nothing is ever written.
    """

    def __init__(self, total: int, *, enabled: bool) -> None:
        self._total = total
        self._enabled = enabled

    def show(self, number: int, path: str, step: str) -> None:
        """Say that file `number` is at `step`."""
        if self._enabled:
            from unreel.detector.text import printable

            text = f"{number}/{self._total} {step}: {printable(os.path.basename(path))}"
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[K{text[:width]}", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._enabled:
            click.echo("\r\x1b[K", nl=False, err=True)
