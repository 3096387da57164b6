"""How long, how much memory, and how often: the provenance lane on a corpus and on broken files.

    python benchmarks/provenance.py ../shared/corpus            the table
    python benchmarks/provenance.py ../shared/corpus --write    and detector/provenance/rates.json

Counts on how many camera clips each observation is made, which is what the report prints beside it.
Times are processor time of one process, start not counted; a busy machine does not change them.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from unreel.detector.errors import MediaError
from unreel.detector.lanes.provenance import look_at
from unreel.detector.provenance.c2pa_process import c2pa_process

RATES = Path(__file__).resolve().parents[1] / "detector/provenance/rates.json"
MUTATIONS = 500
SIGNED = 50
BROKEN_OF_EACH = 4
"""Signed clips, and broken copies of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder with manifest.csv and clips/")
    parser.add_argument("--write", action="store_true", help="renew rates.json")
    asked = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with (asked.corpus / "manifest.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    whole, counts, states = whole_files(asked.corpus, rows)
    print_times("corpus", whole)
    print_times(f"{MUTATIONS} mutated", mutated_files(asked.corpus, rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nmemory of the process: {before:.0f} MB before, {peak:.0f} MB at most\n")
    print("C2PA states:", dict(states), "\n")
    signed_files(asked.corpus, rows)
    print_counts(rows, counts)
    if asked.write:
        camera = {code: n for (label, code), n in sorted(counts.items()) if label == "real"}
        real = sum(row["label"] == "real" for row in rows)
        text = json.dumps({"camera_clips": real, "camera": camera}, indent=1, sort_keys=True)
        RATES.write_text(text + "\n", encoding="utf-8")


def whole_files(
    corpus: Path, rows: list[dict[str, str]]
) -> tuple[list[float], Counter[tuple[str, str]], Counter[str]]:
    """Milliseconds a file, (label, observation) -> clips, and the C2PA states."""
    times: list[float] = []
    counts: Counter[tuple[str, str]] = Counter()
    states: Counter[str] = Counter()
    for row in rows:
        started = time.process_time()
        found = look_at(corpus / row["path"])
        times.append(1000 * (time.process_time() - started))
        states[found.c2pa.state] += 1
        for code in {seen.code for seen in found.observations}:
            counts[row["label"], code] += 1
        if any("defect" in note for note in found.notes):
            print("defect:", row["path"], found.notes)
    return times, counts, states


def mutated_files(corpus: Path, rows: list[dict[str, str]]) -> list[float]:
    """Milliseconds for files with flipped bytes, holes, cuts, repeats and large numbers."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated"
        for number in range(MUTATIONS):
            rng = np.random.default_rng(number)
            source = corpus / rows[int(rng.integers(len(rows)))]["path"]
            path.write_bytes(mutate(bytearray(source.read_bytes()), rng))
            started = time.process_time()
            try:
                found = look_at(path)
                if any("defect" in note for note in found.notes):
                    print("defect:", number, source.name, found.notes)
            except MediaError as error:
                assert error.code == "empty"
            times.append(1000 * (time.process_time() - started))
    return times


def signed_files(corpus: Path, rows: list[dict[str, str]]) -> None:
    """Sign clips with an own certificate, break them, and ask the C2PA process about each."""
    sys.path.insert(0, str(RATES.parents[2] / "tests"))
    try:
        from make_signed import sign
    except ModuleNotFoundError as error:
        print(f"nothing signed: without {error.name}, of the extra `provenance`")
        return
    times: list[float] = []
    states: Counter[str] = Counter()
    mp4 = [row for row in rows if row["path"].endswith(".mp4")]
    process = c2pa_process(())
    with tempfile.TemporaryDirectory() as folder:
        for number, row in enumerate(mp4[:: len(mp4) // SIGNED]):
            signed = sign(corpus / row["path"], Path(folder) / f"{number}.mp4")
            whole = signed.read_bytes()
            for round_ in range(1 + BROKEN_OF_EACH):
                rng = np.random.default_rng(100 * number + round_)
                data = mutate(bytearray(whole), rng) if round_ else whole
                signed.write_bytes(data)
                started = time.perf_counter()
                states[look_at(signed).c2pa.state] += 1
                if number:  # the first starts the process
                    times.append(1000 * (time.perf_counter() - started))
        status = Path(f"/proc/{process._child.pid}/status").read_text() if process._child else ""
    print_times("signed", times)
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    print("by the clock, the C2PA process included; states:", dict(states))
    print(f"memory of the C2PA process: {int(peak[1]) / 1024:.0f} MB at most\n" if peak else "")


def mutate(data: bytearray, rng: np.random.Generator) -> bytearray:
    """One to three changes, most of them near the start or the end, where the index lies."""
    for _ in range(int(rng.integers(1, 4))):
        size = len(data)
        near = int(rng.integers(0, max(1, int(size * rng.choice([0.01, 0.1, 1.0])))))
        start = near if rng.random() < 0.5 else max(0, size - 1 - near)
        length = int(min(size - start, rng.integers(1, 2000)))
        match int(rng.integers(0, 5)):
            case 0:
                for place in rng.integers(
                    start, min(size, start + 4000), 1 + int(rng.integers(40))
                ):
                    data[place] = int(rng.integers(256))
            case 1:
                data[start : start + length] = bytes(length)
            case 2:
                del data[max(16, start) :]
            case 3:
                data[start:start] = data[start : start + length]
            case _:
                data[start : start + 4] = rng.choice(
                    [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"]
                )
    return data


def print_times(name: str, times: list[float]) -> None:
    print(
        f"{name:<14} {len(times)} files: median {statistics.median(times):.1f} ms, "
        f"99 % under {np.percentile(times, 99):.1f} ms, slowest {max(times):.1f} ms"
    )


def print_counts(rows: list[dict[str, str]], counts: Counter[tuple[str, str]]) -> None:
    totals = Counter(row["label"] for row in rows)
    labels = ("real", "generated", "manipulated")
    print("| observation | " + " | ".join(f"{name} ({totals[name]})" for name in labels) + " |")
    print("|---" * 4 + "|")
    for code in sorted({code for _, code in counts}):
        print(f"| {code} | " + " | ".join(str(counts[name, code]) for name in labels) + " |")


if __name__ == "__main__":
    main()
