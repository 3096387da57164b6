"""The REST API: everything that the pages can do, and nothing that they cannot."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from unreel.detector.audit.errors import StoreError
from unreel.detector.serve.answers import (
    Clip,
    ClipList,
    Comparison,
    LabelWish,
    ProblemAnswer,
    Received,
    RefusedFile,
    Status,
    compared,
)
from unreel.detector.serve.receiving import BadRequest, receive
from unreel.detector.serve.service import Service

ClipId = Annotated[str, Path(pattern="^[0-9a-f]{24}$", description="Of a clip, as listed.")]
_UPLOAD_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "contentMediaType": "video/*"},
                        }
                    },
                }
            }
        },
    }
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer besides success; the guard's own answers to all of them."""
    said = {
        303: "The page for the token",
        400: "The request cannot be read",
        401: "The token is missing",
        403: "Asked for by a page of another site",
        404: "There is no such clip",
        408: "Nothing came for too long",
        409: "Not in this state",
        413: "Too large, or too many files",
        415: "No video, or no multipart request",
        421: "This server is not known under that name",
        422: "A value is off",
        429: "Too many requests",
        503: "Too many clips wait, or too many pages listen",
        507: "No room for more clips",
    }
    always = (401, 403, 421, 429)
    return {s: {"model": ProblemAnswer, "description": said[s]} for s in (*always, *statuses)}


def api(service: Service) -> APIRouter:
    """The routes under /api."""
    router = APIRouter(prefix="/api", tags=["clips"])
    receiving = asyncio.Semaphore(service.settings.receiving_at_once)

    @router.get("/status", responses=answers())
    def status() -> Status:
        """How the server is, and its limits."""
        return Status(
            version=version("unreel"),
            max_file_bytes=service.settings.max_file_bytes,
            max_total_bytes=service.settings.max_total_bytes,
            keep_days=service.settings.keep_days,
            trouble=service.queue.trouble,
            **service.uploads.counts(),
        )

    @router.post(
        "/clips",
        status_code=201,
        responses={
            **answers(400, 408, 503, 507),
            **{s: {"model": Received | ProblemAnswer} for s in (413, 415, 422)},
        },
        response_model=Received,
        openapi_extra=_UPLOAD_FORM,
    )
    async def upload(request: Request) -> Any:
        """Put clips on the list: files of a multipart form. What is no video is refused."""
        counts = await asyncio.to_thread(service.uploads.counts)
        if counts["waiting"] >= service.settings.max_waiting:
            raise BadRequest(503, "list-full", f"{counts['waiting']} clips wait: try again later")
        async with receiving:
            receiver = await receive(
                request.headers.get("content-type", ""),
                aiter(request.stream()),
                service.uploads,
                service.settings,
            )
        clips = [
            await asyncio.to_thread(service.enter, draft, name) for draft, name in receiver.taken
        ]
        refused = [RefusedFile(name=r.name, code=r.code, message=r.message)
                   for r in receiver.refused]  # fmt: skip
        if not clips and not refused:
            raise BadRequest(422, "no-file", "the form has no file in it")
        status = 201 if clips else receiver.refused[0].status
        received = Received(clips=clips, refused=refused)
        return JSONResponse(received.model_dump(), status_code=status)

    @router.get("/clips", responses=answers(422))
    def history(
        before: Annotated[int | None, Query(ge=0, le=2**62, description="Of `number`.")] = None,
        most: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> ClipList:
        """The clips, the newest first."""
        rows = service.uploads.rows(before=before, most=most)
        more = rows[-1]["number"] if len(rows) == most else None
        return ClipList(clips=[service.shown(row) for row in rows], more_before=more)

    @router.get("/clips/{clip}", responses=answers(404, 422))
    def one(clip: ClipId) -> Clip:
        """One clip."""
        return service.clip(clip)

    @router.post("/clips/{clip}/cancel", status_code=202, responses=answers(404, 422))
    def cancel(clip: ClipId) -> Clip:
        """Give up on a clip that waits or is judged; does nothing when it is done."""
        service.cancel(clip)
        return service.clip(clip)

    @router.delete("/clips/{clip}", status_code=204, responses=answers(404, 422))
    def delete(clip: ClipId) -> None:
        """Delete the video, its pictures and its name. The nameless result stays in the store."""
        service.delete(clip)

    @router.post("/clips/{clip}/label", responses=answers(404, 409, 422))
    def label(clip: ClipId, wish: LabelWish) -> Clip:
        """Say what a person found; the last word counts, all are kept."""
        service.uploads.label(clip, wish.label, wish.generator, wish.source, wish.note)
        return service.told(clip)

    @router.get("/clips/{clip}/report.json", responses=answers(404, 409, 422))
    def report(clip: ClipId) -> JSONResponse:
        """The full report, as `unreel scan --json` writes it."""
        found = service.uploads.report(clip)
        if found is None:
            raise BadRequest(409, "not-judged-yet", "the clip waits to be judged")
        beside = {"content-disposition": f'attachment; filename="unreel-{clip}.json"'}
        return JSONResponse(found, headers=beside)

    @router.get("/compare", responses=answers(404, 422))
    def compare(
        a: Annotated[str, Query(pattern="^[0-9a-f]{24}$")],
        b: Annotated[str, Query(pattern="^[0-9a-f]{24}$")],
    ) -> Comparison:
        """Two clips side by side, and whether their scores may be compared."""
        return compared(service.uploads.row(a), service.uploads.row(b))

    @router.get(
        "/events",
        responses={**answers(503), 200: {"content": {"text/event-stream": {}}}},
        response_class=StreamingResponse,
    )
    async def events() -> StreamingResponse:
        """What happens, as server-sent events: `clip` with its row, `deleted`, `again`."""
        if service.hub.full:
            raise BadRequest(503, "too-many-listeners", "too many pages listen: close some")
        return StreamingResponse(service.hub.listen(), media_type="text/event-stream")

    return router


def problem(error: Exception) -> tuple[int, str, str]:
    """Status, code and message of what an operation may raise on purpose."""
    if isinstance(error, BadRequest):
        return error.status, error.code, error.message
    if isinstance(error, KeyError):
        return 404, "no-such-clip", "there is no such clip: it may have been deleted"
    if isinstance(error, StoreError):
        return 409, "not-possible", str(error)
    raise error
