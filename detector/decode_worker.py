"""What the decoder process does; fork_server.py starts one for each file.

Video decoders are large C programs that read hostile input. They run here, in a process of their
own with limits on memory, processor time and file writes, which the parent kills when it takes
too long. It reads one JSON request a line from a pipe and writes messages to another:

    8 bytes   length of the JSON header, length of the payload (big-endian, 4 bytes each)
    header    JSON; `done` is true in the last message of an answer
    payload   raw bytes (frames, time stamps)

Neither side unpickles anything. What the libraries print goes to /dev/null.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from collections.abc import Callable
from typing import Any

from unreel.detector.frame_store import KEPT_BYTES, FrameStore

FRAME = struct.Struct(">II")
"""Lengths of header and payload."""

CHUNK_FRAMES = 32
"""Small frames in one message."""


def limit_process(memory_bytes: int) -> None:
    """Bound what this process may take; systems without `resource` rely on the parent's clock."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 256),
    ):
        _lower(resource, getattr(resource, name), value)


def limit_cpu(seconds: float) -> None:
    """Let this process run for so many more seconds of processor time, then be killed."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1, False)


def _lower(resource: Any, which: int, value: int, for_good: bool = True) -> None:
    """Set the soft limit (and the hard one, `for_good`), never above what is in force."""
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value if for_good else hard))


class Worker:
    """Answers requests about one file.

    Args:
        descriptor: Of the file, handed over by the parent, already known to be a regular file.
        out: Descriptor that messages are written to.
        memory_bytes: Limit of this process.
    """

    def __init__(self, descriptor: int, out: int, memory_bytes: int) -> None:
        self._out = out
        self._memory_bytes = memory_bytes
        self._path = f"/proc/self/fd/{descriptor}"
        self._descriptor = descriptor
        self._pyav: Any = None
        self._decord: Any = None
        self._open_decord: Callable[[], Any] | None = None
        """Until it is needed for the first time."""

    def answer(self, request: dict[str, Any]) -> None:
        """Do what is asked and send the messages of the answer."""
        actions = {"open": self._open, "read": self._read, "small": self._small}
        started = time.process_time()
        limit_cpu(request["seconds"] * (os.cpu_count() or 1))
        try:
            actions[request["do"]](request, started)
        except (MemoryError, BlockingIOError):  # the second: no memory for one more thread
            self._pyav = self._decord = self._open_decord = None
            self._fail("out-of-memory", "memory limit reached")
        except ModuleNotFoundError as error:
            self._fail("decoder-crash", f"{error}: unreel is not installed whole; unreel doctor")
        except ImportError:  # a library could not be mapped
            self._fail("out-of-memory", "memory limit reached")
        except Exception as error:  # the parent turns it into a MediaError
            code = getattr(error, "code", "unreadable")
            self._fail(
                code if isinstance(code, str) else "unreadable",
                str(error) or type(error).__name__,
            )

    def _open(self, request: dict[str, Any], _: float) -> None:
        from unreel.detector.config import Limits
        from unreel.detector.probe import probe

        if not os.path.exists(self._path):  # no /proc on this system
            self._path = request["path"]
        found = probe(
            self._path,
            request["container"],
            Limits(**request["limits"]),
            size_bytes=os.fstat(self._descriptor).st_size,
            use_decord=request["use_decord"],
        )
        self._pyav, self._open_decord = found.pyav, found.open_decord
        index = found.index
        payload = index.pts.astype(">i8").tobytes() + index.is_key.astype("u1").tobytes()
        self._send({**found.facts, "count": len(index.pts), "done": True}, payload)

    def _read(self, request: dict[str, Any], _: float) -> None:
        wanted: list[int] = request["frames"]
        told: list[str] = []
        sent: set[int] = set()
        if not self._pyav.has_kept(wanted) and not request["careful"] and self._decord_is_open():
            try:
                for position, picture in self._decord.frames(wanted):
                    self._send_picture(position, picture)
                    sent.add(position)
            except MemoryError:
                raise
            except Exception as error:
                self._decord = None
                reason = str(error).split("\n")[0][:120]
                told.append(f"decord gave up ({reason}); PyAV went on")
        used = self._decord if sent else self._pyav
        left = [p for p in wanted if p not in sent]
        damaged = 0
        for position, picture in self._pyav.frames(left) if left else ():
            if picture is None:
                damaged += 1
            else:
                self._send_picture(position, picture)
                sent.add(position)
        if left:
            used = self._pyav
        decoder = {"decoder": used.name, "version": used.version}
        self._send({"done": True, "damaged": damaged, "warnings": told, **decoder})

    def _decord_is_open(self) -> bool:
        """Whether decord can be asked; it refuses what it counts or times differently."""
        if self._open_decord is not None:
            open_decord, self._open_decord = self._open_decord, None
            with contextlib.suppress(ValueError):
                self._decord = open_decord()
        return self._decord is not None

    def _small(self, request: dict[str, Any], started: float) -> None:
        import numpy as np

        width, height = request["width"], request["height"]
        positions: list[int] = []
        pictures: list[Any] = []
        damaged: list[int] = []
        complete = True
        self._pyav.lost_times = []
        if request["frames"] is None:
            self._pyav.kept = FrameStore(
                request["likely"], min(KEPT_BYTES, self._memory_bytes // 8)
            )
        for position, small, is_damaged, larger in self._pyav.small_frames(
            request["frames"], width, height, _closer(request)
        ):
            if larger is not None:
                self._send({"closer": position}, np.ascontiguousarray(larger).data)
            positions.append(position)
            pictures.append(small)
            if is_damaged:
                damaged.append(position)
            if len(positions) == CHUNK_FRAMES:
                self._send({"positions": positions}, np.stack(pictures).data)
                positions, pictures = [], []
            if time.process_time() - started > request["soft_seconds"]:
                complete = False
                break
        if positions:
            self._send({"positions": positions}, np.stack(pictures).data)
        lost = np.searchsorted(self._pyav.index.pts, self._pyav.lost_times).tolist()
        if damaged or lost:  # what refers to a damaged picture is damaged too
            self._pyav.kept.clear()
        self._send({"done": True, "damaged": damaged + lost, "complete": complete})

    def _send_picture(self, position: int, picture: Any) -> None:
        height, width = picture.shape[:2]
        self._send({"position": position, "height": height, "width": width}, picture.data)

    def _fail(self, code: str, message: str) -> None:
        self._send({"done": True, "error": code, "message": message})

    def _send(self, header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
        text = json.dumps(header).encode()
        body = memoryview(payload).cast("B") if payload else memoryview(b"")
        _write(self._out, memoryview(FRAME.pack(len(text), len(body)) + text))
        _write(self._out, body)


def _closer(request: dict[str, Any]) -> Any:
    """The frames that are wanted larger, if any."""
    from unreel.detector.decode import Closer

    wanted = request["closer"]
    if wanted is None:
        return None
    return Closer(frozenset(wanted["frames"]), wanted["width"], wanted["height"])


def _write(descriptor: int, data: memoryview) -> None:
    done = 0
    while done < len(data):
        done += os.write(descriptor, data[done:])


def serve(descriptor: int, requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests about one file until there are no more.

    Args:
        descriptor: Of the file.
        requests: Descriptor to read from.
        answers: Descriptor to write to.
        memory_bytes: Address space that may be taken.
    """
    limit_process(memory_bytes)
    worker = Worker(descriptor, answers, memory_bytes)
    with os.fdopen(requests, "rb") as lines:
        for line in lines:
            try:
                worker.answer(json.loads(line))
            except BrokenPipeError:
                return
