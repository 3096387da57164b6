"""Who may ask the server, how often and how much: what must be refused."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from serving import QUICK, Running, mp4, running, wait
from starlette.types import Message, Receive, Scope, Send

from unreel.detector.errors import UsageError
from unreel.detector.serve.lingering import Lingering
from unreel.detector.serve.rates import Rates
from unreel.detector.serve.receiving import Receiver
from unreel.detector.serve.settings import ServeSettings
from unreel.detector.serve.uploads import Uploads

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example"}, 421, "unknown-host"),
        ({"host": "evil.example:80"}, 421, "unknown-host"),
        ({"host": "192.168.1.5"}, 421, "unknown-host"),
        ({"host": "["}, 421, "unknown-host"),
        ({"origin": "http://evil.example"}, 403, "other-site"),
        ({"origin": "null"}, 403, "other-site"),
        ({"sec-fetch-site": "cross-site"}, 403, "other-site"),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403, "other-site"),
        ({"sec-fetch-site": "same-origin"}, 403, "no-csrf-token"),
        ({"cookie": "a=b"}, 403, "no-csrf-token"),
        ({"sec-fetch-site": "same-origin", "x-csrf-token": "guess"}, 403, "no-csrf-token"),
    ],
)
def test_requests_of_other_pages_are_refused(
    server: Running, headers: dict[str, str], status: int, code: str
) -> None:
    with server.client() as client:
        answer = client.post("/api/clips", files={"file": ("a.mp4", mp4("a"))}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_page_itself_is_answered(server: Running) -> None:
    port = server.url.rpartition(":")[2]
    key = server.service.keys.csrf
    for host in ("localhost", "127.0.0.1", "[::1]"):
        origin = {"host": f"{host}:{port}", "origin": f"http://{host}:{port}", "x-csrf-token": key}
        with server.client() as client:
            answer = client.get("/api/status", headers=origin)
            assert answer.status_code == 200
            files = {"file": ("a.mp4", mp4("a"))}
            assert client.post("/api/clips", files=files, headers=origin).status_code == 201
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        ServeSettings(host="0.0.0.0")
    with pytest.raises(UsageError, match="at least 16"):
        ServeSettings(token="short")
    with running(tmp_path / "data", judge=QUICK, token=TOKEN) as server, server.client() as client:
        assert client.get("/api/status").status_code == 401
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/status", headers=right).status_code == 200
        page = client.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login")
        for _ in range(12):
            last = client.get("/api/status", headers={"authorization": "Bearer wrong"})
        assert (last.status_code, last.json()["error"]["code"]) == (429, "too-many-tries")
        tried = client.get("/api/status", headers=right)
        assert tried.status_code == 429, "guessing stops also when the guess is right"


def test_uploads_leave_room_on_the_disk(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", judge=QUICK, min_free_bytes=1 << 60) as server,
        server.client() as client,
    ):
        full = client.post("/api/clips", files={"file": ("a.mp4", mp4("a"))})
        error = full.json()["error"]
        assert (full.status_code, error["code"]) == (507, "no-room")
        assert f"uploads leave {1 << 40} (--min-free)" in error["message"]
        assert list((tmp_path / "data" / "uploads").iterdir()) == []


def test_limits_of_size_count_and_room(tmp_path: Path) -> None:
    limits = {"max_file_bytes": 1000, "max_files_per_request": 3, "max_total_bytes": 20_000}
    with running(tmp_path / "data", judge=QUICK, **limits) as server, server.client() as client:
        big = client.post("/api/clips", files={"file": ("a.mp4", mp4("a" * 2000))})
        assert (big.status_code, big.json()["refused"][0]["code"]) == (413, "too-large")
        many = [("file", ("a.mp4", mp4(str(i)))) for i in range(4)]
        answer = client.post("/api/clips", files=many)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-many-files")
        full = client.post("/api/clips", files={"file": ("a.mp4", mp4("a" * 30_000))})
        assert (full.status_code, full.json()["error"]["code"]) == (507, "no-room")
        none = client.post("/api/clips", files={"other": (None, "text")})
        assert (none.status_code, none.json()["error"]["code"]) == (422, "no-file")
        plain = client.post("/api/clips", content=b"x", headers={"content-type": "video/mp4"})
        assert (plain.status_code, plain.json()["error"]["code"]) == (415, "not-multipart")
        assert list((tmp_path / "data" / "uploads").iterdir()) == [], "nothing of them is left"


@pytest.mark.parametrize(
    ("header", "status"), [("", b"413"), ("Origin: http://evil.example\r\n", b"403")]
)
def test_who_still_sends_can_read_the_refusal(tmp_path: Path, header: str, status: bytes) -> None:
    files = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n%s\r\n'
        % mp4(t)
        for t in "ab"
    )
    rest = b"x" * 5_000_000
    head = (
        f"POST /api/clips HTTP/1.1\r\nHost: localhost\r\n{header}"
        f"Content-Length: {len(files) + len(rest)}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with running(tmp_path / "data", judge=QUICK, max_files_per_request=1) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sender:
            sender.sendall(head.encode() + files)
            answer = sender.recv(1 << 16)  # it is answered, and yet the sender goes on
            sender.sendall(rest)
            while chunk := sender.recv(1 << 16):
                answer += chunk
    assert status in answer.partition(b"\r\n")[0]
    assert answer.endswith(b"}}"), "the answer comes whole"


@pytest.mark.parametrize(("seconds", "silent"), [(0.2, 60.0), (60.0, 0.2)])
def test_nobody_lingers_for_ever(seconds: float, silent: float) -> None:
    sent: list[Message] = []

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        raw = [(b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": raw})
        await send({"type": "http.response.body", "body": b"no"})

    async def drip() -> Message:
        await asyncio.sleep(0.01 if seconds < silent else 60)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def note(message: Message) -> None:
        sent.append(message)

    async def talk() -> None:
        async with asyncio.timeout(30):
            await Lingering(refuse, seconds, silent)({"type": "http"}, drip, note)

    asyncio.run(talk())
    said = [(m.get("body"), m.get("more_body", False)) for m in sent]
    assert said == [(None, False), (b"no", True), (b"", False)]


def test_half_an_upload_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data", judge=QUICK, stalled_seconds=0.5) as server:
        port = int(server.url.rpartition(":")[2])
        head = (
            "POST /api/clips HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        )
        with socket.create_connection(("127.0.0.1", port)) as stalled:
            stalled.sendall(head.encode() + mp4("half"))
            assert b"408" in stalled.recv(1000).partition(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(head.encode() + mp4("half"))
        wait(lambda: not list((tmp_path / "data" / "uploads").iterdir()), 10)


def test_too_many_requests_are_told_to_wait(tmp_path: Path) -> None:
    limits = {"requests_per_second": 0.1, "burst": 3}
    with running(tmp_path / "data", judge=QUICK, **limits) as server, server.client() as client:
        statuses = [client.get("/api/status") for _ in range(4)]
        assert [s.status_code for s in statuses] == [200, 200, 200, 429]
        assert int(statuses[-1].headers["retry-after"]) <= 10


def test_buckets_fill_up_again() -> None:
    now = [0.0]
    rates = Rates(2.0, 2, lambda: now[0])
    assert [rates.wait_seconds("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert rates.wait_seconds("b") == 0.0
    now[0] = 0.5
    assert rates.wait_seconds("a") == 0.0


def test_any_cut_of_the_stream_gives_the_same_files(tmp_path: Path) -> None:
    uploads, settings = Uploads(tmp_path), ServeSettings(folder=tmp_path)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xc3\xa4.mp4"\r\n\r\n'
        + mp4("one\r\n--not the boundary")
        + b"\r\n--b--\r\n"
    )
    for size in (1, 2, 7, len(body)):
        receiver = Receiver(b"b", uploads, settings)
        for start in range(0, len(body), size):
            receiver.write(body[start : start + size])
        ((draft, name),) = receiver.taken
        assert name == "\u00e4.mp4"
        assert draft.part.read_bytes() == mp4("one\r\n--not the boundary")
    uploads.close()
