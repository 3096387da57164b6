"""Who decodes: a process for each file, from one server, and nothing that outlives the caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from make_media import Recipe, number_of, write_video

from unreel.detector.config import Limits
from unreel.detector.decoder_server import start_early
from unreel.detector.errors import MediaError
from unreel.detector.media import Reader, open_media
from unreel.detector.records import Window


def window_of(*positions: int) -> Window:
    return Window(0, positions, 0.0, 0.0)


def test_the_child_ends_with_the_reader(tmp_path: Path) -> None:
    reader = open_media(write_video(tmp_path))
    pid = reader._child.pid
    reader.close()
    reader.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ValueError, match="closed"):
        reader.read(window_of(0))


def test_each_file_gets_a_child_of_its_own_from_the_same_server(tmp_path: Path) -> None:
    path = write_video(tmp_path)
    with open_media(path) as first, open_media(path) as second:
        pids = {first._child.pid, second._child.pid}
        assert len(pids) == 2
        assert first._child._server is second._child._server is start_early()
        parents = {parent_of(pid) for pid in pids}
        assert len(parents) == 1
        assert not parents & {os.getpid()}
        assert number_of(first.read(window_of(7)).frames[0]) == 7
        assert number_of(second.read(window_of(8)).frames[0]) == 8


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def has_ended(pid: int) -> bool:
    """Wait for a process that is no child of ours; one that nobody has collected has ended too."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_dead_server_is_replaced_and_takes_its_children_with_it(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(suffix=".ts"))  # PyAV alone reads it: no second try
    with open_media(path) as reader:
        server = parent_of(reader._child.pid)
        os.kill(server, signal.SIGKILL)
        assert has_ended(reader._child.pid)
        with pytest.raises(MediaError, match="decoder process died"):
            reader.read(window_of(0))
    with open_media(path) as reader:
        assert parent_of(reader._child.pid) != server
        assert number_of(reader.read(window_of(5)).frames[0]) == 5


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom unreel.detector.media import open_media\n"
        "reader = open_media(sys.argv[1])\n"
        "print(reader._child.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(write_video(tmp_path))]
    child = int(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    assert has_ended(child)


def test_a_forked_caller_gets_a_server_of_its_own(tmp_path: Path) -> None:
    path = write_video(tmp_path, Recipe(frames=5))
    ours = start_early()
    pid = os.fork()
    if pid == 0:  # no pytest in here
        status = 1
        try:
            with open_media(path) as reader:
                right = number_of(reader.read(window_of(3)).frames[0]) == 3
                status = 0 if right and reader._child._server is not ours else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with open_media(path) as reader:
        assert reader._child._server is ours


def crashing_reader(path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Reader:
    """A reader whose decord stands in for one that goes wrong in the middle of a window."""
    package = path.parent / "fake" / "decord"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import numpy as np, os, time\n__version__ = '0'\n"
        "class VideoReader:\n"
        "    def __init__(self, path, num_threads): pass\n"
        "    def __len__(self): return 48\n"
        "    def get_frame_timestamp(self, n): return np.stack([n / 24, (n + 1) / 24], axis=1)\n"
        f"    def get_batch(self, n):\n        {code}\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    return open_media(path, Limits(wall_seconds_per_request=6.0))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("os.abort()", "decord failed (decoder-crash)"),
        ("time.sleep(60)", "decord failed (timeout)"),
        ("raise RuntimeError('lost')", "decord gave up (lost)"),
    ],
)
def test_pyav_takes_over_when_decord_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    with crashing_reader(write_video(tmp_path), monkeypatch, code) as reader:
        sample = reader.read(window_of(3, 30))
        assert [number_of(f) for f in sample.frames] == [3, 30]
        assert reader.media.decoder.startswith("pyav ")
        assert any(told in w for w in reader.media.warnings)
