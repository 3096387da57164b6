"""How fast a scan is and how much memory it takes, each number beside what it should be.

    python benchmarks/speed.py                 prints a table in Markdown; about five minutes
    python benchmarks/speed.py --folder DIR    keeps its videos (2 GB) there, not in the temp folder

Times are set against what FFmpeg needs for the same frames in the same run, so that tables of two
machines can be compared. FFmpeg's time is that of its program, from start to end, decoding from the
first frame to the last one that the scan reads, without converting to RGB; where there is no such
program, of PyAV in a process of its own. Each time is the best of several, memory is the highest.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import footage

from unreel.detector import ScanConfig, load_model, scan_video
from unreel.detector.model import DEFAULT_FOLDER
from unreel.detector.records import Measured, Report

UNREEL = Path(sys.executable).parent / "unreel"
PYAV_DECODE = """
import av, sys
with av.open(sys.argv[1]) as container:
    container.streams.video[0].thread_type = "AUTO"
    for number, _ in enumerate(container.decode(video=0), start=1):
        if number == int(sys.argv[2]):
            break
"""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    target: float | None
    """The most that it should be; None = only told."""
    measured: float
    unit: str
    how: str

    def markdown(self) -> str:
        digits = 0 if self.unit == "MB" else 2
        measured, target, verdict = f"{self.measured:.{digits}f} {self.unit}", "-", "-"
        if self.target is not None:
            target = f"{self.target:.{digits}f} {self.unit}"
            verdict = "met" if self.measured <= self.target else "MISSED"
        return f"| {self.what} | {target} | {measured} | {verdict} | {self.how} |"


def best_seconds(call: Callable[[], object], *, times: int) -> float:
    """Wall-clock seconds of the fastest of several calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def processor_seconds(*command: str | Path, times: int) -> float:
    """Least time that a program and its children spent on processors.

    A busy machine stretches the wall clock of a program many times over, this by a third at most.
    """
    spent = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        quietly(*command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def quietly(*command: str | Path) -> None:
    """Run a program to its end; its results are not wanted, its failure is."""
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def decode_command(video: Path, frames: int) -> list[str | Path]:
    """What decodes the first `frames` frames and does nothing with them."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return [sys.executable, "-c", PYAV_DECODE, video, str(frames)]
    only = ["-map", "0:v:0", "-frames:v", str(frames), "-f", "null", "-"]
    return [ffmpeg, "-nostdin", "-v", "error", "-i", video, *only]


def frames_touched(report: Report) -> int:
    """Frames from the first of the file to the last that was judged."""
    assert report.media is not None, report.error
    windows = [w for e in report.evidence if isinstance(e, Measured) for w in e.windows]
    return round(max(w.t_end for w in windows) * report.media.fps) + 1


def time_rows(video: Path, model_folder: Path) -> list[Row]:
    """The start of the command, and scans of a short clip, cold and warm."""
    scan = [UNREEL, "scan", "--model", model_folder, video]
    model = load_model(model_folder)
    full, plain = ScanConfig(), ScanConfig(recheck=False)
    first = scan_video(video, model=model, config=plain)
    shot_pass = min(scan_video(video, model=model).run["seconds"]["shots"] for _ in range(3))
    command = decode_command(video, frames_touched(first))
    decode = best_seconds(lambda: quietly(*command), times=7)
    start = best_seconds(lambda: quietly(UNREEL, "--help"), times=7)
    cold = best_seconds(lambda: quietly(*scan), times=3)
    cold_plain = best_seconds(lambda: quietly(*scan, "--no-recheck"), times=3)
    cold_score = best_seconds(lambda: quietly(*scan, "--lanes", "none"), times=3)
    warm = best_seconds(lambda: scan_video(video, model=model, config=plain), times=5)
    checked = best_seconds(lambda: scan_video(video, model=model, config=full), times=5)
    who = Path(str(command[0])).name
    cold_target = 3 * decode + shot_pass + 1.5
    warm_formula = f"2 x {decode:.2f} s; {stages(first)}"
    formula = f"3 x {decode:.2f} s ({who}) + {shot_pass:.2f} s (shot pass) + 1.5 s"
    return [
        Row("`unreel --help`", 0.3, start, "s", "a process of its own"),
        Row("cold scan", cold_target, cold, "s", formula),
        Row("cold scan, `--no-recheck`", cold_target, cold_plain, "s", "the same"),
        Row("cold scan, `--lanes none`", cold_target, cold_score, "s", "the same"),
        Row("warm scan, `--no-recheck`", 2 * decode, warm, "s", warm_formula),
        Row("re-encode check, warm", None, checked - warm, "s", "counted apart"),
        Row(
            "processor time of a cold scan, `--no-recheck`",
            None,
            processor_seconds(*scan, "--no-recheck", times=3),
            "s",
            f"all cores and processes; {who} {processor_seconds(*command, times=7):.2f} s",
        ),
    ]


def stages(report: Report) -> str:
    """Where the time went, in words."""
    return ", ".join(f"{name} {spent:.2f}" for name, spent in report.run["seconds"].items())


def memory_rows(short: Path, long: Path, model_folder: Path) -> list[Row]:
    """Peak memory on a long file, and how much of it is owed to the length."""
    scan = [UNREEL, "scan", "--model", model_folder]
    peak_short, _ = peak_megabytes(*scan, short)
    peak_long, seconds = peak_megabytes(*scan, long)
    how = f"all processes of the scan, shared pages counted in each; {seconds:.0f} s"
    grown = f"{peak_short:.0f} MB on two minutes of the same"
    return [
        Row("peak memory, 2 h of 1080p", 600, peak_long, "MB", how),
        Row("growth from 2 min to 2 h", 0.1 * peak_short, peak_long - peak_short, "MB", grown),
    ]


def peak_megabytes(*command: str | Path) -> tuple[float, float]:
    """Highest resident memory of a program and its children, and its seconds."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen([str(p) for p in command], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(0.02)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return peak / 1e6, time.perf_counter() - start


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and all below it; a process that has just ended counts 0."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(child) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the speed table.")
    default = Path(tempfile.gettempdir()) / "unreel-benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="where the videos are kept")
    parser.add_argument("--model", type=Path, default=DEFAULT_FOLDER, help="model folder")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    print(f"videos are kept in {folder}", file=sys.stderr)
    clip = footage.clip(folder / "720p-5s.mp4", width=1280, height=720, seconds=5)
    dense = {"crf": "32", "preset": "veryfast"}
    size = {"width": 1920, "height": 1080}
    short = footage.clip(folder / "1080p-2min.mp4", **size, seconds=120, **dense)
    long = footage.repeated(folder / "1080p-2h.mp4", short, times=60)
    rows = time_rows(clip, arguments.model) + memory_rows(short, long, arguments.model)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    rate = clip.stat().st_size * 8 / 5 / 1e6
    print(f"5 s of 720p H.264 ({rate:.1f} Mbit/s) where nothing else is said; {machine}")
    print(f"load of the last five minutes: {os.getloadavg()[1]:.1f}\n")
    print("| what | at most | measured | target | how |\n|---|---|---|---|---|")
    print("\n".join(row.markdown() for row in rows))


if __name__ == "__main__":
    main()
