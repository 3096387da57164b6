"""`unreel provenance`: what files say of themselves; no frame is decoded, no score is given."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from unreel.detector.commands import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_UNREADABLE
from unreel.detector.errors import MediaError, UsageError
from unreel.detector.judging_options import trust_list_option

if TYPE_CHECKING:
    from unreel.detector.provenance.records import Provenance
    from unreel.detector.records import ScanError

MAX_TAG_CHARACTERS = 300


@click.command()
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each file.")
@trust_list_option
@click.option("--boxes", is_flag=True, help="List the parts of the container too (always in JSON).")
def provenance(
    names: tuple[str, ...], as_json: bool, trust_lists: tuple[str, ...], boxes: bool
) -> None:
    """Show what files say of themselves: C2PA manifests, tags, structure, traces of tools.

    FILE is a video or a JPEG, PNG, GIF or WebP picture, a folder, or a quoted pattern. Claims are
    shown as claims: anyone can write a tag, and platforms strip signatures, so that neither what is
    there nor what is missing says whether a video is real.

    \b
    Examples:
      unreel provenance clip.mp4
      unreel provenance --trust-list C2PA-TRUST-LIST.pem signed.mp4
      unreel provenance --json archive/ > provenance.jsonl

    \b
    Exit codes:
      0  every file was looked at, whatever it says
      2  the call itself is off
      3  a file could not be opened; its row says why
    """
    sys.exit(_run(names, as_json, trust_lists, boxes))


def _run(names: tuple[str, ...], as_json: bool, trust_lists: tuple[str, ...], boxes: bool) -> int:
    from unreel.detector.lanes.provenance import checked_trust_lists
    from unreel.detector.text import printable

    lists = checked_trust_lists(trust_lists)
    unread = False
    try:
        for path, found, error in _looked_at(names, lists):
            unread = unread or error is not None
            if as_json:
                click.echo(json.dumps(_row(path, found, error), ensure_ascii=True))
                continue
            click.echo(printable(path))
            for line in _page(found, error, boxes):
                click.echo(line)
            click.echo()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    return EXIT_UNREADABLE if unread else 0


def _looked_at(
    names: tuple[str, ...], trust_lists: tuple[str, ...]
) -> Iterator[tuple[str, Provenance | None, ScanError | None]]:
    from unreel.detector.inputs import expand
    from unreel.detector.lanes.provenance import look_at
    from unreel.detector.records import ScanError

    inputs = expand(names)
    if not inputs.files:
        raise UsageError("nothing to look at: what was named holds no file with a video extension")
    for item in inputs.files:
        if item.error is not None:
            yield item.path, None, item.error
            continue
        try:
            yield item.path, look_at(item.path, trust_lists=trust_lists), None
        except MediaError as error:
            yield item.path, None, ScanError(error.code, error.message)


def _row(path: str, found: Provenance | None, error: ScanError | None) -> dict[str, Any]:
    from unreel.detector.jsonout import SCHEMA_VERSION, file_name, json_safe
    from unreel.detector.provenance.asjson import as_json_types

    row: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "file": file_name(path)}
    if error is not None:
        return row | {
            "status": "error",
            "error": {"code": error.code, "message": json_safe(error.message)},
        }
    return row | {"status": "ok", "provenance": as_json_types(found) if found else None}


def _page(found: Provenance | None, error: ScanError | None, boxes: bool) -> Iterator[str]:
    from unreel.detector.provenance.words import (
        claim_sentences,
        container_sentences,
        manifest_tree,
        observation_line,
        track_line,
    )
    from unreel.detector.text import printable, row

    if error is not None:
        yield from row("Not looked", printable(f"{error.code}: {error.message}"))
    if found is None:
        return
    yield from row("C2PA", printable(found.c2pa.words))
    if found.c2pa.manifest is not None:
        for sentence in claim_sentences(found.c2pa.manifest):
            yield from row("  claims", printable(sentence))
        for line in manifest_tree(found.c2pa.manifest):
            yield from row("  tree", printable(line), indent=len(line) - len(line.lstrip()))
    for failure in found.c2pa.failures:
        yield from row("  failed", printable(failure))
    for seen in found.observations:
        yield from row("Seen", printable(observation_line(seen)))
    facts = found.container
    if facts is not None:
        for sentence in container_sentences(facts):
            yield from row("Container", printable(sentence))
        for track in facts.tracks:
            yield from row("Track", printable(track_line(track)))
        for tag in facts.tags:
            value = tag.value
            if len(value) > MAX_TAG_CHARACTERS:
                value = f"{value[:MAX_TAG_CHARACTERS]}... (more with --json)"
            yield from row("Tag", printable(f"{tag.name}: {value}  ({tag.where})"))
        for note in facts.notes:
            yield from row("Note", printable(note))
        for box in facts.boxes if boxes else ():
            yield from row("Box", printable(f"{box.offset:>12} {box.size:>12}  {box.path}"))
    for note in found.notes:
        yield from row("Note", printable(note))
