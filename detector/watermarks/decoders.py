"""The interface of a watermark decoder, and how those that are installed are run in a scan.

A decoder is a class without arguments, named in the entry points `unreel.watermarks` of any
installed distribution. It is handed the frames that a scan decodes anyway, and reports beside the
verdict, never in it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol

from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.records import Watermark
from unreel.detector.records import Sample

GROUP = "unreel.watermarks"


class WatermarkDecoder(Protocol):
    """What a plug-in is: made anew for each file."""

    def add(self, sample: Sample) -> None:
        """Take in the frames of one window, (T, H, W, 3) RGB; keep little of them."""

    def finish(self) -> Watermark:
        """Say what was found; `status` is skipped when there was nothing to look at."""


class Watermarks:
    """All installed decoders, on one file; a decoder that breaks is reported, not raised.

    Args:
        factories: Name -> class; None = those of the entry points.
    """

    def __init__(self, factories: dict[str, Callable[[], WatermarkDecoder]] | None = None) -> None:
        self._running: dict[str, WatermarkDecoder] = {}
        self._broken: dict[str, str] = {}
        for name, factory in (installed() if factories is None else factories).items():
            try:
                self._running[name] = factory()
            except Exception as error:
                self._break(name, error)

    def add(self, sample: Sample) -> None:
        """Hand the frames of one window to every decoder."""
        for name, decoder in [*self._running.items()]:
            try:
                decoder.add(sample)
            except Exception as error:
                self._break(name, error)

    def finish(self) -> tuple[Watermark, ...]:
        """What each says, by name."""
        found: dict[str, Watermark] = {}
        for name, decoder in [*self._running.items()]:
            try:
                found[name] = decoder.finish()
            except Exception as error:
                self._break(name, error)
        for name, reason in self._broken.items():
            found[name] = Watermark(name, "failed", reason)
        return tuple(found[name] for name in sorted(found))

    def _break(self, name: str, error: Exception) -> None:
        self._running.pop(name, None)
        self._broken[name] = text_of(f"it broke: {error!r}", 200)


def installed() -> dict[str, Callable[[], WatermarkDecoder]]:
    """Name -> decoder class of the entry points; what cannot be loaded raises when it is run."""
    return {point.name: _late(point.load) for point in entry_points(group=GROUP)}


def _late(load: Callable[[], Callable[[], WatermarkDecoder]]) -> Callable[[], WatermarkDecoder]:
    return lambda: load()()
