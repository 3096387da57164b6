"""The head of the log, signed: a small JSON file to be kept apart from the store.

Keys and signatures are those of the custody records of single examinations: `unreel custody keygen`
makes a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unreel.detector.audit.chain import Head, canonical, now
from unreel.detector.custody.keys import is_signed, load_private_key, load_public_key, sign
from unreel.detector.errors import UsageError


def write_signed_head(
    head: Head, store: Path, key_path: Path, out: Path, ask: Callable[[], bytes] | None = None
) -> None:
    """Sign where the log stands now.

    Args:
        head: The last entry.
        store: Its name is signed too.
        key_path: Private key.
        out: The file that is written.
        ask: Gives the password of the key when there is one.

    Raises:
        UsageError: The key cannot be used, or the file cannot be written.
        MissingExtraError: `cryptography` is not installed.
    """
    said: dict[str, Any] = {"store": store.name, "entries": head.seq, "head": head.hash}
    said["at"] = now()
    signature = sign(load_private_key(key_path, ask), canonical(said).encode("ascii"))
    text = json.dumps({"log": said, "signature": signature}, indent=1)
    try:
        out.write_text(text + "\n", encoding="ascii")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


def read_signed_head(path: Path, key_path: Path | None) -> str:
    """The hash in a signed head, once the signature holds.

    Args:
        path: Made by `write_signed_head`.
        key_path: Public key that it must be of; None = the one in the file, which only shows that
            the file is whole.

    Raises:
        UsageError: It is no such file, is of another key, or was changed.
        MissingExtraError: `cryptography` is not installed.
    """
    try:
        whole = json.loads(path.read_text(encoding="ascii"))
        said, signature = whole["log"], dict(whole["signature"])
        head = str(said["head"])
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no signed head: {error!r}") from error
    signer = is_signed(signature, canonical(said).encode("ascii"))
    if signer is None:
        raise UsageError(f"the signature of {path} does not hold: it was changed")
    if key_path is not None:
        expected = load_public_key(key_path)
        if expected.public_bytes_raw() != signer.public_bytes_raw():
            raise UsageError(f"{path} is signed by another key than {key_path}")
    return head
