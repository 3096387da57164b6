"""uvicorn, set up for pages that listen for events: they are sent home before it waits for them."""

from __future__ import annotations

import socket

import uvicorn

from unreel.detector.serve.app import make_app
from unreel.detector.serve.service import Service


class Server(uvicorn.Server):
    """Answers requests of a service until `should_exit` is set or a signal comes.

    Args:
        service: That has begun.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        super().__init__(
            uvicorn.Config(
                make_app(service),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=3,
                ws="none",
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events, then all connections."""
        self._service.hub.detach()
        await super().shutdown(sockets)
