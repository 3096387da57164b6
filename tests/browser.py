"""A real Chromium for tests: the one of the system, driven by Playwright.

`browser_or_skip` starts it; `watched_page` opens a page of which every request, console message and
error is kept; `axe_violations` asks the accessibility checker. Screenshots go to build/screenshots.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from unreel.detector.audit.worker_process import descendants

SCREENSHOTS = Path(__file__).resolve().parents[1] / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE_SECONDS = 60
"""A Chromium that has not closed by then has been seen to hang for good, and the run with it."""
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


@dataclass
class Watched:
    """A page and what happened on it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, data: left out."""
    problems: list[str] = field(default_factory=list)
    """Console errors and warnings, exceptions, refusals of the policy."""

    def shoot(self, name: str) -> Path:
        """Keep a picture of the whole page for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=str(path), full_page=True)
        return path


@contextmanager
def browser_or_skip() -> Iterator[Any]:
    """A running Chromium, or a skip that says what to install."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: extra `test`")
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    stop = threading.Timer(PATIENCE_SECONDS, _kill_browsers)
    try:
        with sync_api.sync_playwright() as driver:
            # In a container there is no user namespace to build the sandbox from, and little
            # /dev/shm.
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            browser = driver.chromium.launch(
                executable_path=program, args=arguments, timeout=180_000
            )
            yield browser
            stop.start()
            browser.close()
    except sync_api.Error:
        if not stop.finished.is_set():
            raise
        print("Chromium did not close and was killed", file=sys.stderr)
    finally:
        stop.cancel()


def _kill_browsers() -> None:
    """End a Chromium that does not close, and the driver that waits for it: a run goes on."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"chrom" in command or b"playwright" in command:
                os.kill(pid, signal.SIGKILL)


@contextmanager
def watched_page(browser: Any, address: str, **context_options: Any) -> Iterator[Watched]:
    """Open an address in a context of its own.

    Args:
        browser: From `browser_or_skip`.
        address: file: or http:.
        context_options: Of Playwright's new_context: color_scheme, viewport, bypass_csp ...
    """
    context = browser.new_context(**context_options)
    context.set_default_timeout(60_000)
    page = context.new_page()
    watched = Watched(page)

    def note_request(request: Any) -> None:
        if not request.url.startswith("data:"):
            watched.requests.append(request.url)

    def note_message(message: Any) -> None:
        if message.type in ("error", "warning"):
            watched.problems.append(message.text)

    page.on("request", note_request)
    page.on("console", note_message)
    page.on("pageerror", lambda error: watched.problems.append(str(error)))
    page.goto(address, wait_until="load", timeout=120_000)
    yield watched
    context.close()


def axe_violations(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA; the context must have been made with bypass_csp."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", list(WCAG)
    )
    return [
        f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
