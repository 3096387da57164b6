"""The words of the archive page: those of the reports, with its own beside them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from unreel.detector.audit.summary import Summary
from unreel.detector.report.catalogue import Catalogue

_FOLDER = Path(__file__).parent / "messages"
_SCRIPT_KEYS = (
    "decimal-mark", "label-generated", "label-inconclusive", "label-no-evidence", "label-error",
    "kind-waiting", "shown", "score-of-threshold", "score-of", "length", "reviewed",
    "review-real", "review-generated", "review-manipulated", "review-unsure", "of-clip",
)  # fmt: skip


class ArchiveWords(Catalogue):
    """Messages of one language.

    Args:
        language: One of LANGUAGES.
    """

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.messages = self.messages | own_messages(language)

    def for_script(self) -> dict[str, str]:
        """Those that the script of the page fills in itself."""
        return {key: self.messages[key] for key in _SCRIPT_KEYS}


@cache
def own_messages(language: str) -> dict[str, str]:
    """What stands in messages/, without the words of the reports."""
    return dict(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8")))


def base_rate(summary: Summary, say: ArchiveWords) -> list[str]:
    """How many alarms are to be expected of camera footage alone, and what follows."""
    alarms, flagged = summary.false_alarms, summary.flagged_contents
    said = [
        say(
            "alarms-expected",
            expected=alarms.expected_in_words,
            contents=summary.contents,
            low=f"{alarms.low:.0f}",
            high=f"{alarms.high:.0f}",
            flagged=flagged,
        )
    ]
    if 0 < flagged <= alarms.high:
        said.append(say("alarms-alone"))
    elif flagged:
        share = min(1.0, alarms.expected / flagged)
        said.append(say("alarms-share", percent=f"{100 * share:.0f}"))
    return [*said, say("alarms-limits")]
