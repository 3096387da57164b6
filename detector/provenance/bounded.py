"""Reads of a file that stay few and small whatever the file claims; strings that stay short.

A box may say that it is a gigabyte long, nest a million others or hold a prompt of ten megabytes.
Each read is cut at the end of the file and counted; when the budget is spent, looking ends there
and the report says so.
"""

from __future__ import annotations

import os
import struct

MAX_TEXT = 2000
"""Characters kept of one string."""

CHUNK = 1 << 16


class BudgetSpentError(Exception):
    """More structure than is looked at."""


class FileBytes:
    """Random access to an open file with a budget.

    Args:
        descriptor: Of a regular file; its position is never moved.
        budget_bytes: As much as is read in all.
        budget_reads: As often as is read in all.
    """

    def __init__(
        self, descriptor: int, *, budget_bytes: int = 6 << 20, budget_reads: int = 12_000
    ) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._bytes_left = budget_bytes
        self._reads_left = budget_reads
        self._cached = b""
        self._cached_at = 0

    def read(self, offset: int, count: int) -> bytes:
        """Bytes at a place, fewer where the file ends.

        Raises:
            BudgetSpentError: The budget does not cover it.
        """
        count = max(0, min(count, self.size - offset))
        if count == 0 or offset < 0:
            return b""
        self._reads_left -= 1
        if self._reads_left < 0:
            raise BudgetSpentError
        start = offset - self._cached_at
        if start >= 0 and start + count <= len(self._cached):
            return self._cached[start : start + count]
        # Headers lie close together: one larger read serves many small ones.
        wanted = min(max(count, 4096), self.size - offset)
        if wanted > self._bytes_left:
            wanted = count
        if wanted > self._bytes_left:
            raise BudgetSpentError
        self._bytes_left -= wanted
        got = os.pread(self._descriptor, wanted, offset)
        self._cached, self._cached_at = got, offset
        return got[:count]

    def whole(self, offset: int, count: int) -> bytes:
        """Like read, but exactly `count` bytes.

        Raises:
            ValueError: The file ends before.
            BudgetSpentError: The budget does not cover it.
        """
        got = self.read(offset, count)
        if len(got) < count:
            raise ValueError("the file ends in the middle of it")
        return got


def unpack(form: str, data: bytes, offset: int = 0) -> tuple[int, ...]:
    """Integers in big-endian order; ValueError where the data are too short."""
    try:
        found: tuple[int, ...] = struct.unpack_from(">" + form, data, offset)
    except struct.error as error:
        raise ValueError(str(error)) from error
    return found


def text_of(raw: bytes | str, limit: int = MAX_TEXT, encoding: str = "utf-8") -> str:
    """A string of the file: decoded with replacement, without padding, at most `limit` long."""
    text = raw[: 4 * limit].decode(encoding, "replace") if isinstance(raw, bytes) else raw
    text = text.partition("\0")[0] if encoding == "utf-8" else text.rstrip("\0")
    text = text.strip()
    cut = len(raw) > 4 * limit or len(text) > limit
    return text[:limit] + "..." if cut else text
