"""Two stores side by side: two models, or the same archive at two dates.

Files are matched by their bytes, so that it does not matter where they lay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unreel.detector.audit.errors import StoreError
from unreel.detector.text import printable
from unreel.detector.verdict import in_digits

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

MATCHED = """
  FROM main.results AS a JOIN other.results AS b ON b.sha256 = a.sha256
  WHERE a.file_id = (SELECT min(file_id) FROM main.results WHERE sha256 = a.sha256)
    AND b.file_id = (SELECT min(file_id) FROM other.results WHERE sha256 = a.sha256)
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """A content whose verdict differs."""

    path: str
    label_a: str
    label_b: str
    score_a: float | None
    score_b: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is the same and what is not."""

    both: int
    """Contents in both."""
    only_a: int
    only_b: int
    models_a: tuple[str, ...]
    models_b: tuple[str, ...]
    transitions: dict[tuple[str, str], int]
    """(label or error code in A, in B) -> contents."""
    mean_difference: float | None
    """Of the scores, B - A."""
    mean_absolute_difference: float | None
    moved: tuple[Moved, ...]
    """Those with another label, or another score, largest difference first."""


def compare(store: Store, other: Path, *, most: int = 20) -> Comparison:
    """Hold the results of two stores side by side.

    Args:
        store: A; is left as it is.
        other: The file of B; read only.
        most: Length of the list.

    Raises:
        StoreError: B is no audit store.
    """
    from unreel.detector.audit.connecting import named_errors
    from unreel.detector.audit.store import open_store

    open_store(other, read_only=True).close()  # says what is wrong with it
    if other.resolve() == store.path.resolve():
        raise StoreError(f"{other} was named twice: two different stores can be compared")
    with named_errors(other):
        address = f"{other.absolute().as_uri()}?mode=ro"
        store.connection.execute("ATTACH DATABASE ? AS other", (address,))
        try:
            return _compare(store, most)
        finally:
            store.connection.execute("DETACH DATABASE other")


def _compare(store: Store, most: int) -> Comparison:
    one = store.connection.execute
    word = "coalesce({0}.label, {0}.error_code, {0}.state)"
    a, b = word.format("a"), word.format("b")
    transitions = {
        (x, y): count
        for x, y, count in one(f"SELECT {a}, {b}, count(*) {MATCHED} GROUP BY 1, 2 ORDER BY 1, 2")
    }
    mean, absolute = one(
        f"SELECT avg(b.score - a.score), avg(abs(b.score - a.score)) {MATCHED}"
    ).fetchone()
    moved = one(
        f"SELECT a.path, {a}, {b}, a.score, b.score {MATCHED}"
        f" AND ({a} != {b} OR a.score IS NOT b.score)"
        f" ORDER BY {a} = {b}, abs(coalesce(b.score, 0) - coalesce(a.score, 0)) DESC, a.path"
        " LIMIT ?",
        (most,),
    )
    return Comparison(
        both=sum(transitions.values()),
        only_a=_only(store, "main", "other"),
        only_b=_only(store, "other", "main"),
        models_a=tuple(_models(store, "main")),
        models_b=tuple(_models(store, "other")),
        transitions=transitions,
        mean_difference=mean,
        mean_absolute_difference=absolute,
        moved=tuple(Moved(*row) for row in moved),
    )


def _only(store: Store, here: str, there: str) -> int:
    sql = (
        f"SELECT count(DISTINCT sha256) FROM {here}.files WHERE sha256 IS NOT NULL"
        f" AND sha256 NOT IN (SELECT sha256 FROM {there}.files WHERE sha256 IS NOT NULL)"
    )
    return int(store.connection.execute(sql).fetchone()[0])


def _models(store: Store, schema: str) -> Iterator[str]:
    sql = (
        "SELECT DISTINCT model_name, model_version, substr(model_sha256, 1, 12), settings.config"
        f" FROM {schema}.settings WHERE id IN (SELECT settings_id FROM {schema}.scans)"
    )
    for name, version, digest, config in store.connection.execute(sql):
        yield f"{name} {version} ({digest}...), {config}"


def to_text(comparison: Comparison) -> str:
    """For a person at a terminal."""
    found = comparison
    lines = [f"A  {printable(text)}" for text in found.models_a]
    lines += [f"B  {printable(text)}" for text in found.models_b]
    lines.append(
        f"{found.both} contents in both, {found.only_a} only in A, {found.only_b} only in B"
    )
    if found.mean_difference is not None and found.mean_absolute_difference is not None:
        lines.append(
            f"score B - A: {found.mean_difference:+.4f} on the mean, "
            f"{found.mean_absolute_difference:.4f} without sign"
        )
    lines += [f"  {n:>8}  {a} -> {b}" for (a, b), n in found.transitions.items()]
    if found.moved:
        lines.append("Largest differences")
    for item in found.moved:
        scores = f"{_digits(item.score_a)} -> {_digits(item.score_b)}"
        label = (
            item.label_a if item.label_a == item.label_b else f"{item.label_a} -> {item.label_b}"
        )
        lines.append(f"  {scores}  {label}  {printable(item.path)}")
    return "\n".join(lines) + "\n"


def _digits(score: float | None) -> str:
    return "   -" if score is None else in_digits(score)
