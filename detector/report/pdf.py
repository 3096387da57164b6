"""The same page as PDF, laid out by WeasyPrint: no browser, no network.

WeasyPrint is pure Python on top of Pango, which Linux systems carry or call libpango.
"""

from __future__ import annotations

from typing import Any

from unreel.detector.errors import MissingExtraError, UsageError


def need_weasyprint() -> Any:
    """The library.

    Raises:
        MissingExtraError: It is not installed.
        UsageError: It is, but Pango is not.
    """
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise MissingExtraError("--pdf", "pdf", error.name or "weasyprint") from error
    except OSError as error:
        raise UsageError(
            "--pdf needs the system library Pango, which is not installed: "
            "apt-get install libpango-1.0-0 libpangoft2-1.0-0 (Debian, Ubuntu)"
        ) from error
    return weasyprint


def to_pdf(html: str) -> bytes:
    """A page made by `render` as PDF.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        UsageError: Pango is not installed.
    """
    weasyprint = need_weasyprint()
    # What the page carries itself, and nothing else: no file, no network.
    inline_only = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    made: bytes = weasyprint.HTML(string=html, url_fetcher=inline_only).write_pdf()
    return made
