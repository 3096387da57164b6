"""`unreel serve`: the options of the server, and what it says on starting."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unreel.detector.config import ScanConfig
from unreel.detector.errors import UsageError
from unreel.detector.judging_options import model_option
from unreel.detector.serve.settings import ServeSettings

_SIZE = click.IntRange(min=1)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Where to listen; others than this machine's own need a token.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, metavar="N",
              help="0 = any that is free.")  # fmt: skip
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Holds clips and results.  [default: ~/.local/share/unreel]",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Its first line is the token.  [default: UNREEL_TOKEN of the environment]",
)
@click.option("--name", "names", multiple=True, metavar="HOST",
              help="A host name under which requests are answered. Several.")  # fmt: skip
@model_option
@click.option("--workers", type=_SIZE, default=1, show_default=True, metavar="N",
              help="Clips that are judged at the same time.")  # fmt: skip
@click.option("--max-size", type=_SIZE, default=2048, show_default=True, metavar="MIB",
              help="Largest file that is taken.")  # fmt: skip
@click.option("--max-total", type=_SIZE, default=20480, show_default=True, metavar="MIB",
              help="Room for all videos together.")  # fmt: skip
@click.option("--min-free", type=click.IntRange(min=0), default=1024, show_default=True,
              metavar="MIB", help="What uploads leave free on the disk.")  # fmt: skip
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    metavar="DAYS",
    help="Delete videos without a label after so long; 0 = never. Results stay.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
def serve(**options: Any) -> None:
    """A page to drop videos on, for those who do not use a terminal; nothing leaves the machine.

    Clips, results and labels are kept in one folder, so that a restart goes on where it was.
    http://127.0.0.1:8765/docs describes the REST API.

    \b
    Examples:
      unreel serve --open
      openssl rand -hex 16 > token; unreel serve --host 0.0.0.0 --token-file token

    \b
    Exit codes:
      0    stopped with Ctrl-C
      2    the call itself is off, or the folder or the port is in use
    """
    from unreel.detector.serve.http_server import Server
    from unreel.detector.serve.service import Service

    open_page = options.pop("open_page")
    settings = _settings(**options)
    with _listening(settings) as listener, Service(settings) as service:
        port = listener.getsockname()[1]
        _say(settings, port)
        if open_page:
            click.launch(f"http://{_address(settings.host)}:{port}/")
        # uvicorn gives signals back when it has ended: then the clips in hand go on the list again.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            Server(service).run(sockets=[listener])


def _settings(
    folder: Path | None,
    token_file: Path | None,
    max_size: int,
    max_total: int,
    min_free: int,
    **options: Any,
) -> ServeSettings:
    given = dict(options, names=tuple(options["names"]))
    if folder is not None:
        given["folder"] = folder
    workers = given["workers"]
    cores = os.cpu_count() or 1
    config = ScanConfig(threads=max(1, cores // workers))
    limits = replace(config.limits, threads=config.threads)
    return ServeSettings(
        token=_token(token_file),
        max_file_bytes=max_size << 20,
        max_total_bytes=max_total << 20,
        min_free_bytes=min_free << 20,
        config=replace(config, limits=limits),
        **given,
    )


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("UNREEL_TOKEN") or None
    try:
        return file.read_text(encoding="utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise UsageError(f"--token-file {file} cannot be read: {error}") from error


def _listening(settings: ServeSettings) -> socket.socket:
    """Bound before anything else begins, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
            "another port: --port 0"
        ) from error
    return listener


def _address(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _say(settings: ServeSettings, port: int) -> None:
    click.echo(f"http://{_address(settings.host)}:{port}/")
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo(f"clips and results: {settings.folder}; Ctrl-C stops", err=True)
