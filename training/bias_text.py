"""A BiasReport for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unreel.detector.text import printable
from unreel.training.bias import BiasReport
from unreel.training.leaks import Duplicate
from unreel.training.shortcuts import Separation

_MOST = 10
"""Rows of a list that are printed; --json has all of them."""


def bias_text(report: BiasReport) -> str:
    """All of it, section by section."""
    parts = [
        _head(report),
        _shortcuts(report),
        _duplicates(report),
        _suspects(report),
        _sources(report),
        _what_to_do(report),
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: BiasReport) -> str:
    lines = [
        f"{_name(report.manifest)}: {report.real} camera clips, {report.positive} generated or "
        f"manipulated, {report.groups} groups"
    ]
    if report.faces_left_out:
        lines.append(
            f"{report.faces_left_out} clips with manipulated faces left out (--faces counts them)"
        )
    lines += _list(
        [f"not read: {_name(path)}: {printable(why)}" for path, why in report.unreadable]
    )
    return "\n".join(lines)


def _shortcuts(report: BiasReport) -> str:
    names = list(report.conditions)
    width = max(len(s.shortcut) for s in report.conditions[names[0]])
    lines = [
        "How well each alone tells the classes apart, on groups not seen (AUC and 95 % interval;",
        f".50 = not at all, ! = above {_number(report.threshold)} and more than chance):",
        f"  {'':{width}}  " + "  ".join(f"{name:18}" for name in names).rstrip(),
    ]
    for row in zip(*report.conditions.values(), strict=True):
        cells = "  ".join(f"{_cell(s, report.threshold):18}" for s in row).rstrip()
        lines.append(f"  {row[0].shortcut:{width}}  {cells}")
    return "\n".join(lines)


def _cell(found: Separation, threshold: float) -> str:
    mark = " !" if found.exceeds(threshold) else ""
    return f"{_number(found.auc)} [{_number(found.low)}, {_number(found.high)}]{mark}"


def _duplicates(report: BiasReport) -> str:
    leaking = report.leaks
    inside = len(report.duplicates) - len(leaking)
    head = f"Duplicates: {len(leaking)} pairs show the same and can be torn apart by a split"
    if inside:
        head += f"\n  {inside} more lie inside one group, where splits keep them together"
    return "\n".join([head, *_list([_pair(d) for d in leaking])])


def _pair(found: Duplicate) -> str:
    where = f"groups {' and '.join(printable(g) for g in found.groups)}"
    if found.splits[0] != found.splits[1]:
        where = f"splits {' and '.join(printable(s) or '(none)' for s in found.splits)}"
    contrary = ", labels differ" if found.contrary else ""
    return (
        f"{_name(found.first)} and {_name(found.second)}: {found.bits:g} of 64 bits, "
        f"{where}{contrary}"
    )


def _suspects(report: BiasReport) -> str:
    head = f"Labels to look at again: {len(report.suspects)}"
    rows = [f"{_name(s.clip)} ({s.label}): {printable(s.why)}" for s in report.suspects]
    return "\n".join([head, *_list(rows)])


def _sources(report: BiasReport) -> str:
    found, total = report.sources, report.real + report.positive
    lines = [f"Sources: {found.sources}, {found.unnamed_clips} clips name none"]
    if found.sources:
        lines.append(
            f"  {found.one_class_clips} of {total} clips come from a source with one class only: "
            "its encoder tells the label"
        )
    if found.over_groups:
        lines.append(
            f"  {len(found.over_groups)} sources lie in several groups, so that a split by group "
            "can have them on both sides:"
        )
        rows = [f"{printable(s)}: {len(g)} groups" for s, g in found.over_groups.items()]
        lines += _list(rows)
    if found.over_splits:
        lines.append(f"  {len(found.over_splits)} sources lie in several splits of the manifest:")
        rows = [f"{printable(s)}: {', '.join(map(printable, p))}" for s, p in
                found.over_splits.items()]  # fmt: skip
        lines += _list(rows)
    return "\n".join(lines)


def _what_to_do(report: BiasReport) -> str:
    rows = list(report.advice)
    if report.leaks:
        rows.append(
            "duplicates: give clips that show the same one group (column `group`), or keep one"
        )
    if report.sources.over_groups:
        rows.append("sources: give all clips of a source one group")
    if report.suspects:
        rows.append(
            "labels: look at the clips named above; a wrong one costs more than a lost clip"
        )
    if not rows:
        return ""
    return "\n".join(["What to do:", *(f"  - {row}" for row in rows)])


def _verdict(report: BiasReport) -> str:
    if report.over:
        said = ", ".join(f"{s.shortcut} {_number(s.auc)}" for s in report.over)
        return f"Above {_number(report.threshold)} under {report.deciding}: {said}"
    if report.failed:
        return "The manifest's own splits have the same pictures on both sides"
    return f"Nothing above {_number(report.threshold)} under {report.deciding}"


def _list(rows: Sequence[str]) -> list[str]:
    shown = [f"  {row}" for row in rows[:_MOST]]
    if len(rows) > _MOST:
        shown.append(f"  and {len(rows) - _MOST} more (--json lists all)")
    return shown


def _name(path: str) -> str:
    return printable(Path(path).name)


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0.") else text
