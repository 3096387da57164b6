"""Objects of a bucket: a real S3 server on this machine, real clips, a temp folder with a bound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from make_media import Recipe, write_video
from test_audit_run import audit, quick

from unreel.detector.audit import open_store
from unreel.detector.audit.engine import SCANNING
from unreel.detector.audit.objects import is_address
from unreel.detector.audit.walk import Choice

fsspec = pytest.importorskip("fsspec", reason="the cloud extra: make test-slow installs it")
pytest.importorskip("s3fs", reason="the cloud extra: make test-slow installs it")
server = pytest.importorskip("moto.server", reason="the test-cloud extra: make test-slow has it")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """An empty bucket called `archive`, on a port of its own; workers find it by environment."""
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": host,
    }.items():
        monkeypatch.setenv(name, value)
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.mkdir("archive")
    yield system
    request = Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    build_opener(ProxyHandler({})).open(request).close()
    moto.stop()
    fsspec.filesystem("s3").clear_instance_cache()


def put(bucket: fsspec.AbstractFileSystem, name: str, data: bytes) -> None:
    with bucket.open(f"archive/{name}", "wb") as handle:
        handle.write(data)


def rows(db: Path) -> dict[str, tuple[str, str | None, float | None]]:
    with open_store(db, read_only=True) as store:
        query = "SELECT path, state, error_code, score FROM results"
        return {p: (s, e, v) for p, s, e, v in store.connection.execute(query)}


def test_a_bucket_is_audited_like_a_folder(
    bucket: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    clip = write_video(tmp_path, Recipe(width=320, height=240))
    put(bucket, "a/one.mp4", clip.read_bytes())
    put(bucket, "a/two.mp4", clip.read_bytes())
    put(bucket, "b/bad.mp4", b"no video")
    put(bucket, "b/huge.mp4", os.urandom(3 << 20))
    put(bucket, "notes.txt", b"not taken")
    temp = tmp_path / "temp"
    temp.mkdir()
    db = tmp_path / "audit.sqlite"
    folder = Path("unused")
    options = {"names": ("s3://archive",), "workers": 1, "judge": SCANNING}
    bound = {"temp_folder": temp, "temp_bytes": 2 << 20}
    counts = audit(db, quick(folder, **options, **bound)).counts
    assert (counts.scanned, counts.same_bytes, counts.errors) == (3, 1, 2)
    found = rows(db)
    assert found["s3://archive/a/one.mp4"][2] == found["s3://archive/a/two.mp4"][2] is not None
    assert found["s3://archive/b/bad.mp4"][1] == "not-a-video"
    assert found["s3://archive/b/huge.mp4"][1] == "too-large"
    assert list(temp.iterdir()) == [], "nothing is left behind"
    with open_store(db, read_only=True) as store:
        report = store.report("s3://archive/a/one.mp4")
        assert report is not None and report["file"]["path"] == "s3://archive/a/one.mp4"
        for (text,) in store.connection.execute("SELECT report FROM scans"):
            assert str(temp) not in text, "the copy is nobody's business"


def test_only_objects_that_changed_are_fetched_again(
    bucket: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    for name in "abc":
        put(bucket, f"{name}.mp4", name.encode() * 10)
    db = tmp_path / "audit.sqlite"
    options = quick(Path("unused"), names=("s3://archive",), judge=SCANNING, workers=1)
    assert audit(db, options).counts.errors == 3
    put(bucket, "b.mp4", b"B" * 10)
    counts = audit(db, options).counts
    assert (counts.changed, counts.unchanged, counts.scanned) == (1, 2, 1)


def test_choice_holds_for_objects(bucket: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    put(bucket, "a/one.mp4", b"1")
    put(bucket, "b/two.mp4", b"22")
    put(bucket, "b/three.mkv", b"333")
    options = quick(
        Path("unused"),
        names=("s3://archive",),
        choice=Choice(include=("b/*",), exclude=("*.mkv",)),
        judge=SCANNING,
        workers=1,
    )
    db = tmp_path / "audit.sqlite"
    audit(db, options)
    assert list(rows(db)) == ["s3://archive/b/two.mp4"]


def test_what_is_not_there_is_a_row(bucket: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    db = tmp_path / "audit.sqlite"
    names = ("s3://archive/none.mp4", "nonsense://archive/a.mp4")
    audit(db, quick(Path("unused"), names=names, judge=SCANNING, workers=1))
    assert [e for _, e, _ in rows(db).values()] == ["not-found", "not-found"]


def test_addresses() -> None:
    assert is_address("s3://bucket/key") and is_address("gs://b")
    assert not is_address("/archive/s3://odd") and not is_address("C:\\clips")
