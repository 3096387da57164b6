"""The HTML report in a real Chromium: what a reader can see, reach and hear of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import axe_violations, browser_or_skip, watched_page
from report_cases import HOSTILE, case

from unreel.detector.report.page import PageOptions, render

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_or_skip() as started:
        yield started


@pytest.fixture(scope="module")
def address(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(*case(clip)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def german(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "bericht.html"
    path.write_text(render(*case(clip), PageOptions("de")), encoding="utf-8")
    return path.as_uri()


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Any, address: str) -> None:
    with watched_page(browser, address) as seen:
        seen.page.wait_for_function(
            "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
        )
        seen.page.wait_for_function(
            "[...document.querySelectorAll('video')].every(v => v.readyState >= 1 && v.videoWidth)"
        )
        seen.shoot("report-light")
        assert seen.requests == [address]
        assert seen.problems == []


def test_the_timeline_by_keyboard(browser: Any, address: str) -> None:
    with watched_page(browser, address) as seen:
        page = seen.page
        readout = page.locator("#readout")
        page.locator("#timeline .mark").first.focus()
        assert readout.inner_text().startswith("Stretch 1,")
        page.keyboard.press("ArrowRight")
        assert readout.inner_text().startswith("Stretch 2,")
        assert page.locator("#strip-2").get_attribute("class") == "chosen"
        page.keyboard.press("ArrowRight")  # the last one stays
        assert readout.inner_text().startswith("Stretch 2,")
        page.keyboard.press("Home")
        assert readout.inner_text().startswith("Stretch 1,")
        page.keyboard.press("ArrowDown")
        assert readout.inner_text().startswith("Finding 1,")
        page.keyboard.press("ArrowDown")
        assert readout.inner_text().startswith("Shot ")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("End")
        assert readout.inner_text().startswith("Finding 2,")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "() => { const b = document.getElementById('finding-2').getBoundingClientRect();"
            " return b.top < innerHeight && b.bottom > 0; }"
        )
        # One stop for the Tab key: it leads in, and out again.
        assert page.locator("#timeline [tabindex='0']").count() == 1
        page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('#timeline')")
        assert seen.problems == []


def test_the_timeline_by_mouse(browser: Any, address: str) -> None:
    with watched_page(browser, address) as seen:
        marks, readout = seen.page.locator("#timeline .mark"), seen.page.locator("#readout")
        marks.nth(1).hover()
        assert readout.inner_text().startswith("Stretch 2,")
        seen.page.locator("h1").hover()
        assert readout.inner_text() == "Nothing chosen"
        seen.page.locator(".mark.finding").nth(1).click()
        assert readout.inner_text().startswith("Finding 2,")
        assert seen.problems == []


def test_focus_on_the_timeline_can_be_seen(browser: Any, address: str) -> None:
    with watched_page(browser, address) as seen:
        fill = "() => getComputedStyle(document.querySelector('#timeline .mark')).fill"
        before = seen.page.evaluate(fill)
        seen.page.locator("#timeline .mark").first.focus()
        assert seen.page.evaluate(fill) != before


def test_places_can_be_shown_and_hidden(browser: Any, address: str) -> None:
    with watched_page(browser, address) as seen:
        heat = seen.page.locator(".heat").first
        assert heat.is_visible()
        seen.page.locator("#heat").focus()
        seen.page.keyboard.press("Space")
        assert not heat.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("language", ["en", "de"])
def test_axe_finds_nothing(
    scheme: str, width: int, language: str, browser: Any, address: str, german: str
) -> None:
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    where = address if language == "en" else german
    with watched_page(browser, where, bypass_csp=True, **options) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        seen.shoot(f"report-{language}-{scheme}-{width}")
        assert axe_violations(seen.page) == []


def test_dark_mode_is_dark(browser: Any, address: str) -> None:
    with watched_page(browser, address, color_scheme="dark") as seen:
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in ground[4:-1].split(",")) < 60


@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_sticks_out_on_a_phone(
    language: str, browser: Any, address: str, german: str
) -> None:
    where = address if language == "en" else german
    with watched_page(browser, where, viewport=PHONE) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 360


def test_print_keeps_the_content_and_drops_the_controls(browser: Any, address: str) -> None:
    with watched_page(browser, address, color_scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("#readout").is_visible()
        assert not seen.page.locator("video").first.is_visible()
        assert seen.page.locator("article img").first.is_visible()
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        seen.shoot("report-print")


def test_without_scripts_everything_is_still_there(browser: Any, address: str) -> None:
    with watched_page(browser, address, java_script_enabled=False) as seen:
        assert seen.page.locator("h1").inner_text() == "square.mp4"
        assert seen.page.locator(".mark").count() == 7
        assert seen.page.locator("article").count() == 2


def test_hostile_names_and_texts_do_nothing(browser: Any, clip: Path, tmp_path: Path) -> None:
    video = tmp_path / (HOSTILE.replace("/", "_") + ".mp4")
    video.symlink_to(clip)
    page = tmp_path / "report.html"
    page.write_text(render(*case(video, HOSTILE)), encoding="utf-8")
    # Without the page's policy, so that escaping alone must hold.
    with watched_page(browser, page.as_uri(), bypass_csp=True, viewport=PHONE) as seen:
        dialogs: list[str] = []
        seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        seen.page.wait_for_timeout(300)
        assert dialogs == []
        assert seen.problems == []
        assert seen.requests == [page.as_uri()]
        assert "<img src=x onerror=alert(1)>" in seen.page.locator("h1").inner_text()
        assert seen.page.locator("img[src='x']").count() == 0
        assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 360
        seen.shoot("report-hostile-360")
