"""Fetching one file of a model: the only place of the detector that opens a connection.

Only https, redirects included, and only with the SHA-256 that the file must have: a model decides
verdicts, so whoever swaps one on the way would decide them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from unreel.detector.errors import UsageError

MAX_BYTES = 4 * 1024**3
CHUNK_BYTES = 1024**2
TIMEOUT_SECONDS = 60.0

OpenUrl = Callable[[str], IO[bytes]]

PUBLISHED = {
    # FastestDet, 80 classes of COCO, 1 MB, BSD-3-Clause. Its author publishes no hash: this one is
    # of the file as it stood at that commit.
    "objects": (
        "https://raw.githubusercontent.com/dog-qiuqiu/FastestDet/"
        "97df0a850c4949dcd7d9abf9c539679eee6b6a90/example/onnx-runtime/FastestDet.onnx",
        "31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880",
    ),
}
"""Names of single files: address and SHA-256."""


def pull(url: str, *, sha256: str, folder: Path, open_url: OpenUrl | None = None) -> Path:
    """Fetch one file into a model folder.

    Args:
        url: https://.../model.onnx; the last part of it becomes the name. Or a name of PUBLISHED.
        sha256: Hexadecimal hash that the file must have; a file that has it is not fetched again.
            Of a published name it stands here.
        folder: Made when it does not exist.
        open_url: Opens the address for reading; None = over the network.

    Returns:
        The path of the file.

    Raises:
        UsageError: The address or the hash is not usable, nothing answers, or the content is not
            what the hash says; nothing is left behind then.
    """
    if url in PUBLISHED:
        url, sha256 = PUBLISHED[url]
    name = _file_name(url)
    wanted = sha256.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise UsageError(f"--sha256 takes 64 hexadecimal digits, got {sha256!r}")
    target = folder / name
    if target.is_file() and _hash_of(target) == wanted:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    try:
        got = _download(url, part, open_url or _over_https)
        if got != wanted:
            raise UsageError(f"{url} has SHA-256 {got}, not {wanted}: it was not kept")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _file_name(url: str) -> str:
    """The name that an address gives its file; refuses what is not a plain https address."""
    if "://" not in url:
        raise UsageError(
            f"no model is published under the name {url!r}: `base` is, else give the https:// "
            "address of a file, or use a folder in hand with `unreel scan --model DIR`"
        )
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"only https:// addresses are fetched, got {url}")
    name = parts.path.rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"the address must end in a plain file name like model.onnx, got {url}")
    return name


def _download(url: str, part: Path, open_url: OpenUrl) -> str:
    """Write the content to `part`; returns its SHA-256."""
    digest, size = hashlib.sha256(), 0
    try:
        with open_url(url) as source, part.open("wb") as sink:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise UsageError(f"{url} is larger than {MAX_BYTES // 1024**3} GiB")
                digest.update(chunk)
                sink.write(chunk)
    except OSError as error:  # URLError and time-outs are OSErrors too
        raise UsageError(
            f"{url} could not be fetched ({error}): without a network, copy the file from another "
            "machine and use `unreel scan --model DIR`"
        ) from error
    return digest.hexdigest()


def _over_https(url: str) -> IO[bytes]:
    response: IO[bytes] = build_opener(OnlyHttps).open(url, timeout=TIMEOUT_SECONDS)
    return response


class OnlyHttps(HTTPRedirectHandler):
    """Follows redirects only to https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request that follows a redirect.

        Raises:
            UsageError: It leads anywhere but to https.
        """
        if urlsplit(newurl).scheme != "https":
            raise UsageError(f"{req.full_url} leads on to {newurl}: only https:// is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _hash_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
