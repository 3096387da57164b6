"""The Ray engine on a cluster of two nodes, real ones as far as one machine can hold them.

Each node has its own raylet and workers. Most files are judged by `audit_judges.quick`, for a
cluster on two cores would scan for an hour; the cluster, its workers and the store are real.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_audit_run import TESTS, audit, fill, quick, rows

from unreel.detector.audit import open_store
from unreel.detector.audit.rows import Counts
from unreel.detector.audit.running import Watcher
from unreel.detector.audit.store import Store
from unreel.detector.audit.working import Finished

ray = pytest.importorskip("ray", reason="the ray extra: make test-slow installs it")
pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and files to the collector, and warns of its own future.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Two nodes with a core each; the second one may be killed."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("AUDIT_CALLS", str(tmp_path / "calls"))  # nodes inherit it
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    head = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    second = made.add_node(num_cpus=1, object_store_memory=100 << 20)
    made.wait_for_nodes()
    made.second = second
    yield made
    ray.shutdown()
    made.shutdown()


class KillsNode(Watcher):
    """Kills a node of the cluster once so many files are done."""

    def __init__(self, cluster: Any, files: int) -> None:
        self.cluster, self.files = cluster, files
        self.killed = False

    def round(self, store: Store, counts: Counts, finished: list[Finished], in_hand: int) -> None:
        if counts.done >= self.files and not self.killed:
            self.killed = True
            kill = self.cluster.remove_node
            threading.Thread(target=kill, args=(self.cluster.second, False)).start()


def results(db: Path) -> set[tuple[Any, ...]]:
    """All that is said of the files, without times."""
    with open_store(db, read_only=True) as store:
        query = "SELECT path, state, status, error_code, label, score, sha256, codec FROM results"
        return set(store.connection.execute(query))


def test_two_nodes_one_killed_in_the_middle_same_rows_as_here(cluster: Any, tmp_path: Path) -> None:
    contents = {f"{i}.mp4": b"clip %d" % i * (i + 1) for i in range(40)}
    contents |= {"die.mp4": b"die", "break.mp4": b"break it", "twin.mp4": contents["7.mp4"]}
    folder = fill(tmp_path / "in", contents)
    here, there = tmp_path / "local.sqlite", tmp_path / "ray.sqlite"
    watcher = KillsNode(cluster, files=8)
    counted = quick(folder, judge="audit_judges:counting")
    ending = audit(there, replace(counted, engine="ray", address=cluster.address), watcher)
    assert watcher.killed
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    assert len(calls) == 42  # twins are one
    # What was in hand: one clip on the one core of the node, and the one that kills its worker.
    assert sum(calls.values()) - len(calls) <= 2, calls
    assert (ending.outcome, ending.left_on_list) == ("finished", 0)
    assert ending.counts.scanned + ending.counts.same_bytes == 43
    audit(here, counted)
    assert results(there) == results(here)
    assert {n for n, (_, code) in rows(there).items() if code} == {"die.mp4", "break.mp4"}
    assert [n.alive for n in ray_nodes(cluster)].count(True) == 1


class _Node:
    def __init__(self, alive: bool) -> None:
        self.alive = alive


def ray_nodes(cluster: Any) -> list[_Node]:
    """Of the cluster, alive and dead, once its head has noticed."""
    deadline = time.monotonic() + 60
    ray.init(address=cluster.address, log_to_driver=False)
    while time.monotonic() < deadline:
        nodes = [_Node(node["Alive"]) for node in ray.nodes()]
        if sum(node.alive for node in nodes) == 1:
            break
        time.sleep(0.5)
    return nodes


def test_a_real_clip_on_a_cluster_that_is_started_for_the_run(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unreel.detector.audit.engine import SCANNING

    folder = fill(tmp_path / "in", {"a.mp4": clip.read_bytes(), "bad.mp4": b"no video"})
    db, here = tmp_path / "ray.sqlite", tmp_path / "local.sqlite"
    audit(db, quick(folder, engine="ray", workers=1, judge=SCANNING))
    audit(here, quick(folder, workers=1, judge=SCANNING))
    assert results(db) == results(here)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
