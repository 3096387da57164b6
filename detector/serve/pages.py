"""The pages for people: the list, a report, two clips side by side, the token, the API."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Semaphore
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from unreel.detector.jsonin import from_json
from unreel.detector.report.page import PageOptions, render
from unreel.detector.report.templating import environment
from unreel.detector.serve.answers import compared
from unreel.detector.serve.api import ClipId, answers
from unreel.detector.serve.comparing import rows_of, side_of
from unreel.detector.serve.guards import SESSION_COOKIE
from unreel.detector.serve.receiving import BadRequest
from unreel.detector.serve.service import Service
from unreel.detector.serve.words import LANGUAGE_COOKIE, Words, language_of, own_messages

_HERE = Path(__file__).parent
_STATIC = {
    "app.css": "text/css",
    "app.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
REPORTS_AT_ONCE = 2
"""Reports that are made at the same time: each holds pictures in memory."""
MAX_LOGIN_BYTES = 4096
_YEAR_SECONDS = 365 * 86400
_SHARED_WORDS = (
    "decimal-mark", "label-generated", "label-inconclusive", "label-no-evidence", "label-error",
)  # fmt: skip
"""Messages of the reports that the script needs too."""


def pages(service: Service) -> APIRouter:
    """The routes of the pages."""
    router = APIRouter(include_in_schema=False)
    making = Semaphore(REPORTS_AT_ONCE)

    def page(request: Request, name: str, status: int = 200, **content: Any) -> HTMLResponse:
        say = Words(language_of(request))
        template = environment(_HERE / "templates").get_template(name)
        answer = HTMLResponse(template.render(say=say, other=say.other, **content), status)
        if "lang" in request.query_params:
            answer.set_cookie(
                LANGUAGE_COOKIE, say.language, max_age=_YEAR_SECONDS, httponly=True, samesite="lax"
            )
        return answer

    @router.get("/")
    def index(request: Request) -> HTMLResponse:
        say = Words(language_of(request))
        words = own_messages(say.language) | {name: say(name) for name in _SHARED_WORDS}
        settings = service.settings
        key = "drop-limits" if settings.keep_days else "drop-limits-kept"
        limits = say(key, size=say.size(settings.max_file_bytes), days=f"{settings.keep_days:g}")
        return page(request, "index.html.j2", csrf=service.keys.csrf, words=words, limits=limits)

    def report(clip: str, language: str) -> str:
        found = service.uploads.report(clip)
        if found is None:
            raise BadRequest(409, "not-judged-yet", "the clip waits to be judged")
        report = from_json(found)
        media = report.media and replace(report.media, path=report.path)
        with making:
            gallery = service.kept.gallery(report.sha256 if report.error is None else None)
            options = PageOptions(language, service.settings.config, _model_folder(service))
            return render(replace(report, media=media), gallery, options)

    @router.get("/clips/{clip}/report")
    def read(clip: ClipId, request: Request) -> HTMLResponse:
        html = report(clip, language_of(request))
        return HTMLResponse(html.encode("utf-8", "backslashreplace"), headers=_REPORT_HEADERS)

    @router.get("/clips/{clip}/report.html")
    def download(clip: ClipId, request: Request) -> HTMLResponse:
        html = report(clip, language_of(request))
        beside = {"content-disposition": f'attachment; filename="unreel-{clip}.html"'}
        return HTMLResponse(
            html.encode("utf-8", "backslashreplace"), headers=_REPORT_HEADERS | beside
        )

    @router.get("/compare")
    def compare(
        request: Request,
        a: Annotated[str, Query(pattern="^[0-9a-f]{24}$")],
        b: Annotated[str, Query(pattern="^[0-9a-f]{24}$")],
    ) -> HTMLResponse:
        found = compared(service.uploads.row(a), service.uploads.row(b))
        say = Words(language_of(request))
        sides = [
            side_of(
                clip, service.uploads.report(clip.id), service.kept.has_picture(clip.sha256), say
            )
            for clip in (found.a, found.b)
        ]
        rows = rows_of(found.a, found.b, say)
        return page(request, "compare.html.j2", sides=sides, rows=rows, remarks=found.remarks)

    @router.get("/docs")
    def docs(request: Request) -> HTMLResponse:
        return page(request, "docs.html.j2", api=request.app.openapi(), shape=shape_of)

    @router.get("/login")
    def ask(request: Request) -> HTMLResponse:
        return page(request, "login.html.j2", wrong=False)

    @router.post("/login")
    async def login(request: Request) -> Response:
        given = ""
        async for chunk in request.stream():
            given += chunk.decode("ascii", "replace")
            if len(given) > MAX_LOGIN_BYTES:
                raise BadRequest(413, "too-large", "a token is shorter")
        token = parse_qs(given).get("token", [""])[0]
        if not service.keys.is_token(token):
            return await run_in_threadpool(page, request, "login.html.j2", 401, wrong=True)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            SESSION_COOKIE, service.keys.session, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    @router.get("/favicon.ico")
    def icon() -> Response:
        return static("icon.svg")

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise BadRequest(404, "not-found", "there is no such file")
        return Response(_source(name), media_type=_STATIC[name])

    return router


def problem_page(request: Request, status: int, message: str) -> HTMLResponse:
    """An error for somebody who looks at a page."""
    template = environment(_HERE / "templates").get_template("problem.html.j2")
    return HTMLResponse(template.render(say=Words(language_of(request)), message=message), status)


def pictures(service: Service) -> APIRouter:
    """The small pictures of the list; part of the API."""
    router = APIRouter(prefix="/api", tags=["clips"])

    @router.get(
        "/clips/{clip}/thumbnail.jpg",
        responses={**answers(404, 422), 200: {"content": {"image/jpeg": {}}}},
        response_class=Response,
    )
    def thumbnail(clip: ClipId) -> Response:
        """A small frame of the clip."""
        found = service.kept.thumbnail(service.uploads.row(clip)["sha256"])
        if found is None:
            raise BadRequest(404, "no-picture", "no picture of this clip was kept")
        return Response(found, media_type="image/jpeg")

    return router


# A report brings its own policy, which allows its inline script by hash and nothing else.
_REPORT_HEADERS = {"content-security-policy": "frame-ancestors 'none'"}


def _model_folder(service: Service) -> str | None:
    folder = service.settings.model_folder
    return None if folder is None else str(folder)


def shape_of(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(shape_of(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(word) for word in schema["enum"])
    if schema.get("type") == "array":
        return f"[{shape_of(schema.get('items', {}))}]"
    if schema.get("type") == "object" and schema.get("properties"):
        inner = ", ".join(f"{k}: {shape_of(v)}" for k, v in schema["properties"].items())
        return "{" + inner + "}"
    return str(schema.get("contentMediaType") or schema.get("type") or "")


@cache
def _source(name: str) -> bytes:
    return (_HERE / "static" / name).read_bytes()
