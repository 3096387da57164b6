"""Files in object storage: listed, then fetched one at a time into a bounded temp folder.

Addresses are those of fsspec: s3://bucket/folder, gs://, abfs://, ... It needs the `cloud` extra,
which is loaded when an address is named. Credentials come from where the storage's own tools take
them; none is kept here.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from unreel.detector.audit.rows import Found
from unreel.detector.audit.walk import Choice, LeftOut
from unreel.detector.errors import MediaError

CHUNK_BYTES = 1 << 20
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether a name is an address like s3://bucket/key, not a path."""
    return _ADDRESS.match(name) is not None


def find_objects(address: str, choice: Choice, left_out: LeftOut) -> Iterator[Found]:
    """All objects below an address, by name; a single object is taken whatever its name.

    An object counts as changed when its size, its time or its ETag differ: the digits of the time
    below a second are made of the ETag.
    """
    protocol = address.partition("://")[0]
    try:
        system, root = _filesystem(address)
        system.invalidate_cache()  # it may have listed this before, for another run
        facts = system.find(root, detail=True, withdirs=False)
    except MediaError as error:
        yield Found(address, error=(error.code, error.message))
        return
    except OSError as error:
        yield Found(address, error=("unreadable", f"{address} cannot be listed: {error}"))
        return
    if not facts:
        yield Found(address, error=("not-found", f"there is nothing at {address}"))
        return
    for name in sorted(facts):
        relative = name.removeprefix(root).lstrip("/")
        single = not relative
        reason = None if single else choice.reason_against(relative)
        if reason is None and choice.is_elsewhere(relative or os.path.basename(name)):
            reason = "another shard"
        changed = _changed_ns(facts[name])
        if reason is None and choice.since_ns is not None and (changed or 0) < choice.since_ns:
            reason = "older than --since"
        if reason is not None:
            left_out(f"{protocol}://{os.path.dirname(name)}", reason)
            continue
        yield Found(f"{protocol}://{name}", facts[name].get("size"), changed)


@contextmanager
def local_copy(address: str, folder: str | None, most_bytes: int) -> Iterator[str]:
    """An object as a file that is gone afterwards.

    Args:
        address: Of one object.
        folder: Where the copy lies; None = the system's place for such files.
        most_bytes: A larger object is not fetched.

    Raises:
        MediaError: It cannot be fetched, or is larger.
    """
    suffix = os.path.splitext(address)[1][:16]
    with tempfile.NamedTemporaryFile(dir=folder, prefix="unreel-", suffix=suffix) as copy:
        for chunk in chunks_of(address, most_bytes):
            copy.write(chunk)
        copy.flush()
        yield copy.name


def sha256_of_object(address: str) -> str | None:
    """Of all its bytes, which are kept nowhere; None when it cannot be read to its end."""
    digest = hashlib.sha256()
    try:
        for chunk in chunks_of(address, None):
            digest.update(chunk)
    except MediaError:
        return None
    return digest.hexdigest()


def chunks_of(address: str, most_bytes: int | None) -> Iterator[bytes]:
    """The bytes of an object, a megabyte at a time.

    Raises:
        MediaError: It cannot be read, or has more bytes.
    """
    got = 0
    try:
        system, path = _filesystem(address)
        with system.open(path, "rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                got += len(chunk)
                if most_bytes is not None and got > most_bytes:
                    raise MediaError(
                        "too-large",
                        f"{address} is larger than the {most_bytes >> 20} MiB that one worker may "
                        "put in the temp folder; raise --temp-limit",
                    )
                yield chunk
    except FileNotFoundError as error:
        raise MediaError("not-found", f"there is no object {address}") from error
    except PermissionError as error:
        raise MediaError("permission-denied", f"{address} may not be read: {error}") from error
    except OSError as error:
        raise MediaError("unreadable", f"{address} cannot be fetched: {error}") from error


def _filesystem(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)  # type: ignore[no-any-return]  # fsspec has no types
    except ValueError as error:  # an unknown protocol
        raise MediaError("not-found", f"{address}: {error}") from error


def _changed_ns(facts: dict[str, Any]) -> int | None:
    """Whole seconds of the last change, and an ETag in the digits behind them."""
    when = facts.get("LastModified") or facts.get("last_modified") or facts.get("mtime")
    seconds = int(when.timestamp()) if isinstance(when, datetime) else int(when or 0)
    tag = facts.get("ETag") or facts.get("etag") or facts.get("md5Hash")
    if tag is None:
        return seconds * 10**9 if when else None
    mark = int.from_bytes(hashlib.sha256(str(tag).encode()).digest()[:4], "big") % 10**9
    return seconds * 10**9 + mark
