"""Options that all commands share which judge videos: by what, how strictly, in what limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from unreel.detector.config import ScanConfig

Command = Callable[..., Any]
DEFAULTS = ScanConfig()


class ModelFolder(click.Path):
    """A model folder by path, or a published model by its name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The folder; a name stands for the place that `unreel models pull` puts it in."""
        from unreel.detector.assemble import place_of, published_models

        if str(value) in published_models() and not Path(value).is_dir():
            place = place_of(str(value))
            if not (place / "DONE").exists():
                self.fail(
                    f"the model {value} is not on this machine yet: `unreel models pull {value}` "
                    "fetches it",
                    param, ctx,
                )  # fmt: skip
            return place
        return super().convert(value, param, ctx)


model_option = click.option(
    "--model",
    "model_folder",
    type=ModelFolder(path_type=Path),
    metavar="NAME|DIR",
    help="Model to judge with: base, or a folder.  [default: the one in the package]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=DEFAULTS.threads,
    metavar="N",
    help="Threads of decoder and model.  [default: one for each core]",
)
trust_list_option = click.option(
    "--trust-list",
    "trust_lists",
    multiple=True,
    metavar="PEM",
    help="Certificates of C2PA signers to trust; can be given again.  [default: none]",
)
_JUDGING = (
    model_option,
    click.option(
        "--fpr",
        type=click.FloatRange(0, 0.5, min_open=True),
        default=DEFAULTS.fpr,
        show_default=True,
        help="Share of camera clips that may be called generated.",
    ),
    click.option(
        "--windows",
        "max_windows",
        type=click.IntRange(min=1),
        metavar="N",
        help="Look at N stretches of a file at most.  [default: as the model was calibrated]",
    ),
    click.option(
        "--no-recheck",
        is_flag=True,
        help="Leave out the check by one H.264 re-encode that scores near the threshold get.",
    ),
)
_LIMITS = (
    click.option(
        "--time-limit",
        type=click.FloatRange(min=0, min_open=True),
        default=DEFAULTS.limits.wall_seconds_per_request,
        show_default=True,
        metavar="SECONDS",
        help="Longest wait for one answer of the decoder, which is then stopped.",
    ),
    click.option(
        "--memory-limit",
        type=click.IntRange(min=1),
        default=DEFAULTS.limits.memory_bytes // 1024**2,
        show_default=True,
        metavar="MIB",
        help="Memory (address space) of the decoder.",
    ),
)


def judging_options(command: Command) -> Command:
    """Add --model, --fpr, --windows and --no-recheck to a command."""
    for option in reversed(_JUDGING):
        command = option(command)
    return command


def limit_options(command: Command) -> Command:
    """Add --time-limit and --memory-limit of the decoder to a command."""
    for option in reversed(_LIMITS):
        command = option(command)
    return command
