"""Lets a client that is still sending read why it was refused, before its connection is closed.

To close a connection on which unread bytes lie resets it, and the reset discards the answer on its
way: the sender sees a broken connection instead of "too many files" (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS = 30.0
"""What still comes is read and discarded for so long; a longer upload is reset after all."""
SILENT_SECONDS = 5.0
"""Somebody who sends nothing for so long has the answer, or never reads it."""


class Lingering:
    """ASGI middleware: answers that close the connection end when the request has been read.

    Args:
        app: What answers.
        seconds: At most, for one answer.
        silent_seconds: At most, without a byte.
    """

    def __init__(
        self,
        app: ASGIApp,
        seconds: float = LINGER_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._app = app
        self._seconds = seconds
        self._silent_seconds = silent_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unread = True
        closes = False

        async def noting() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body"))  # a disconnect has none
            return message

        async def lingering(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start":
                closes = Headers(raw=message["headers"]).get("connection") == "close"
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            if not (ends and closes and unread):
                await send(message)
                return
            await send({**message, "more_body": True})
            await self._discard(receive)
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, noting, lingering)

    async def _discard(self, receive: Receive) -> None:
        """Read to the end of the request, of the connection or of the patience."""
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    # Not wait_for: before Python 3.12 it can lose the cancelling of the outer one.
                    async with asyncio.timeout(self._silent_seconds):
                        message = await receive()
                    more = bool(message.get("more_body"))  # a disconnect has none
        except TimeoutError:
            return
