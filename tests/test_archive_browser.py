"""The archive page in a real Chromium, with 10,000 rows where that matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from archive_cases import HOSTILE, fill
from browser import axe_violations, browser_or_skip, watched_page

from unreel.detector.archive.page import ArchiveOptions, archive_page, write_archive
from unreel.detector.archive.rows import archive_rows
from unreel.detector.audit import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_or_skip() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Language -> a page of 60 files, the first with a hostile name, with reports and a picture."""
    folder = tmp_path_factory.mktemp("archive")
    fill(folder / "a.sqlite", 60, (HOSTILE.replace("/", "_"),))
    found = {}
    picture = cv2.imencode(".jpg", np.full((90, 160, 3), 128, np.uint8))[1].tobytes()
    with open_store(folder / "a.sqlite", read_only=True) as store:
        rows = list(archive_rows(store))
        for language in ("en", "de"):
            found[language] = folder / f"{language}.html"
            options = ArchiveOptions(language, thumbnails=False)
            write_archive(store, found[language], options)
            thumbs = folder / f"{language}_files" / "thumbs"
            thumbs.mkdir()
            (thumbs / f"{rows[0].sha256}.jpg").write_bytes(picture)
            pictures = {rows[0].sha256 or ""}
            html = archive_page(store, rows, pictures, f"{language}_files", options)
            found[language].write_text(html, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of 10,000 files."""
    folder = tmp_path_factory.mktemp("large")
    fill(folder / "a.sqlite", 10_000)
    with open_store(folder / "a.sqlite", read_only=True) as store:
        options = ArchiveOptions(thumbnails=False, clip_reports=False)
        write_archive(store, folder / "a.html", options)
    assert (folder / "a.html").stat().st_size < 4 << 20
    return (folder / "a.html").as_uri()


def names(page: Any) -> list[str]:
    """What stands in the list, from top to bottom."""
    script = (
        "[...document.querySelectorAll('.row')].sort((a, b) => parseFloat(a.style.top) -"
        " parseFloat(b.style.top)).map(row => row.querySelector('.name').textContent)"
    )
    return list(page.evaluate(script))


def test_ten_thousand_rows_stay_usable(browser: Any, large: str) -> None:
    with watched_page(browser, large) as seen:
        page = seen.page
        assert page.locator("#shown").inner_text() == "10000 of 10000 files"
        assert page.locator(".row").count() < 60, "only what can be seen is there"
        first = names(page)[0]
        page.evaluate("document.getElementById('view').scrollTop = 1e9")
        page.wait_for_timeout(200)
        assert first not in names(page)
        assert page.locator(".row").count() < 60
        page.locator("#text").fill("clip-1234.")
        assert names(page) == ["clip-1234.mp4"]
        assert page.locator("#shown").inner_text() == "1 of 10000 files"
        page.locator("#text").fill("")
        times = page.evaluate(
            """() => {
              const timed = (act) => { const from = performance.now(); act();
                document.body.offsetHeight; return performance.now() - from; };
              const view = document.getElementById('view');
              const button = (key) => document.querySelector(`.head [data-key=${key}]`);
              const nav = performance.getEntriesByType('navigation')[0];
              return {interactive: nav.domInteractive,
                sort_name: timed(() => button('file').click()),
                sort_score: timed(() => button('score').click()),
                scroll: timed(() => { view.scrollTop = 300000; })};
            }"""
        )
        print({name: f"{ms:.0f} ms" for name, ms in times.items()})
        seen.shoot("archive-10000")
        assert seen.problems == []


def test_sorting_and_filtering(browser: Any, pages: dict[str, Path]) -> None:
    with watched_page(browser, pages["en"].as_uri()) as seen:
        page = seen.page
        scores = page.locator(".row .score").all_inner_texts()
        assert scores == sorted(scores, reverse=True)
        header = page.locator("[role=columnheader].score")
        assert header.get_attribute("aria-sort") == "descending"
        page.locator(".head [data-key=score]").click()
        assert header.get_attribute("aria-sort") == "ascending"
        page.locator("#kind").select_option("error")
        assert page.locator("#shown").inner_text() == "5 of 60 files"
        assert "unreadable" in page.locator(".row").first.inner_text()
        page.locator("#kind").select_option("waiting")
        assert page.locator("#shown").inner_text() == "3 of 60 files"
        page.locator("#kind").select_option("")
        page.locator("#least").fill("0.9")
        kept = page.locator(".row").count()
        assert 0 < kept < 20
        assert page.locator(".row.generated").count() == kept
        assert seen.problems == []


def test_pictures_and_reports_are_reached(browser: Any, pages: dict[str, Path]) -> None:
    with watched_page(browser, pages["en"].as_uri()) as seen:
        page = seen.page
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelector('.thumb img').naturalWidth") == 160
        name = page.locator(".row a.name").first.inner_text()
        page.locator(".row a.name").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#h-custody")
        assert page.locator("h1").inner_text() == name
        assert all(url.startswith("file:") for url in seen.requests)
        assert seen.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("language", ["en", "de"])
def test_axe_finds_nothing(
    scheme: str, width: int, language: str, browser: Any, pages: dict[str, Path]
) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with watched_page(browser, pages[language].as_uri(), bypass_csp=True, **options) as seen:
        seen.shoot(f"archive-{language}-{scheme}-{width}")
        assert axe_violations(seen.page) == []
        assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_hostile_names_do_nothing(browser: Any, pages: dict[str, Path]) -> None:
    # Without the page's policy, so that escaping alone must hold.
    with watched_page(browser, pages["en"].as_uri(), bypass_csp=True) as seen:
        dialogs: list[str] = []
        seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        seen.page.locator("#text").fill("onerror")
        assert "<img src=x onerror=alert(1)>" in seen.page.locator(".row .name").inner_text()
        seen.page.wait_for_timeout(300)
        assert dialogs == []
        assert seen.problems == []
        assert seen.page.locator("img[src='x']").count() == 0
        seen.shoot("archive-hostile")
