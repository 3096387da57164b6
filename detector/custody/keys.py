"""Ed25519 keys and signatures of custody records.

Why Ed25519 from `cryptography`: the library is there with c2pa-python, the keys are ordinary PEM
files that OpenSSL reads (`openssl pkey -in KEY -text`), a signature is 64 bytes and the same for
the same record, and there are no parameters to get wrong.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unreel.detector.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

ALGORITHM = "Ed25519"


def make_key(path: Path, password: bytes | None = None) -> str:
    """Write a new private key, readable by its owner alone, and its public key beside it.

    Args:
        path: For the private key; the public one gets `.pub` appended.
        password: Encrypts the private key.

    Returns:
        Fingerprint of the public key.

    Raises:
        UsageError: One of the files exists or cannot be written.
        MissingExtraError: `cryptography` is not installed.
    """
    ed25519, serialization = _library("unreel custody keygen")
    key = ed25519.Ed25519PrivateKey.generate()
    lock = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(path, private, 0o600)
    _write_new(path.with_name(path.name + ".pub"), public, 0o644)
    return fingerprint(key.public_key())


def load_private_key(path: Path, ask: Callable[[], bytes] | None = None) -> Ed25519PrivateKey:
    """Read a private key.

    Args:
        path: PEM, PKCS#8.
        ask: Gives the password when there is one.

    Raises:
        UsageError: It is no such key, or the password is wrong.
        MissingExtraError: `cryptography` is not installed.
    """
    ed25519, serialization = _library("--custody-key")
    raw = _read(path)
    password = ask() if ask and b"ENCRYPTED" in raw else None
    try:
        key = serialization.load_pem_private_key(raw, password)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be used as a private key ({error}); make one: "
            "unreel custody keygen KEY.pem"
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{path} is no Ed25519 key; make one: unreel custody keygen KEY.pem")
    checked: Ed25519PrivateKey = key
    return checked


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key, or the public half of a private one without a password.

    Raises:
        UsageError: It is neither.
        MissingExtraError: `cryptography` is not installed.
    """
    ed25519, serialization = _library("unreel custody verify --key")
    raw = _read(path)
    try:
        if b"PRIVATE KEY" in raw:
            return load_private_key(path).public_key()
        key = serialization.load_pem_public_key(raw)
    except ValueError as error:
        raise UsageError(f"{path} holds no public key: {error}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UsageError(f"{path} is no Ed25519 public key")
    checked: Ed25519PublicKey = key
    return checked


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the 32 bytes of a public key, hexadecimal: what one reads out on the telephone."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def sign(key: Ed25519PrivateKey, message: bytes) -> dict[str, str]:
    """The signature as it stands in a record."""
    public = key.public_key()
    return {
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(public.public_bytes_raw()).decode("ascii"),
        "fingerprint": fingerprint(public),
        "value": base64.b64encode(key.sign(message)).decode("ascii"),
    }


def is_signed(signature: dict[str, object], message: bytes) -> Ed25519PublicKey | None:
    """The key that made a signature over a message; None when it did not.

    Raises:
        MissingExtraError: `cryptography` is not installed.
    """
    ed25519, _ = _library("unreel custody verify")
    from cryptography.exceptions import InvalidSignature

    try:
        raw = base64.b64decode(str(signature["public_key"]), validate=True)
        key: Ed25519PublicKey = ed25519.Ed25519PublicKey.from_public_bytes(raw)
        key.verify(base64.b64decode(str(signature["value"]), validate=True), message)
    except (InvalidSignature, ValueError, KeyError):
        return None
    return key if signature.get("algorithm") == ALGORITHM else None


def _library(command: str) -> tuple[Any, Any]:
    """The modules ed25519 and serialization, loaded when they are needed."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise MissingExtraError(command, "provenance", "cryptography") from error
    return ed25519, serialization


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(1 << 16)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} exists and is not overwritten: name another file") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
