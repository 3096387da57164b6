"""How large a report is, and how long it takes beside the scan that it belongs to.

    python benchmarks/report.py                prints a table in Markdown; a few minutes

The clip is a minute of 720p that the script makes itself, with a cut; findings are added by hand,
four of them, for no lane that reports any is in the package yet. Times are of one run, in which the
scan keeps the pictures; what the report costs is set against the rest of the same scan.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import footage

from unreel.detector import load_model, scan_video
from unreel.detector.gallery import Gallery
from unreel.detector.media import open_media
from unreel.detector.records import Finding, Measured, Report
from unreel.detector.report.overlay import write_overlay
from unreel.detector.report.page import PageOptions, render

SECONDS = 60


def with_findings(report: Report) -> Report:
    """The report with four findings of two seconds, boxes on every tenth of a second."""
    found = tuple(
        Finding(
            "object-count-flicker",
            "objects",
            start,
            start + 2.0,
            tuple((start + n / 10, 100.0 + 8 * n, 200.0, 160.0, 120.0) for n in range(20)),
            "count",
            1.0,
            0.99,
            ("cut", "edge"),
            "3 -> 4 -> 3",
            tuple((start + n / 10, 3.0 + (5 < n < 12)) for n in range(20)),
        )
        for start in (5.0, 20.0, 35.0, 50.0)
    )
    lane = Measured("objects", 0.0, (), found, 0.5)
    return replace(report, evidence=(*report.evidence, lane))


def row(what: str, most: str, measured: str, met: bool | None) -> str:
    verdict = "-" if met is None else "met" if met else "MISSED"
    return f"| {what} | {most} | {measured} | {verdict} |"


def seconds_to_interactive(page_file: Path) -> float | None:
    """From the request to the end of the page's own script, in Chromium; None without one."""
    program = shutil.which("chromium")
    if program is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        best = float("inf")
        for _ in range(5):
            page.goto(page_file.as_uri())
            spent = page.evaluate(
                "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            )
            best = min(best, spent / 1000)
        browser.close()
    return best


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        clip = footage.clip(
            Path(folder) / "minute.mp4", width=1280, height=720, seconds=SECONDS, preset="veryfast"
        )
        model, gallery = load_model(), Gallery()
        report = scan_video(clip, model=model, gallery=gallery)
        assert gallery.reference is not None
        spent = report.run["seconds"]
        scan = sum(spent.values()) - spent["pictures"]
        full, marked = with_findings(report), Gallery()
        start = time.perf_counter()
        with open_media(str(clip)) as reader:
            marked.take(full, reader, (), gallery.reference)
        scenes = time.perf_counter() - start
        marked.key_frames, marked.frame_logits = gallery.key_frames, gallery.frame_logits
        render(report)  # Jinja2 is imported and the template compiled once a process
        start = time.perf_counter()
        plain = render(report, gallery)
        rendered = time.perf_counter() - start
        start = time.perf_counter()
        page = render(full, marked)
        with_loops = scenes + time.perf_counter() - start
        page_file = Path(folder) / "report.html"
        page_file.write_text(page, encoding="utf-8")
        interactive = seconds_to_interactive(page_file)
        start = time.perf_counter()
        write_overlay(full, Path(folder) / "marked.mp4", PageOptions())
        overlay = time.perf_counter() - start

    made = spent["pictures"] + rendered
    limit = 0.25 * scan
    print(f"{SECONDS} s of 720p; the scan itself takes {scan:.1f} s\n")
    print("| what | at most | measured | target |\n|---|---|---|---|")
    megabytes = len(page.encode()) / 1e6
    print(row("size", "4 MB", f"{len(plain.encode()) / 1e6:.2f} MB", len(plain) <= 4e6))
    print(row("size with four findings", "4 MB", f"{megabytes:.2f} MB", megabytes <= 4))
    print(row("made in", f"{limit:.2f} s (25 % of the scan)", f"{made:.2f} s", made <= limit))
    share = f"{with_loops:.2f} s"
    print(row("with four findings", f"{limit:.2f} s", share, with_loops <= limit))
    if interactive is not None:
        print(row("interactive", "1 s", f"{interactive:.2f} s", interactive <= 1))
    print(row("overlay", "-", f"{overlay:.1f} s ({overlay / SECONDS:.2f} of the length)", None))


if __name__ == "__main__":
    main()
