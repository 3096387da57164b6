"""Fetching a file of a model: over https only, kept only with the right hash, no rest left."""

from __future__ import annotations

import hashlib
import io
from http.client import HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import Request

import pytest
from click.testing import CliRunner

from unreel.detector.cli import main
from unreel.detector.errors import UsageError
from unreel.detector.pull import PUBLISHED, OnlyHttps, pull

CONTENT = b"weights" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
URL = "https://models.example.org/large/model.onnx"


class Server:
    """Serves CONTENT and remembers what was asked for."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, url: str) -> IO[bytes]:
        self.asked.append(url)
        return io.BytesIO(self.content)


def test_a_file_with_the_right_hash_is_kept(tmp_path: Path) -> None:
    server = Server()
    target = pull(URL, sha256=HASH.upper(), folder=tmp_path / "large", open_url=server)
    assert target == tmp_path / "large" / "model.onnx"
    assert target.read_bytes() == CONTENT
    assert server.asked == [URL]


def test_a_file_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(CONTENT)
    server = Server()
    pull(URL, sha256=HASH, folder=tmp_path, open_url=server)
    assert server.asked == []


def test_other_content_is_not_kept_and_the_old_file_stays(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")
    with pytest.raises(UsageError, match="it was not kept"):
        pull(URL, sha256=HASH, folder=tmp_path, open_url=Server(b"swapped"))
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"old"


def test_no_network_is_said_with_the_way_out(tmp_path: Path) -> None:
    def offline(url: str) -> IO[bytes]:
        raise URLError("Network is unreachable")

    with pytest.raises(UsageError, match=r"Network is unreachable.*scan --model DIR"):
        pull(URL, sha256=HASH, folder=tmp_path, open_url=offline)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://models.example.org/model.onnx", "only https"),
        ("file:///etc/passwd", "only https"),
        ("ftp://example.org/model.onnx", "only https"),
        ("https:///model.onnx", "only https"),
        ("https://example.org/", "plain file name"),
        ("https://example.org/..", "plain file name"),
        ("https://example.org/%2e%2e%2fmodel", "plain file name"),
        ("large", "no model is published under the name 'large'"),
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, url: str, said: str) -> None:
    server = Server()
    with pytest.raises(UsageError, match=said):
        pull(url, sha256=HASH, folder=tmp_path, open_url=server)
    assert server.asked == []


@pytest.mark.parametrize("digest", ["", "abc", HASH[:-1], "g" * 64])
def test_half_a_hash_is_refused(tmp_path: Path, digest: str) -> None:
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        pull(URL, sha256=digest, folder=tmp_path, open_url=Server())


def test_a_redirect_may_not_leave_https() -> None:
    handler, request = OnlyHttps(), Request(URL)
    for target in ("http://example.org/model.onnx", "ftp://example.org/model.onnx"):
        with pytest.raises(UsageError, match="only https"):
            handler.redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), target)
    further = handler.redirect_request(
        request, io.BytesIO(), 302, "Found", HTTPMessage(), "https://cdn.example.org/model.onnx"
    )
    assert further is not None
    assert further.full_url == "https://cdn.example.org/model.onnx"


def test_the_command_wants_a_hash(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["models", "pull", URL, "--into", str(tmp_path)])
    assert result.exit_code == 2
    assert "--sha256" in result.stderr


def test_the_command_says_what_is_off_in_one_line(tmp_path: Path) -> None:
    arguments = ["models", "pull", "large", "--sha256", HASH, "--into", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no model is published under the name 'large'")


def test_a_published_name_has_its_address_and_hash(tmp_path: Path) -> None:
    server = Server(b"swapped")
    with pytest.raises(UsageError, match="it was not kept"):
        pull("objects", sha256="", folder=tmp_path, open_url=server)
    (asked,) = server.asked
    assert asked.startswith("https://")
    assert asked.endswith("/FastestDet.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_published_detector_is_the_one_in_the_tests(corpus: Path) -> None:
    weights = corpus.parent / "weights" / "fastestdet.onnx"
    if not weights.is_file():
        pytest.skip("no ../shared/weights beside the checkout")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == PUBLISHED["objects"][1]
