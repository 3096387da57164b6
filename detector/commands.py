"""Command groups that list their commands at once and load each when it is called.

`unreel --help` waits for no decoder and no torch: a group knows its commands as module:attribute
and a line of help. Commands of other distributions come from the entry points "unreel.commands".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import click

from unreel.detector.errors import MediaError, UnreelError
from unreel.detector.extras import explain_import_error

EXIT_USAGE = 2
EXIT_UNREADABLE = 3
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
EXIT_BROKEN_PIPE = 141
"""128 + SIGPIPE."""


class Refusal(click.ClickException):
    """An error in the call itself, said on stderr in one line."""

    exit_code = EXIT_USAGE


class Unreadable(click.ClickException):
    """An input file that a command cannot go on without."""

    exit_code = EXIT_UNREADABLE


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is not loaded yet."""

    target: str
    """module:attribute"""
    help: str
    """The line that stands beside it in the group's help."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called.

    Args:
        lazy: Name -> where the command lives, in the order of the listing.
        from_entry_points: Help lines of the commands known to come from entry points; None = this
            group has no such commands. Others found there are listed with their distribution.
    """

    def __init__(
        self,
        *args: Any,
        lazy: dict[str, Lazy],
        from_entry_points: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy)
        self._known_help = from_entry_points
        self._complete = from_entry_points is None

    def table(self) -> dict[str, Lazy]:
        """Name -> command, entry points included; reads metadata, imports nothing."""
        if not self._complete:
            self._complete = True
            for point in sorted(entry_points(group="unreel.commands"), key=lambda p: p.name):
                origin = point.dist.name if point.dist else "unknown distribution"
                line = (self._known_help or {}).get(point.name, f"(from {origin})")
                self._lazy.setdefault(point.name, Lazy(point.value, line))
        return self._lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *self.table()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        if cmd_name not in self.table():
            return None
        module, _, attribute = self.table()[cmd_name].target.partition(":")
        with _errors_for_people(f"{ctx.command_path} {cmd_name}"):
            command: click.Command = getattr(import_module(module), attribute)
            return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, c.get_short_help_str(80)) for name, c in self.commands.items()]
        rows += [(name, lazy.help) for name, lazy in self.table().items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_for_people(ctx.command_path, ctx):
            return super().invoke(ctx)


@contextmanager
def _errors_for_people(command: str, ctx: click.Context | None = None) -> Iterator[None]:
    """Turn this library's errors and missing extras into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    except MediaError as error:
        raise Unreadable(f"{error.code}: {error.message}") from error
    except UnreelError as error:
        raise Refusal(str(error)) from error
    except ModuleNotFoundError as error:
        # click knows the subcommand only while it runs, so the name is read afterwards.
        subcommand = ctx.invoked_subcommand if ctx else None
        command = f"{command} {subcommand or ''}".rstrip()
        missing = explain_import_error(command, error)
        if missing is not None:
            raise Refusal(str(missing)) from error
        if (error.name or "").startswith("unreel."):
            raise Refusal(f"{command} is not in this installation: no {error.name}") from error
        raise
