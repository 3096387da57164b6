"""Puts routes, pages and the guard together into one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.telemetry import TelemetryConfig

from unreel.detector.audit.errors import StoreError
from unreel.detector.serve.api import api, problem
from unreel.detector.serve.guards import Guard
from unreel.detector.serve.lingering import Lingering
from unreel.detector.serve.pages import pages, pictures, problem_page
from unreel.detector.serve.receiving import BadRequest
from unreel.detector.serve.service import Service

_ABOUT = """Judges videos on this machine. Scores say how strongly the evidence speaks for
generation, never that a video is real. Programs send `Authorization: Bearer TOKEN` where the
server has a token; browsers send back the token of the page as `X-CSRF-Token`."""


# Where OpenTelemetry is set up on a machine, FastAPI would export names of requests to it.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def make_app(service: Service) -> FastAPI:
    """The application of a service that has begun."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.hub.attach(asyncio.get_running_loop())
        yield
        service.hub.detach()

    # The own pages for the description of the API load their scripts from elsewhere.
    app = FastAPI(
        title="unreel",
        version=version("unreel"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    app.include_router(api(service))
    app.include_router(pictures(service))
    app.include_router(pages(service))

    async def say(request: Request, error: Exception) -> Response:
        status, code, message = problem(error)
        if "text/html" in request.headers.get("accept", ""):
            return problem_page(request, status, message)
        headers = {"connection": "close"} if status in (408, 413, 503, 507) else None
        return JSONResponse({"error": {"code": code, "message": message}}, status, headers)

    for kind in (BadRequest, KeyError, StoreError):
        app.add_exception_handler(kind, say)
    app.add_middleware(Guard, settings=service.settings, keys=service.keys)
    app.add_middleware(Lingering)  # outermost: also around what the guard refuses
    return app
