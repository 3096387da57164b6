"""The server's pages in a real Chromium: a clip from the file dialog to its report, and more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

pytest.importorskip("fastapi")

from browser import axe_violations, browser_or_skip, watched_page
from serving import QUICK, Running, mp4, running, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PHONE = {"width": 360, "height": 740}
TITLE = "<b onmouseover=alert(2)>title</b>"
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}\u202e.mp4"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_or_skip() as started:
        yield started


@pytest.fixture(scope="module")
def hostile(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip with a title that is markup."""
    path = tmp_path_factory.mktemp("hostile") / "title.mp4"
    with av.open(str(clip)) as source, av.open(str(path), "w") as made:
        made.metadata["title"] = TITLE
        stream = made.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return path


@pytest.fixture(scope="module")
def server(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that scans, with one clip judged, under a hostile name and with hostile tags."""
    with running(tmp_path_factory.mktemp("server")) as found:
        with found.client() as client, hostile.open("rb") as handle:
            answer = client.post("/api/clips", files={"file": (HOSTILE, handle)})
        found.finished(answer.json()["clips"][0]["id"], 240)
        yield found


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose scans do what the clips say."""
    with running(tmp_path_factory.mktemp("quick"), judge=QUICK) as found:
        yield found


def only_here(requests: list[str], server: Running) -> None:
    assert [url for url in requests if not url.startswith(server.url + "/")] == []


def until(page: Any, script: str, seconds: float = 60) -> None:
    """Ask again and again: Playwright's own waiting needs eval, which the pages' policy forbids."""
    wait(lambda: page.evaluate(script), seconds)


def test_from_choosing_a_file_to_its_report(browser: Any, clip: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, watched_page(browser, server.url) as seen:
        page = seen.page
        page.wait_for_selector("html[data-ready]")
        assert page.locator("#none").is_visible()
        page.set_input_files("#files", str(clip))
        row = page.locator(".clip")
        row.locator("progress").wait_for(state="visible")
        until(
            page,
            "/stretch|judging|cuts|opening/.test(document.querySelector('.what').textContent)",
            120,
        )
        seen.shoot("serve-progress")
        row.locator(".report").wait_for(state="visible", timeout=240_000)
        assert "Score" in row.inner_text()
        until(page, "document.querySelector('.thumb img')?.naturalWidth > 0")
        seen.shoot("serve-done")
        row.locator(".report").click()
        page.wait_for_selector("#timeline")
        assert page.locator("h1").inner_text() == clip.name
        until(page, "[...document.images].every(i => i.naturalWidth > 0)")
        assert page.locator("#strip-1 img, [id^=strip] img").count() >= 1
        page.locator("#timeline .mark").first.focus()
        assert page.locator("#readout").inner_text().startswith("Stretch 1,")
        seen.shoot("serve-report")
        only_here(seen.requests, server)
        assert seen.problems == []


def test_dropping_files_and_a_file_that_is_no_video(browser: Any, quick: Running) -> None:
    with watched_page(browser, quick.url) as seen:
        page = seen.page
        page.wait_for_selector("html[data-ready]")
        page.evaluate(
            """bytes => {
              const files = new DataTransfer();
              files.items.add(new File([new Uint8Array(bytes)], 'dropped.mp4'));
              files.items.add(new File(['only text'], 'notes.mp4'));
              const event = (kind) => new DragEvent(kind, {dataTransfer: files, bubbles: true,
                cancelable: true});
              document.body.dispatchEvent(event('dragover'));
              document.body.dispatchEvent(event('drop'));
            }""",
            list(mp4("dropped")),
        )
        page.wait_for_selector(".clip.done .report:visible")
        assert page.locator(".clip.refused .name").inner_text() == "notes.mp4"
        assert "plain text" in page.locator(".clip.refused").inner_text()
        only_here(seen.requests, quick)


def test_cancel_label_delete(browser: Any, quick: Running) -> None:
    with watched_page(browser, quick.url) as seen, quick.client() as client:
        page = seen.page
        page.wait_for_selector("html[data-ready]")
        files = [("file", ("hang.mp4", mp4("hang x"))), ("file", ("good.mp4", mp4("good x")))]
        hang, good = (c["id"] for c in client.post("/api/clips", files=files).json()["clips"])
        row = page.locator(f"[data-id='{hang}']")
        row.get_by_text("reading stretch 3 of 4").wait_for()
        row.locator(".cancel").click()
        row.get_by_text("Cancelled").wait_for()
        other = page.locator(f"[data-id='{good}']")
        other.locator(".label").click()
        box = page.locator("#label-dialog")
        box.get_by_label("manipulated").check()
        box.get_by_label("Note").fill("hands <b>")
        seen.shoot("serve-label")
        box.get_by_text("Save").click()
        other.get_by_text("Label: manipulated").wait_for()
        assert quick.clip(good)["reviewed_as"] == "manipulated"
        other.locator(".delete").click()
        page.locator("#delete-dialog").get_by_role("button", name="Close").click()
        assert other.count() == 1
        other.locator(".delete").click()
        page.locator("#delete-dialog").get_by_role("button", name="Delete").click()
        wait(lambda: other.count() == 0, 30)
        assert client.get(f"/api/clips/{good}").status_code == 404
        assert seen.problems == []


def test_two_clips_side_by_side(browser: Any, server: Running, quick: Running) -> None:
    with quick.client() as client:
        files = [("file", (name, mp4(name))) for name in ("left.mp4", "right.mp4")]
        for clip in client.post("/api/clips", files=files).json()["clips"]:
            quick.finished(clip["id"])
    with watched_page(browser, quick.url) as seen:
        seen.page.wait_for_selector("html[data-ready]")
        assert seen.page.locator("#compare").is_disabled()
        picks = seen.page.locator(".clip.done .pick input:visible")
        picks.nth(0).check()
        picks.nth(1).check()
        seen.page.locator("#compare").click()
        seen.page.wait_for_selector("table")
        assert "right.mp4" in seen.page.locator("thead").inner_text()
        only_here(seen.requests, quick)
    with server.client() as client:
        (one,) = [c["id"] for c in client.get("/api/clips").json()["clips"]]
    with watched_page(browser, f"{server.url}/compare?a={one}&b={one}") as seen:
        assert "byte for byte" in seen.page.locator("main").inner_text()
        assert seen.page.locator("svg .bar").count() >= 2
        seen.shoot("serve-compare")
        assert seen.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("language", ["en", "de"])
def test_axe_finds_nothing_on_any_page(
    scheme: str, width: int, language: str, browser: Any, server: Running
) -> None:
    with server.client() as client:
        one = client.get("/api/clips").json()["clips"][0]["id"]
    pages = {
        "list": f"{server.url}/?lang={language}",
        "compare": f"{server.url}/compare?lang={language}&a={one}&b={one}",
        "docs": f"{server.url}/docs?lang={language}",
        "login": f"{server.url}/login?lang={language}",
    }
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for name, address in pages.items():
        with watched_page(browser, address, bypass_csp=True, **options) as seen:
            if name == "list":
                seen.page.wait_for_selector(".clip")
            seen.shoot(f"serve-{name}-{language}-{scheme}-{width}")
            assert axe_violations(seen.page) == []
            assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= width
            ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            dark = max(int(part) for part in ground[4:-1].split(",")) < 60
            assert dark == (scheme == "dark")
            assert seen.page.evaluate("document.documentElement.lang") == language


def test_dialogs_are_clean_for_axe_and_keep_the_focus(browser: Any, server: Running) -> None:
    with watched_page(browser, server.url, bypass_csp=True, viewport=PHONE) as seen:
        button = seen.page.locator(".clip .label")
        button.wait_for(state="visible")
        button.focus()
        seen.page.keyboard.press("Enter")
        assert seen.page.locator("#label-dialog").is_visible()
        assert axe_violations(seen.page) == []
        seen.page.keyboard.press("Escape")
        assert not seen.page.locator("#label-dialog").is_visible()
        assert seen.page.evaluate("document.activeElement.classList.contains('label')")


def test_hostile_names_are_text_everywhere(browser: Any, server: Running) -> None:
    with server.client() as client:
        one = client.get("/api/clips").json()["clips"][0]["id"]
    paths = ("/", f"/clips/{one}/report", f"/compare?a={one}&b={one}")
    for path in paths:
        # Without the pages' policies, so that escaping alone must hold.
        with watched_page(browser, server.url + path, bypass_csp=True, viewport=PHONE) as seen:
            dialogs: list[str] = []
            seen.page.on("dialog", lambda d, heard=dialogs: (heard.append(d.message), d.dismiss()))
            seen.page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for()
            seen.page.wait_for_timeout(300)
            assert dialogs == []
            assert seen.problems == []
            assert seen.page.locator("img[src='x']").count() == 0
            assert "{{7*7}}" in seen.page.content()
            if path.endswith("/report"):
                assert TITLE in seen.page.locator(".card").text_content()
                assert seen.page.locator("b").count() == 0
            only_here(seen.requests, server)
            seen.shoot("serve-hostile" + path.split("?")[0].replace("/", "-").replace(one, "clip"))


def test_the_page_is_ready_within_a_second(browser: Any, server: Running) -> None:
    with watched_page(browser, server.url) as seen:
        seen.page.wait_for_selector("html[data-ready]")
        ready = seen.page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    print(f"interactive after {ready:.0f} ms")


def test_a_token_opens_the_page(browser: Any, tmp_path: Path) -> None:
    token = "a-token-of-enough-characters"
    with (
        running(tmp_path / "data", judge=QUICK, token=token) as server,
        watched_page(browser, server.url) as seen,
    ):
        page = seen.page
        assert page.url == f"{server.url}/login"
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button").click()
        page.wait_for_selector("html[data-ready]")
        assert page.url == f"{server.url}/"
        page.set_input_files(
            "#files", {"name": "a.mp4", "mimeType": "video/mp4", "buffer": mp4("a")}
        )
        page.wait_for_selector(".clip.queued, .clip.working, .clip.done")


def test_the_language_stays_chosen(browser: Any, server: Running) -> None:
    with watched_page(browser, server.url, locale="en-GB") as seen:
        seen.page.get_by_text("Deutsch").click()
        in_german = seen.page.locator("html[lang=de]")  # waits through the change of pages
        in_german.wait_for(state="attached")
        seen.page.goto(server.url)
        in_german.wait_for(state="attached")
        seen.page.locator(".clip .report").click()
        seen.page.wait_for_selector("#timeline")
        in_german.wait_for(state="attached")
    with watched_page(browser, server.url, locale="de-DE") as seen:
        assert seen.page.evaluate("document.documentElement.lang") == "de"
