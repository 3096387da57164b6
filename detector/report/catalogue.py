"""The words of the report in the languages that it is written in: messages/en.toml, de.toml.

Plain TOML and str.format: a translator needs an editor and nothing else, and a test holds keys and
placeholders of all languages together.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from unreel.detector.errors import UsageError

LANGUAGES = ("en", "de")
_FOLDER = Path(__file__).parent / "messages"


class Catalogue:
    """Messages of one language; call it with a key.

    Args:
        language: One of LANGUAGES.

    Raises:
        UsageError: There are no messages in this language.
    """

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise UsageError(f"reports are written in {known}; {language!r} was asked for")
        self.language = language
        self.messages: dict[str, str] = _load(language)

    def __call__(self, key: str, **values: Any) -> str:
        """The message, its placeholders filled. A key that is unknown is a defect: KeyError."""
        text = self.messages[key]
        return text.format(**values) if values else text

    def number(self, value: float, digits: int = 2) -> str:
        """A number with so many decimals and the language's decimal mark."""
        return self.mark(f"{value:.{digits}f}")

    def mark(self, number: str) -> str:
        """A number as Python writes it, with the language's decimal mark."""
        return number.replace(".", self.messages["decimal-mark"])

    def seconds(self, value: float) -> str:
        """A time in the clip: 4.2 s, or 1:02:03 from a hundred seconds on."""
        if value < 100:
            return self.number(value, 1) + " s"
        minutes, rest = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"

    def span(self, start: float, end: float) -> str:
        """From one time to another."""
        if end < 100:
            return f"{self.number(start, 1)}\N{EN DASH}{self.number(end, 1)} s"
        return f"{self.seconds(start)} \N{EN DASH} {self.seconds(end)}"


@cache
def _load(language: str) -> dict[str, str]:
    loaded = tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return {str(key): str(text) for key, text in loaded.items()}
