"""A worker process: `python -m unreel.detector.audit.worker`, one loaded model, one file at a time.

stdin brings the spec, then one task a line; stdout gives `ready`, then one outcome a line. It dies
with its parent: without it there is nobody to tell, and the file is in the list again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import IO, Any


def main() -> None:
    """Serve until stdin ends."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the clip in hand is finished
    out = _keep_stdout()
    spec_line = sys.stdin.readline()
    if not spec_line:
        return
    content: dict[str, Any] = json.loads(spec_line)
    from unreel.detector.audit.engine import spec_from_json
    from unreel.detector.audit.judge import judge_of, limit_threads, sha256_of
    from unreel.detector.errors import UnreelError

    spec = spec_from_json(content)
    limit_threads(max(1, spec.config.threads))
    try:
        judge = judge_of(spec)
    except UnreelError as error:
        _send(out, {"refused": str(error)})
        return
    _send(out, {"ready": True})
    for line in sys.stdin:
        task = json.loads(line)
        path = os.fsdecode(bytes.fromhex(task["path_hex"]))
        answer: dict[str, Any] = {"file": task["file"]}
        if task["do"] == "hash":
            answer["sha256"] = sha256_of(path)
        else:
            answer["report"] = judge(path)
            give_back_memory()
        _send(out, answer)


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends, however it ends; Linux only."""
    if sys.platform != "linux":
        return
    import ctypes

    parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(parent_death_signal, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() == 1:  # it ended before we asked
        os._exit(1)


def give_back_memory() -> None:
    """Let go of what the allocator holds back between files; glibc only, elsewhere nothing.

    It keeps 60 to 90 MB of freed pieces otherwise, on which the peak of the next file stands.
    """
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _keep_stdout() -> IO[str]:
    """Stdout for the outcomes alone: what libraries print there goes to stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="ascii")


def _send(out: IO[str], message: dict[str, Any]) -> None:
    out.write(json.dumps(message, ensure_ascii=True) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
