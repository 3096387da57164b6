"""What the readers of all containers fill while they walk: bounded, and never raising."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.boxes import BoxWalker, Part
from unreel.detector.provenance.records import Box, ContainerFacts, Tag, Track
from unreel.detector.provenance.xmp import read_xmp

MAX_TAGS = 200
MAX_ORDER = 24
MAX_NOTES = 12


class Findings:
    """Collects tags, boxes and notes of one file.

    Args:
        walker: Knows which walks ended early.
    """

    def __init__(self, walker: BoxWalker) -> None:
        self._walker = walker
        self.brands: tuple[str, ...] = ()
        self.created: str | None = None
        self.modified: str | None = None
        self.tags: list[Tag] = []
        self.boxes: list[Box] = []
        self.order: list[str] = []
        self.vendor_boxes: list[str] = []
        self.notes: list[str] = []
        self.c2pa_offset: int | None = None
        self.remote_manifest: str | None = None

    def at_top(self, part: Part, *, known: bool = True) -> None:
        """Take down an outermost part."""
        if not self.order or self.order[-1] != part.kind:
            self.order.append(part.kind)
        self.at(part, known=known)

    def at(self, part: Part, *, known: bool = True) -> None:
        """Take down a part."""
        self.boxes.append(part.record())
        if not known:
            self.vendor_boxes.append(part.path)
        if part.claimed is not None:
            self.notes.append(
                f"{part.path} says it has {part.claimed} bytes, the file has room for "
                f"{part.end - part.start}: cut off, or its size is wrong"
            )

    def tag(self, where: str, name: str, value: bytes | str, encoding: str = "utf-8") -> None:
        """Take down a string, unless it is empty or said already."""
        text = text_of(value, encoding=encoding)
        tag = Tag(where[:200], text_of(name, 100), text)
        if text and len(self.tags) < MAX_TAGS and tag not in self.tags:
            self.tags.append(tag)

    def xmp(self, where: str, packet: bytes) -> None:
        """Take down what an XMP packet says."""
        found = read_xmp(packet)
        for name, value in found.properties:
            self.tag(f"{where}/XMP", name, value)
        self.remote_manifest = self.remote_manifest or found.remote_manifest
        if found.problem:
            self.notes.append(f"{where}: {found.problem}")

    @contextmanager
    def tolerant(self, part: Part) -> Iterator[None]:
        """A part that makes no sense is a note, and the walk goes on."""
        try:
            yield
        except (ValueError, IndexError, OverflowError) as error:
            self.notes.append(f"{part.path} cannot be read: {text_of(str(error), 100)}")

    def facts(self, format: str, tracks: tuple[Track, ...] = ()) -> ContainerFacts:
        """What was taken down, as a record."""
        notes = [*self.notes]
        notes += [f"{path}: its size makes no sense; what follows is not in this"
                  for path in self._walker.broken]  # fmt: skip
        if len(notes) > MAX_NOTES:
            notes[MAX_NOTES:] = [f"{len(notes) - MAX_NOTES} more of this kind"]
        if len(self.tags) >= MAX_TAGS:
            notes.append(f"more tags than are shown: the first {MAX_TAGS} are")
        return ContainerFacts(
            format=format,
            brands=tuple(self.brands[:32]),
            order=tuple(text_of(kind, 40) for kind in self.order[:MAX_ORDER]),
            created=self.created,
            modified=self.modified,
            tracks=tracks,
            tags=tuple(self.tags),
            boxes=tuple(self.boxes),
            vendor_boxes=tuple(text_of(path, 200) for path in self.vendor_boxes[:40]),
            c2pa_offset=self.c2pa_offset,
            remote_manifest=self.remote_manifest,
            notes=tuple(notes),
        )
