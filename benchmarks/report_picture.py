"""The picture of a report in the README: a drawn scene, scanned, and photographed in Chromium.

python benchmarks/report_picture.py        writes docs/report.webp
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import scene

from unreel.detector import scan_video
from unreel.detector.gallery import Gallery
from unreel.detector.report.page import render

TARGET = Path(__file__).resolve().parents[1] / "docs" / "report.webp"


def main() -> None:
    """Scan, render, photograph."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or sys.exit("no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        clip = scene.write(Path(folder) / "balloon.mp4")
        gallery = Gallery()
        report = scan_video(clip, gallery=gallery)
        page_file = Path(folder) / "report.html"
        page_file.write_text(render(report, gallery), encoding="utf-8")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 900, "height": 1000})
            page.goto(page_file.as_uri())
            end = page.locator("#h-strip").bounding_box()["y"] + 330
            shot = page.screenshot(
                clip={"x": 0, "y": 0, "width": 900, "height": end}, full_page=True
            )
            browser.close()
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(TARGET), picture, [cv2.IMWRITE_WEBP_QUALITY, 80])
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
