"""What a store holds, for whoever has to decide what to look at: a record, and as text.

The record is all that a page needs too: whoever draws one takes `summarise` and `query.parse`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unreel.detector.audit.false_alarms import FalseAlarms, Stratum, expect
from unreel.detector.text import printable
from unreel.detector.verdict import in_digits

if TYPE_CHECKING:
    from unreel.detector.audit.store import Store

BINS = 10
WIDTH = 100
NEAR = 0.1
"""Scores at most so much below their threshold are near it; so are all `inconclusive` ones."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One content in a list."""

    path: str
    names: int
    """Files with the same bytes."""
    label: str
    score: float
    threshold: float | None
    says: tuple[str, ...]
    """Where the score comes from, and what decided the label."""
    reviewed_as: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All of it."""

    settings: tuple[str, ...]
    """Models and configurations that the results are from."""
    states: dict[str, int]
    """State -> files."""
    labels: dict[str, int]
    """Label of the verdict -> files."""
    contents: int
    """Different files with a score; names of the same bytes count once."""
    hours: float
    """Of video judged, each content once."""
    histogram: tuple[int, ...]
    """Contents by score in tenths, 0..0.1 first."""
    errors: dict[str, int]
    """Code -> files that could not be judged."""
    not_scored: int
    """Files that were opened, but gave no score (too short, nothing to look at)."""
    left_out: dict[str, int]
    """Reason -> files that the last runs did not take."""
    strongest: tuple[Listed, ...]
    near: tuple[Listed, ...]
    """Closest to their threshold, below it."""
    false_alarms: FalseAlarms
    flagged_contents: int
    reviewed: dict[str, int]
    """Label of a person -> contents."""


def summarise(store: Store, *, most: int = 10) -> Summary:
    """Count, and pick what is worth looking at.

    Args:
        store: May be read-only.
        most: Length of the lists.
    """
    one = store.connection.execute
    strata = one(
        "SELECT bucket, fpr, camera_clips, count(DISTINCT sha256) FROM results"
        " WHERE score IS NOT NULL AND threshold IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    contents, hours, flagged = one(
        "SELECT count(*), coalesce(sum(duration_seconds), 0) / 3600,"
        " coalesce(sum(label = 'generated'), 0) FROM scans WHERE score IS NOT NULL"
        " AND id IN (SELECT scan_id FROM files)"
    ).fetchone()
    return Summary(
        settings=_settings(store),
        states=dict(one("SELECT state, count(*) FROM files GROUP BY 1").fetchall()),
        labels=dict(
            one("SELECT label, count(*) FROM results WHERE label IS NOT NULL GROUP BY 1").fetchall()
        ),
        contents=contents,
        hours=hours,
        histogram=_histogram(store),
        errors=dict(
            one(
                "SELECT error_code, count(*) FROM results WHERE status = 'error'"
                " GROUP BY 1 ORDER BY 2 DESC"
            ).fetchall()
        ),
        not_scored=one(
            "SELECT count(*) FROM results WHERE status = 'ok' AND score IS NULL"
        ).fetchone()[0],
        left_out=_left_out(store),
        strongest=_listed(store, "results.label = 'generated'", "results.score DESC", most),
        near=_listed(
            store,
            "results.score < results.threshold AND (results.label = 'inconclusive'"
            f" OR results.score >= results.threshold - {NEAR})",
            "results.threshold - results.score",
            most,
        ),
        false_alarms=expect([Stratum(b or "", f, c or 0, n) for b, f, c, n in strata]),
        flagged_contents=flagged,
        reviewed=dict(one("SELECT label, count(*) FROM latest_labels GROUP BY 1").fetchall()),
    )


def _settings(store: Store) -> tuple[str, ...]:
    rows = store.connection.execute(
        "SELECT model_name, model_version, substr(model_sha256, 1, 12), config, count(*)"
        " FROM results JOIN settings USING (model_name, model_version, model_sha256)"
        " WHERE settings.id = results.settings_id GROUP BY settings.id ORDER BY settings.id"
    )
    return tuple(
        f"{n} {v} ({sha}...), {config}: {count} files" for n, v, sha, config, count in rows
    )


def _histogram(store: Store) -> tuple[int, ...]:
    counts = [0] * BINS
    sql = (
        f"SELECT min({BINS - 1}, CAST(score * {BINS} AS INTEGER)), count(*) FROM scans"
        " WHERE score IS NOT NULL AND id IN (SELECT scan_id FROM files) GROUP BY 1"
    )
    for index, count in store.connection.execute(sql):
        counts[index] = count
    return tuple(counts)


def _left_out(store: Store) -> dict[str, int]:
    """Of the last run over each folder."""
    sql = (
        "SELECT reason, sum(files) FROM left_out AS one WHERE run_id ="
        " (SELECT max(run_id) FROM left_out AS other WHERE other.folder = one.folder)"
        " GROUP BY 1 ORDER BY 2 DESC"
    )
    return dict(store.connection.execute(sql).fetchall())


def _listed(store: Store, where: str, order: str, most: int) -> tuple[Listed, ...]:
    """One row for each content, with what its report says. `where` and `order` are ours."""
    sql = (
        "SELECT min(path), count(*), results.label, results.score, results.threshold, report,"
        " reviewed_as FROM results JOIN scans ON scans.id = results.scan_id"
        f" WHERE {where} GROUP BY results.scan_id ORDER BY {order}, results.scan_id LIMIT ?"
    )
    return tuple(
        Listed(path, names, label, score, threshold, evidence_of(json.loads(report)), reviewed)
        for path, names, label, score, threshold, report, reviewed in store.connection.execute(
            sql, (most,)
        )
    )


def evidence_of(report: dict[str, Any]) -> tuple[str, ...]:
    """Sentences of a report that a person should see first: where, what was found, why."""
    said = []
    windows = [w for lane in report.get("lanes", {}).values() for w in lane.get("windows", ())]
    if windows:
        top = max(windows, key=lambda w: w["logit"])
        score = "" if top.get("score") is None else f" ({in_digits(top['score'])})"
        said.append(f"strongest {top['t_start']:.1f}-{top['t_end']:.1f} s{score}")
    said += [f"{f['lane']}: {f['explanation']}" for f in report.get("findings", ())[:3]]
    verdict = report.get("verdict") or {}
    return (*said, *verdict.get("reasons", ())[:2])


def to_text(summary: Summary) -> str:
    """For a person at a terminal; no name can forge a line of it."""
    blocks = [
        _counts(summary),
        _alarms(summary),
        _bars(summary),
        _list("Strongest", summary.strongest),
        _list("Near the threshold", summary.near),
        _not_looked_at(summary),
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _counts(summary: Summary) -> list[str]:
    files = sum(summary.states.values())
    done = summary.states.get("done", 0)
    lines = [f"{files} files, {done} done, {files - done} still on the list"]
    lines += [f"  {count:>8}  {label}" for label, count in sorted(summary.labels.items())]
    if summary.errors:
        lines.append(f"  {sum(summary.errors.values()):>8}  could not be judged")
    if summary.not_scored:
        lines.append(f"  {summary.not_scored:>8}  opened, but nothing in them could be judged")
    lines.append(
        f"{summary.contents} different contents with a score, {summary.hours:.1f} h of video"
    )
    lines += [f"judged by {printable(text)}" for text in summary.settings]
    if len(summary.settings) > 1:
        lines.append("scores of different models or settings must not be compared: finish the run")
    if summary.reviewed:
        words = ", ".join(f"{count} {label}" for label, count in sorted(summary.reviewed.items()))
        lines.append(f"reviewed by a person: {words}")
    return [*lines, ""]


def _alarms(summary: Summary) -> list[str]:
    alarms = summary.false_alarms
    text = (
        f"If all of it were camera footage, about {alarms.expected_in_words} of {summary.contents} "
        f"contents would be called generated (95 % interval {alarms.low:.0f} to "
        f"{alarms.high:.0f}); {summary.flagged_contents or 'none'} are. "
    )
    if 0 < summary.flagged_contents <= alarms.high:
        text += "That many can be false alarms alone: none of them is shown to be generated. "
    elif summary.flagged_contents:
        ends = (alarms.low, alarms.high)
        low, high = (min(1.0, end / summary.flagged_contents) for end in ends)
        text += f"Of these, {100 * low:.0f} to {100 * high:.0f} % can be false alarms. "
    text += "The interval does not cover footage unlike that which the model was calibrated on."
    return [*textwrap.wrap(text, WIDTH), ""]


def _bars(summary: Summary) -> list[str]:
    most = max(summary.histogram)
    if not most:
        return []
    lines = ["Score      contents"]
    for index, count in enumerate(summary.histogram):
        bar = "#" * round(50 * count / most) if count else ""
        lines.append(f"{index / BINS:.1f}-{(index + 1) / BINS:.1f}  {count:>9}  {bar}".rstrip())
    return [*lines, ""]


def _list(title: str, listed: Sequence[Listed]) -> list[str]:
    if not listed:
        return []
    lines = [title]
    for item in listed:
        names = f"   (and {item.names - 1} more names)" if item.names > 1 else ""
        review = f"   [reviewed: {item.reviewed_as}]" if item.reviewed_as else ""
        limit = f" of {in_digits(item.threshold)}" if item.threshold is not None else ""
        head = f"{in_digits(item.score)}{limit}  {item.label}  {printable(item.path)}"
        lines.append(f"  {head}{names}{review}")
        for sentence in item.says:
            lines += textwrap.wrap(
                printable(sentence), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8
            )
    return [*lines, ""]


def _not_looked_at(summary: Summary) -> list[str]:
    waiting = sum(n for state, n in summary.states.items() if state != "done")
    if not (summary.errors or summary.left_out or waiting or summary.not_scored):
        return ["NOT LOOKED AT: nothing; every file that was found was judged"]
    lines = ["NOT LOOKED AT"]
    if waiting:
        lines.append(f"  {waiting:>8}  still on the list: unreel audit run goes on")
    if summary.not_scored:
        lines.append(f"  {summary.not_scored:>8}  no stretch with enough readable frames")
    lines += [f"  {count:>8}  error {code}" for code, count in summary.errors.items()]
    lines += [f"  {count:>8}  left out: {reason}" for reason, count in summary.left_out.items()]
    return lines
