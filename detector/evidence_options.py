"""Options of evidence beside the score: which lanes, how many findings, what names objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from unreel.detector.config import CHOSEN_LANES, ScanConfig
from unreel.detector.errors import UsageError

Command = Callable[..., Any]
DEFAULTS = ScanConfig()


class HandFolder(click.Path):
    """A folder by path, or `hands` for what `unreel models pull hands` fetched."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The folder."""
        from unreel.detector.hands.published import NAME, place

        known = str(value) == NAME and not Path(NAME).is_dir()
        return super().convert(place() if known else value, param, ctx)


def chosen_lanes(text: str) -> tuple[str, ...]:
    """The lanes that --lanes names, in the order of the report.

    Raises:
        UsageError: One of them does not exist.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words == ["all"]:
        return CHOSEN_LANES
    if words == ["none"]:
        return ()
    unknown = [word for word in words if word not in CHOSEN_LANES]
    if unknown or not words:
        raise UsageError(
            f"--lanes {text}: there are {', '.join(CHOSEN_LANES)}, separated by commas, "
            "or all, or none; the learned lane always runs"
        )
    return tuple(name for name in CHOSEN_LANES if name in words)


def _explain(ctx: click.Context, _: click.Parameter, code: str | None) -> None:
    """Print and leave: no INPUT is needed for it."""
    if code is None or ctx.resilient_parsing:
        return
    from unreel.detector.explaining import explain

    click.echo(explain(code))
    ctx.exit()


_EVIDENCE = (
    click.option(
        "--lanes",
        default="all",
        show_default=True,
        metavar="NAMES",
        help=f"Evidence to look for beside the score: {', '.join(CHOSEN_LANES)}, all or none.",
    ),
    click.option(
        "--max-findings",
        type=click.IntRange(min=0),
        default=DEFAULTS.max_findings,
        show_default=True,
        metavar="N",
        help="Show N findings of each lane at most, the rarest first chosen.",
    ),
    click.option(
        "--object-detector",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="ONNX detector of the YOLO or FastestDet kind that names objects.  [default: none]",
    ),
    click.option(
        "--face-detector",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="YuNet or CenterFace as ONNX, for the lane faces.  "
        "[default: what `unreel models pull faces` fetched]",
    ),
    click.option(
        "--hand-detector",
        type=HandFolder(path_type=Path),
        metavar="hands|DIR",
        help="Count hands with what `unreel models pull hands` fetched.  "
        "[default: none, for it takes time]",
    ),
    click.option(
        "--explain",
        metavar="CODE",
        callback=_explain,
        is_eager=True,
        expose_value=False,
        help="Say what a code of a finding means and when it is wrong, then leave.",
    ),
)


def evidence_options(command: Command) -> Command:
    """Add --lanes, --max-findings, the detectors and --explain to a command."""
    for option in reversed(_EVIDENCE):
        command = option(command)
    return command
