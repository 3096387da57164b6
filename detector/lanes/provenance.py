"""Provenance lane: what does the file say of itself, and does what is signed verify?

Reads: C2PA manifests, tags, structure of the container; no frame is decoded, so it works where
    frames cannot be. It never adds to the score and never counts what is absent.
Why files say it: generators sign or label their output (and law asks it of some), cameras write
    makers' boxes and telemetry, editors and platforms leave their names.
Blind: everything here can be stripped by a re-upload, and all but a signature can be forged.
Source: C2PA specification 2.2; ISO/IEC 14496-12; RFC 9559; traces.toml for each single trait.
Command: unreel provenance
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from unreel.detector.errors import UsageError
from unreel.detector.extras import missing_modules
from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.c2pa_claims import FORMATS, NO_MANIFEST, claims_of
from unreel.detector.provenance.c2pa_process import c2pa_process
from unreel.detector.provenance.c2pa_worker import certificates
from unreel.detector.provenance.container import read_container
from unreel.detector.provenance.observations import observe
from unreel.detector.provenance.records import C2pa, ContainerFacts, Provenance
from unreel.detector.sniff import open_regular

NAME = "provenance"
MAX_LISTED_BOXES = 300
"""Of `unreel provenance`; a custody record lists all that were read."""


def look_at(
    path: str | os.PathLike[str],
    *,
    trust_lists: tuple[str, ...] = (),
    listed_boxes: int = MAX_LISTED_BOXES,
) -> Provenance:
    """What a file says of itself.

    Args:
        path: A video, or a JPEG, PNG, GIF or WebP picture.
        trust_lists: PEM files with the certificates of C2PA signers to trust.
        listed_boxes: As many parts of the container are listed; all that count are looked at.

    Returns:
        Always a record: what cannot be read is said in its notes.

    Raises:
        MediaError: The file cannot be opened at all.
    """
    descriptor = open_regular(path)
    try:
        return _look(descriptor, trust_lists, listed_boxes)
    finally:
        os.close(descriptor)


def _look(descriptor: int, trust_lists: tuple[str, ...], listed_boxes: int) -> Provenance:
    notes: tuple[str, ...] = ()
    facts: ContainerFacts | None = None
    try:
        facts = read_container(descriptor)
    except Exception as error:  # a defect must not take the scan, or the manifest, with it
        notes = (
            f"the container could not be read, a defect of unreel: {text_of(repr(error), 200)}",
        )
    if facts is None:
        said = "this is none of the containers that are known: there is nothing to look for in it"
        nothing = C2pa("unsupported-format", "C2PA is not looked for in files of unknown kind")
        return Provenance(nothing, notes=notes or (said,))
    c2pa = _manifest(descriptor, facts, trust_lists)
    listed = replace(facts, boxes=facts.boxes[:listed_boxes])
    return Provenance(c2pa, listed, observe(facts), notes=notes)


def _manifest(descriptor: int, facts: ContainerFacts, trust_lists: tuple[str, ...]) -> C2pa:
    """The C2PA claims; the library is called only for files that hold a manifest."""
    listed = bool(trust_lists)
    if facts.format not in FORMATS:
        words = f"C2PA has no place in {facts.format} files: nothing to look for"
        return C2pa("unsupported-format", words, trust_list=listed)
    if facts.c2pa_offset is None:
        if facts.remote_manifest:
            where = facts.remote_manifest
            words = f"the file names a C2PA manifest kept elsewhere, not fetched: {where}"
            return C2pa("not-checked", words, trust_list=listed)
        return C2pa("none", NO_MANIFEST, trust_list=listed)
    if missing_modules(NAME):
        words = (
            "there is a C2PA manifest, which cannot be checked without c2pa-python: "
            "pip install 'unreel[provenance]'"
        )
        return C2pa("not-checked", words, trust_list=listed)
    answer: dict[str, Any] = c2pa_process(trust_lists).ask(descriptor, FORMATS[facts.format])
    return claims_of(answer, trust_list=listed)


def checked_trust_lists(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same paths, absolute, once it is clear that each holds certificates.

    Raises:
        UsageError: One cannot be read or holds no PEM certificate.
    """
    for name in names:
        try:
            with open(name, "rb") as handle:
                text = handle.read(16 << 20)
        except OSError as error:
            raise UsageError(f"--trust-list {name} cannot be read: {error.strerror}") from error
        if not certificates(text):
            raise UsageError(
                f"--trust-list {name} holds no PEM certificates; what is wanted is a file like "
                "C2PA-TRUST-LIST.pem from github.com/c2pa-org/conformance-public"
            )
    return tuple(os.path.abspath(name) for name in names)
