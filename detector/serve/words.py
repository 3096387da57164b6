"""The words of the server's pages: those of the reports, with its own beside them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from starlette.requests import Request

from unreel.detector.report.catalogue import LANGUAGES, Catalogue

LANGUAGE_COOKIE = "unreel-language"
_FOLDER = Path(__file__).parent / "messages"


class Words(Catalogue):
    """Messages of one language.

    Args:
        language: One of LANGUAGES.
    """

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.messages = self.messages | own_messages(language)

    @property
    def other(self) -> str:
        """The language that one can change to."""
        return next(name for name in LANGUAGES if name != self.language)

    def size(self, count: int) -> str:
        """Bytes in the unit that people use."""
        value, unit = float(count), "B"
        for unit in ("B", "KiB", "MiB", "GiB"):
            if value < 1024 or unit == "GiB":
                break
            value /= 1024
        return f"{self.mark(f'{value:.3g}')} {unit}"


@cache
def own_messages(language: str) -> dict[str, str]:
    """What stands in messages/, without the words of the reports."""
    return dict(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")))


def language_of(request: Request) -> str:
    """Asked for in the address, chosen before, or the first that the browser prefers."""
    wishes = [request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)]
    accepted = request.headers.get("accept-language", "")
    wishes += [part.strip()[:2].lower() for part in accepted.split(",")]
    return next((wish for wish in wishes if wish in LANGUAGES), LANGUAGES[0]) or LANGUAGES[0]
