"""Takes files out of a multipart request while it comes, each straight to a folder of its own.

Nothing is held but one chunk, whatever the size. The type is told by the first bytes, never by name
or by what the browser says; what is no video is refused, and the rest of the request still counts.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from unreel.detector.serve.settings import ServeSettings
from unreel.detector.serve.uploads import Draft, Uploads, shown_name
from unreel.detector.sniff import HEAD_BYTES, container_of, describe, playlist_of

_ALLOWED = "mp4/mov, matroska/webm, avi, mpeg-ts, mpeg-ps, gif, flv, asf/wmv or ogg"


class BadRequest(Exception):
    """The request itself is off.

    Args:
        status: HTTP status.
        code: A stable word.
        message: What was got and what is allowed.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not taken."""

    name: str
    status: int
    code: str
    message: str


@dataclass(slots=True)
class _Part:
    """One part of the request, while it comes."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str | None = None
    draft: Draft | None = None
    handle: IO[bytes] | None = None
    head: bytes = b""
    size: int = 0
    refused: Refused | None = None


class Receiver:
    """The files of one request.

    Args:
        boundary: Of the parts, as the Content-Type gives it.
        uploads: Gives the folders.
        settings: Limits.
    """

    def __init__(self, boundary: bytes, uploads: Uploads, settings: ServeSettings) -> None:
        self._uploads = uploads
        self._settings = settings
        self._part = _Part()
        self._header = (b"", b"")
        self.taken: list[tuple[Draft, str]] = []
        """Folder and name of each file that came whole."""
        self.refused: list[Refused] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._header_begin,
                "on_header_end": self._header_end,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )
        self._ended = False

    def write(self, chunk: bytes) -> None:
        """Take in what has come.

        Raises:
            BadRequest: It is no multipart request, or has too many files.
        """
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise BadRequest(400, "bad-multipart", f"the request cannot be read: {error}") from None

    @property
    def is_unfinished(self) -> bool:
        """Whether it ends in the middle of a file."""
        return self._part.draft is not None

    def abandon(self) -> None:
        """The request did not come to its end: a file that is not whole goes; whole ones too."""
        self._close()
        if self._part.draft is not None:
            self._uploads.drop(self._part.draft)
        for draft, _ in self.taken:
            self._uploads.drop(draft)

    def _begin(self) -> None:
        if len(self.taken) + len(self.refused) >= self._settings.max_files_per_request:
            raise BadRequest(
                413,
                "too-many-files",
                f"more than {self._settings.max_files_per_request} files in one request: send them "
                "in several",
            )
        self._part = _Part()

    def _header_begin(self) -> None:
        self._header = (b"", b"")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name + data[start:end], value)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name, value + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.lower()] = value

    def _headers_finished(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        if b"filename" not in options:
            return  # a plain field of the form: nothing of it is used
        part.name = options[b"filename"].decode("utf-8", "replace")
        if part.name == "" and options.get(b"name") is not None:
            part.name = "clip"
        part.draft = self._uploads.draft()
        part.handle = part.draft.part.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.size += end - start
        if part.draft is None or part.refused is not None:
            return
        if len(part.head) < HEAD_BYTES:
            part.head += data[start : min(end, start + HEAD_BYTES - len(part.head))]
            if len(part.head) >= HEAD_BYTES:
                self._check_type()
        if part.size > self._settings.max_file_bytes:
            limit = self._settings.max_file_bytes
            self._refuse(413, "too-large", f"more than {limit} bytes, the limit of this server")
        elif part.refused is None and part.handle is not None:
            part.handle.write(data[start:end])

    def _end(self) -> None:
        part = self._part
        self._close()
        if part.draft is None:
            return
        if part.refused is None:
            self._check_type()
        if part.refused is None:
            self.taken.append((part.draft, part.name or "clip"))
        else:
            self.refused.append(part.refused)
        self._part = _Part()

    def _check_type(self) -> None:
        head = self._part.head
        if not head:
            self._refuse(422, "empty", "the file has 0 bytes; a video has more")
        elif container_of(head) is None:
            kind = playlist_of(head)
            if kind is not None:
                self._refuse(
                    415, "playlist", f"{kind}: a text that points at other files, never followed"
                )
            else:
                said = f"holds {describe(head)}; taken are {_ALLOWED}, by content"
                self._refuse(415, "not-a-video", said)

    def _refuse(self, status: int, code: str, message: str) -> None:
        part = self._part
        self._close()
        if part.draft is not None:
            self._uploads.drop(part.draft)
        part.refused = Refused(shown_name(part.name or ""), status, code, message)

    def _close(self) -> None:
        if self._part.handle is not None:
            self._part.handle.close()
            self._part.handle = None


async def receive(
    content_type: str, stream: AsyncIterator[bytes], uploads: Uploads, settings: ServeSettings
) -> Receiver:
    """Read a request to its end.

    Raises:
        BadRequest: It is no multipart request, stalls, or there is no room.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadRequest(
            415, "not-multipart", "send files as multipart/form-data: curl -F file=@clip.mp4 ..."
        )
    try:
        receiver = Receiver(boundary, uploads, settings)
    except MultipartParseError as error:
        raise BadRequest(400, "bad-multipart", f"the request cannot be read: {error}") from None
    budget = _Budget(uploads.folder, uploads.counts()["bytes"], settings)
    try:
        while True:
            try:
                async with asyncio.timeout(settings.stalled_seconds):
                    chunk = await anext(stream, None)
            except TimeoutError:
                raise BadRequest(
                    408, "stalled", f"nothing came for {settings.stalled_seconds:g} s"
                ) from None
            if chunk is None:
                break
            if chunk:
                budget.spend(len(chunk))
                await run_in_threadpool(receiver.write, chunk)
    except BaseException:
        receiver.abandon()
        raise
    if receiver.is_unfinished:  # the closing boundary is missing
        receiver.abandon()
        raise BadRequest(400, "bad-multipart", "the request ends in the middle of a file")
    return receiver


@dataclass(slots=True)
class _Budget:
    """Room for uploads; asked again every few megabytes."""

    folder: Path
    kept: int
    settings: ServeSettings
    usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    _unchecked: int = 64 << 20

    def spend(self, size: int) -> None:
        self.kept += size
        self._unchecked += size
        if self.kept > self.settings.max_total_bytes:
            raise BadRequest(
                507,
                "no-room",
                f"all clips together may have {self.settings.max_total_bytes} bytes: delete some",
            )
        if self._unchecked >= 8 << 20:
            self._unchecked = 0
            free, least = self.usage(self.folder)[2], self.settings.min_free_bytes
            if free < least:
                raise BadRequest(
                    507,
                    "no-room",
                    f"the disk has {free >> 20} MiB free and uploads leave {least >> 20} "
                    "(--min-free): delete some clips",
                )
