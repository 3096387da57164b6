"""How well an audit uses a machine, how much memory it takes, what its store costs.

    python benchmarks/audit.py                      2,000 files on all cores; an hour or two
    python benchmarks/audit.py --files 200          fewer
    python benchmarks/audit.py --clips DIR          made from the videos in DIR

The files are clips copied, re-muxed, renamed and broken. Without --clips they come from the corpus
beside the checkout, or are made. Throughput is set against cores times the rate of one warm process
with one thread, on a sample of the same files between the parts of the audit, so that other work on
the machine weighs on both sides. What is measured is `unreel audit run` as a user types it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import footage
from speed import resident_bytes

from unreel.detector import ScanConfig, load_model, scan_video, to_json
from unreel.detector.audit import open_store, settings_of
from unreel.detector.audit.local_engine import usable_cores
from unreel.detector.audit.planning import plan
from unreel.detector.audit.rows import Counts, Found
from unreel.detector.audit.worker_process import descendants
from unreel.detector.config import Limits

UNREEL = Path(sys.executable).parent / "unreel"
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "clips"
ROUNDS = 4
"""Parts of the audit, with single scans between them: other work on the machine weighs on both."""
SAMPLE = 8
"""Single scans after each round."""
STEPS = 10


def clips_of(folder: Path | None, made: Path) -> list[Path]:
    """Videos to make an archive of."""
    source = folder or (CORPUS if CORPUS.is_dir() else None)
    if source is not None:
        return sorted(p for p in source.rglob("*.mp4") if p.stat().st_size < 4_000_000)
    made.mkdir(parents=True, exist_ok=True)
    sizes = [(640, 360), (1280, 720), (854, 480)]
    return [
        footage.clip(made / f"{i}.mp4", width=w, height=h, seconds=3 + i % 4)
        for i, (w, h) in enumerate(sizes * 8)
    ]


def make_archive(folder: Path, clips: list[Path], files: int) -> None:
    """Half of the files are copies under other names, a tenth is broken, the rest is re-muxed."""
    rng = random.Random(7)
    rng.shuffle(clips)
    for number in range(files):
        clip = clips[number % len(clips)]
        target = folder / f"{number % 40:02d}" / f"{number:05d}-{clip.stem[:40]}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        kind = number % 10
        if kind < 5:
            shutil.copyfile(clip, target)
        elif kind < 9:
            remux(clip, target.with_suffix(".mkv"))
        else:
            data = clip.read_bytes()
            target.write_bytes(data[: rng.randrange(len(data) // 2)])


def remux(source: Path, target: Path) -> None:
    """The same pictures in another container; a plain copy where libav will not."""
    try:
        with av.open(str(source)) as opened, av.open(str(target), "w") as out:
            stream = out.add_stream_from_template(opened.streams.video[0])
            for packet in opened.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    except (av.FFmpegError, ValueError):
        shutil.copyfile(source, target)


def watch(command: list[str]) -> tuple[float, list[int], dict[int, int], int]:
    """Run an audit; seconds, memory of the parent over time, peak of each worker, of all."""
    parent: list[int] = []
    workers: dict[int, int] = {}
    tree = 0
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            parent.append(own_bytes(process.pid))
            for pid in children(process.pid):
                workers[pid] = max(workers.get(pid, 0), own_bytes(pid))
            tree = max(tree, resident_bytes(process.pid))
            time.sleep(0.1)
    return time.perf_counter() - start, parent, workers, tree


def own_bytes(pid: int) -> int:
    """Resident memory of a process alone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def children(pid: int) -> Iterator[int]:
    """Those that a process started itself."""
    grand = {below for child in descendants(pid) for below in descendants(child)}
    yield from (child for child in descendants(pid) if child not in grand)


def single_seconds(paths: list[str]) -> list[float]:
    """Of each file in one warm process with one thread."""
    config = ScanConfig(limits=Limits(threads=1), threads=1)
    model = load_model(threads=1)
    scan_video(paths[0], model=model, config=config)
    taken = []
    for path in paths:
        start = time.perf_counter()
        scan_video(path, model=model, config=config)
        taken.append(time.perf_counter() - start)
    return taken


def processor_seconds(paths: list[str]) -> list[float]:
    """The same, of processor time, decoders included: not changed by other work on the machine."""
    config = ScanConfig(limits=Limits(threads=1), threads=1)
    model = load_model(threads=1)
    taken = []
    for path in paths:
        start = used()
        scan_video(path, model=model, config=config)
        taken.append(used() - start)
    return taken


def used() -> float:
    """Processor seconds of this process and of those it has waited for."""
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def as_single(rows: list[tuple[str, float]]) -> float:
    """Seconds that one warm process with one thread would take for these scans.

    Measured on a sample of them; the others count by what they took in the audit.
    """
    step = max(1, len(rows) // SAMPLE)
    sample = rows[step // 2 :: step][:SAMPLE]
    single = sum(single_seconds([path for path, _ in sample]))
    return sum(seconds for _, seconds in rows) * single / sum(seconds for _, seconds in sample)


def scanned(db: Path) -> list[tuple[str, float]]:
    """Name and seconds of each scan that judged or refused its file."""
    with sqlite3.connect(db) as connection:
        sql = (
            "SELECT min(files.path), scans.seconds FROM scans JOIN files ON scan_id = scans.id"
            " WHERE scans.seconds IS NOT NULL GROUP BY scans.id ORDER BY scans.id"
        )
        return connection.execute(sql).fetchall()


def store_seconds(folder: Path, report: str, rows: int) -> list[float]:
    """Of the store, for each of many files: enter, claim, finish; in steps, to see it grow."""
    step = rows // STEPS
    facts = json.loads(report)
    taken = []
    with open_store(folder / "rows.sqlite") as store, store.lock():
        run = store.begin_run(settings_of(), engine="benchmark")
        for begin in range(0, rows, step):
            found = [
                Found(f"/archive/{i:07d}/clip-{i}.mp4", 10**6 + i, i)
                for i in range(begin, begin + step)
            ]
            start = time.perf_counter()
            plan(store, run, found, Counts())
            for _ in range(step):
                with store.transaction():
                    (work,) = store.claim(run, 1)
                facts["file"] |= {"sha256": f"{work.file_id:064x}", "path": work.path}
                with store.transaction():
                    store.finish(run, work, json.dumps(facts))
            taken.append((time.perf_counter() - start) / step)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the table of an audit.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=100_000, help="that the store is filled with")
    parser.add_argument("--clips", type=Path, help="folder with videos")
    parser.add_argument("--folder", type=Path, help="where the archive is made (2 GB)")
    arguments = parser.parse_args()
    cores = usable_cores()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        archive = folder / "archive"
        make_archive(archive, clips_of(arguments.clips, folder / "made"), arguments.files)
        db = folder / "audit.sqlite"
        command = [str(UNREEL), "audit", "run", str(archive), "--db", str(db), "--quiet"]
        command += ["--limit", str(-(-arguments.files // ROUNDS))]
        wall, parent, workers, tree, all_seconds = 0.0, [], [], 0, 0.0
        rows: list[tuple[str, float]] = []
        for _ in range(ROUNDS):
            seconds, own, each, together = watch(command)
            wall, parent, tree = wall + seconds, [*parent, own], max(tree, together)
            workers += each.values()
            new = scanned(db)[len(rows) :]
            rows += new
            all_seconds += as_single(new)
        efficiency = all_seconds / cores / wall
        report = to_json(scan_video(rows[0][0]), with_run=True)
        middle = rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE]
        processor = processor_seconds([path for path, _ in middle])
        store = store_seconds(folder, report, arguments.rows)
    clip_seconds = all_seconds / len(rows)
    share = max(store) / (clip_seconds / cores)
    grown = max(own[-2] - own[len(own) // 3] for own in parent)
    print(f"{arguments.files} files, {len(rows)} scans, {cores} cores, {wall:.0f} s; one warm scan "
          f"with one thread takes {clip_seconds:.2f} s\n")  # fmt: skip
    print("| what | target | measured | |\n|---|---|---|---|")
    for what, target, value, unit, met in (
        ("throughput, of cores x single rate", ">= 85", 100 * efficiency, "%", efficiency >= 0.85),
        ("processor seconds of a scan, median", "-", statistics.median(processor), "s", None),
        ("growth of the parent, last two thirds", "flat: < 5", grown / 1e6, "MB", grown < 5e6),
        ("memory of the parent", "-", max(map(max, parent)) / 1e6, "MB", None),
        ("a worker, highest", "<= 400", max(workers) / 1e6, "MB",
         max(workers) <= 400e6),
        ("all processes, highest", "-", tree / 1e6, "MB", None),
        (f"store, of the time of a file, at {arguments.rows:,} rows", "< 3", 100 * share, "%",
         share < 0.03),
        ("store, ms for a file, first tenth of them", "-", 1000 * store[0], "ms", None),
        ("store, ms for a file, last tenth of them", "-", 1000 * store[-1], "ms", None),
    ):  # fmt: skip
        verdict = "-" if met is None else "met" if met else "MISSED"
        print(f"| {what} | {target} | {value:.1f} {unit} | {verdict} |")


if __name__ == "__main__":
    main()
