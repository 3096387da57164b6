"""Conditions on results, as a person types them: parsed, never pasted into SQL.

    score > .9 and codec = 'h264'
    label = 'generated' and not (path like '%/trailers/%' or duration_seconds < 2)
    error_code in ('timeout', 'out-of-memory') or error_code is null

Names are columns of the view `results`, values go to SQLite as parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unreel.detector.errors import UsageError

COLUMNS = (
    "path", "state", "status", "error_code", "error_message", "label", "score", "llr",
    "percentile", "threshold", "fpr", "bucket", "recheck_score", "sha256", "bytes", "container",
    "codec", "width", "height", "fps", "frames", "duration_seconds", "has_audio", "shots",
    "findings", "decoder", "seconds", "finished", "run_id", "model_name", "model_version",
    "reviewed_as", "reviewed_generator", "review_note",
)  # fmt: skip
"""What may be asked for, and what exports hold, in this order."""

MAX_DEPTH = 50
"""Of brackets and `not` in each other."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign><=|>=|!=|<>|==|[=<>(),]))"
)
_COMPARE = {"=", "==", "!=", "<>", "<", ">", "<=", ">="}
Value = str | float | int


@dataclass(frozen=True, slots=True)
class Condition:
    """A WHERE clause and what goes into its question marks."""

    sql: str
    parameters: tuple[Value, ...]


EVERYTHING = Condition("1", ())


def parse(text: str) -> Condition:
    """Turn a condition into SQL.

    Raises:
        UsageError: It cannot be understood; the message shows where.
    """
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            raise _unclear(text, place, "a column, a value, an operator or a bracket")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        place = match.end()
    return [*found, _Token("end", "", len(text))]


def _unclear(text: str, at: int, expected: str) -> UsageError:
    return UsageError(
        f"cannot understand the condition at character {at + 1}, before {text[at : at + 20]!r}: "
        f"expected {expected}; e.g. \"score > .9 and codec = 'h264'\""
    )


class _Parser:
    """Recursive descent: or < and < not < comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0
        self._parameters: list[Value] = []

    def whole(self) -> Condition:
        sql = self._either()
        if self._now.kind != "end":
            raise _unclear(self._text, self._now.at, "`and`, `or` or the end")
        return Condition(sql, tuple(self._parameters))

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _accept(self, *texts: str) -> str | None:
        """Go on when the next word or sign is one of these."""
        token = self._now
        if token.kind in ("word", "sign") and token.text.lower() in texts:
            self._place += 1
            return token.text.lower()
        return None

    def _need(self, text: str) -> None:
        if self._accept(text) is None:
            raise _unclear(self._text, self._now.at, f"`{text}`")

    def _either(self) -> str:
        parts = [self._both()]
        while self._accept("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _both(self) -> str:
        parts = [self._single()]
        while self._accept("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _single(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UsageError(f"the condition has more than {MAX_DEPTH} brackets in each other")
        try:
            if self._accept("not"):
                return f"NOT {self._single()}"
            if self._accept("("):
                inner = self._either()
                self._need(")")
                return f"({inner})"
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> str:
        column = self._column()
        if self._accept("is"):
            negated = " NOT" if self._accept("not") else ""
            self._need("null")
            return f"{column} IS{negated} NULL"
        negated = "NOT " if self._accept("not") else ""
        if self._accept("like"):
            return f"{column} {negated}LIKE {self._value()}"
        if self._accept("in"):
            self._need("(")
            values = [self._value()]
            while self._accept(","):
                values.append(self._value())
            self._need(")")
            return f"{column} {negated}IN ({', '.join(values)})"
        if self._accept("between"):
            low = self._value()
            self._need("and")
            return f"{column} {negated}BETWEEN {low} AND {self._value()}"
        sign = None if negated else self._accept(*_COMPARE)
        if sign is None:
            expected = "a comparison: = != < > <= >= like, in, between, is null"
            raise _unclear(self._text, self._now.at, expected)
        return f"{column} {sign} {self._value()}"

    def _column(self) -> str:
        token = self._now
        if token.kind != "word" or token.text.lower() not in COLUMNS:
            raise _unclear(self._text, token.at, f"a column, one of {', '.join(COLUMNS)}")
        self._place += 1
        return token.text.lower()

    def _value(self) -> str:
        token = self._now
        if token.kind == "number":
            number = float(token.text)
            whole = number.is_integer() and abs(number) < 2**53
            self._parameters.append(int(number) if whole else number)
        elif token.kind == "text":
            self._parameters.append(token.text.replace("''", "'"))
        else:
            raise _unclear(self._text, token.at, "a number, or a text in single quotes")
        self._place += 1
        return "?"
