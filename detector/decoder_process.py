"""The parent's end of the decoder process: start it, ask it, kill it when it is late.

The child may crash, hang or eat memory; none of that reaches the caller except as a MediaError.
What comes back is read with a deadline and its sizes are checked before memory is set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from unreel.detector.decode_worker import FRAME
from unreel.detector.decoder_server import spawn_decoder
from unreel.detector.errors import MEDIA_ERROR_CODES, MediaError

_MAX_HEADER_BYTES = 1 << 20
_MAX_QUEUED_SECONDS = 600.0
_PIPE_BYTES = 1 << 20
_SETPIPE_SZ = 1031
"""fcntl's F_SETPIPE_SZ on Linux: fewer switches between the two processes."""


Place = Callable[[dict[str, Any], int], memoryview]
"""Header and payload size -> where the payload goes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an answer."""

    header: dict[str, Any]
    payload: memoryview


class DecoderProcess:
    """A child that decodes one file.

    Args:
        descriptor: Of the file; stays open in the parent, inherited by the child.
        memory_bytes: Address space that the child may take.
    """

    def __init__(self, descriptor: int, memory_bytes: int) -> None:
        requests, self._in = os.pipe()
        self._out, answers = os.pipe()
        try:
            self._server, self.pid = spawn_decoder(descriptor, requests, answers, memory_bytes)
        except BaseException:
            os.close(self._in)
            os.close(self._out)
            raise
        finally:
            os.close(requests)
            os.close(answers)
        self._exit_code: int | None = None
        self._closed = False
        os.set_blocking(self._out, False)
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.fcntl(self._out, _SETPIPE_SZ, _PIPE_BYTES)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._out, selectors.EVENT_READ)
        self._busy = False
        self._queued_before = 0.0

    @property
    def alive(self) -> bool:
        """Can be asked."""
        return self._exit_code is None and not self._busy

    def send(self, request: dict[str, Any], deadline: float) -> None:
        """Ask for something; `messages` gives the answer.

        Args:
            request: JSON types; `seconds` is added.
            deadline: On the clock of time.monotonic.

        Raises:
            MediaError: decoder-crash.
        """
        assert not self._busy
        self._busy = True
        self._queued_before = self._queued_seconds()
        seconds = max(1.0, deadline - time.monotonic())
        try:
            line = json.dumps({**request, "seconds": seconds}).encode() + b"\n"
            while line:
                line = line[os.write(self._in, line) :]
        except OSError:
            raise self._died() from None

    def messages(self, deadline: float, place: Place | None = None) -> Iterator[Message]:
        """The messages of the answer, the last one (`done`) included.

        Args:
            deadline: On the clock of time.monotonic.
            place: Gives the memory that a payload of so many bytes goes to; by default new memory.

        Raises:
            MediaError: timeout, decoder-crash, or what the child reports.
        """
        while True:
            message = self._receive(deadline, place)
            if message.header.get("done"):
                self._busy = False
                _raise_reported(message.header)
                yield message
                return
            yield message

    def close(self) -> None:
        """Kill the child, which has nothing to tidy up; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._end()
        self._ready.close()
        os.close(self._in)
        os.close(self._out)

    def _end(self, seconds: float = 0.0) -> int:
        """Wait so long for the child, then kill it; returns its exit code."""
        if self._exit_code is None:
            self._exit_code = self._server.end(self.pid, seconds)
        return self._exit_code

    def _receive(self, deadline: float, place: Place | None) -> Message:
        start = memoryview(bytearray(FRAME.size))
        self._fill(start, deadline)
        header_bytes, payload_bytes = FRAME.unpack(start)
        if header_bytes > _MAX_HEADER_BYTES:
            raise self._died()
        text = memoryview(bytearray(header_bytes))
        self._fill(text, deadline)
        header = json.loads(bytes(text))
        if payload_bytes == 0:
            return Message(header, memoryview(b""))
        payload = place(header, payload_bytes) if place else memoryview(bytearray(payload_bytes))
        self._fill(payload, deadline)
        return Message(header, payload)

    def _fill(self, target: memoryview, deadline: float) -> None:
        done = 0
        while done < len(target):
            try:
                got = os.readv(self._out, [target[done:]])
            except BlockingIOError:
                self._wait(deadline)
                continue
            if got == 0:
                raise self._died()
            done += got

    def _wait(self, deadline: float) -> None:
        """Until there is something to read; time that the child queued for a processor is free."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                left += min(self._queued_seconds() - self._queued_before, _MAX_QUEUED_SECONDS)
            if left <= 0:
                break
            if self._ready.select(min(left, 1.0)):
                return
        self._end()
        raise MediaError(
            "timeout",
            "decoding took longer than the limit allows and was stopped; cut out the part in "
            "question, or scale the video down: ffmpeg -i FILE -vf scale=1280:-2 smaller.mp4",
        )

    def _queued_seconds(self) -> float:
        """How long the thread of the child that queued longest was ready, but had no processor.

        Linux tells; elsewhere 0. A busy machine is no reason to call a video undecodable.
        """
        longest = 0
        with (
            contextlib.suppress(OSError, ValueError, IndexError),
            os.scandir(f"/proc/{self.pid}/task") as tasks,
        ):
            for task in tasks:
                with open(f"{task.path}/schedstat") as handle:
                    longest = max(longest, int(handle.read().split()[1]))
        return longest / 1e9

    def _died(self) -> MediaError:
        """The child is gone: find out how."""
        code = self._end(seconds=1.0)
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return MediaError(
            "decoder-crash",
            f"the decoder process died ({how}) on this file; nothing else was harmed. Re-encoding "
            "may help: ffmpeg -i FILE out.mp4",
        )


def _raise_reported(header: dict[str, Any]) -> None:
    """Turn an error that the child reports into a MediaError."""
    code = header.get("error")
    if code is None:
        return
    message = str(header.get("message", ""))[:500]
    if code == "out-of-memory":
        message = (
            "decoding wanted more memory than the limit allows; scale the video down first: "
            "ffmpeg -i FILE -vf scale=1280:-2 smaller.mp4"
        )
    raise MediaError(code if code in MEDIA_ERROR_CODES else "unreadable", message)
