"""The C2PA process: `python -m unreel.detector.provenance.c2pa_worker SOCKET TRUST_LIST...`.

c2pa-python is a large native library that parses hostile input, so it runs here, with limits on
memory, processor time and file writes, and is killed when it takes too long. One process serves all
files of a run: starting it costs more than reading a manifest.

Each request is one JSON line that comes with the descriptor of the file; each answer is its length
(4 bytes, big-endian) and JSON. Nothing is fetched from a network: neither manifests kept elsewhere
nor answers on revoked certificates.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from unreel.detector.decode_worker import limit_cpu, limit_process

LENGTH = struct.Struct(">I")
MAX_ANSWER = 2 << 20
MAX_REQUEST = 4096
MEMORY_BYTES = 2 << 30
"""Address space, most of it never touched: the allocator of the library reserves it."""


def settings(anchors: str) -> dict[str, Any]:
    """Settings of the library: offline, and trusted is who is on the given list."""
    chosen: dict[str, Any] = {
        "verify": {
            "verify_after_reading": True,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        }
    }
    if anchors:
        chosen["trust"] = {"trust_anchors": anchors}
    return chosen


def certificates(listed: bytes) -> str:
    """The certificates of a trust list alone: the public one names each in a line before it."""
    found = re.findall(
        rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", listed
    )
    return b"\n".join(found).decode("ascii")


def main() -> None:
    """Answer until the parent is gone."""
    link = socket.socket(fileno=int(sys.argv[1]))
    anchors = "\n".join(certificates(Path(name).read_bytes()) for name in sys.argv[2:])
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import c2pa

    context = c2pa.Context.from_dict(settings(anchors))
    limit_process(MEMORY_BYTES)
    while True:
        request, descriptors, _, _ = socket.recv_fds(link, MAX_REQUEST, 1)
        if not request:
            return
        asked = json.loads(request)
        limit_cpu(asked["seconds"])
        with os.fdopen(descriptors[0], "rb") as handle:
            answer = json.dumps(_read(c2pa, context, asked["format"], handle)).encode()
        if len(answer) > MAX_ANSWER:
            answer = json.dumps({"error": "TooLarge", "message": f"{len(answer)} bytes"}).encode()
        link.sendall(LENGTH.pack(len(answer)) + answer)


def _read(c2pa: Any, context: Any, format: str, handle: Any) -> dict[str, Any]:
    """The manifest store of one file, or what the library says against it."""
    handle.seek(0)
    try:
        with c2pa.Reader(format, handle, context=context) as reader:
            return {"state": reader.get_validation_state(), "store": json.loads(reader.json())}
    except c2pa.C2paError as error:
        kind = type(error).__name__.removeprefix("_C2pa")
        return {"error": kind, "message": str(error)[:500]}
    except Exception as error:  # whatever the binding raises is an answer too
        return {"error": type(error).__name__, "message": str(error)[:500]}


if __name__ == "__main__":
    main()
