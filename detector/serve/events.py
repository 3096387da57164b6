"""Tells every open page what happens, by server-sent events; slow listeners hold nobody up.

A page that falls behind is told to fetch the list anew instead of what it missed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

HELD_EVENTS = 256
"""Events that wait for one page."""
QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent, so that broken connections are noticed."""


class Hub:
    """Hands events from any thread to the listeners of one event loop."""

    def __init__(self, max_listeners: int) -> None:
        self._max = max_listeners
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve the listeners of this loop from now on."""
        self._loop = loop

    def detach(self) -> None:
        """The loop ends; events are dropped from now on, listeners sent home."""
        self._loop = None
        for queue in self._listeners:
            _put(queue, None)

    def publish(self, kind: str, content: dict[str, Any]) -> None:
        """From any thread; never waits."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._spread, {"type": kind, **content})

    def _spread(self, event: dict[str, Any]) -> None:
        for queue in self._listeners:
            _put(queue, event)

    @property
    def full(self) -> bool:
        """Whether there are as many listeners as there may be."""
        return len(self._listeners) >= self._max

    async def listen(self) -> AsyncIterator[str]:
        """The events as text of a text/event-stream, until the server stops."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(HELD_EVENTS)
        self._listeners.add(queue)
        try:
            yield _as_text({"type": "hello"})
            while True:
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        event = await queue.get()
                except TimeoutError:
                    yield ": still there\n\n"
                    continue
                if event is None:
                    return
                yield _as_text(event)
        finally:
            self._listeners.discard(queue)


def _put(queue: asyncio.Queue[dict[str, Any] | None], event: dict[str, Any] | None) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        if event is not None:
            event = {"type": "again"}
    queue.put_nowait(event)


def _as_text(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=True)}\n\n"
