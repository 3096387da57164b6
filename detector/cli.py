"""The command `unreel`: lists its commands at once and loads each when it is called.

Commands speak, the library raises: only this module and those of the single commands print.
Commands of `unreel.training` and `unreel.data` come from the entry points "unreel.commands".
"""

from __future__ import annotations

import io
import sys

import click

from unreel.detector.commands import Lazy, LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "scan": Lazy("unreel.detector.scan_cmd:scan", "Judge videos."),
        "audit": Lazy("unreel.detector.audit.commands:audit", "Judge an archive, ask its results."),
        "provenance": Lazy(
            "unreel.detector.provenance_cmd:provenance", "Show what files say of themselves."
        ),
        "custody": Lazy(
            "unreel.detector.custody.commands:custody", "Check and sign records of examinations."
        ),
        "report": Lazy("unreel.detector.report_cmd:report", "Judge one video for a reader: HTML."),
        "serve": Lazy("unreel.detector.serve.serve_cmd:serve", "A page to drop videos on."),
        "doctor": Lazy("unreel.detector.doctor:doctor", "Check this installation, end to end."),
        "models": Lazy("unreel.detector.models_cmd:models", "List, fetch and export models."),
    },
    from_entry_points={
        "train": "Train a model from a recipe.",
        "evaluate": "Measure a model on labelled clips.",
        "pairs": "Make clips for training and for tests out of camera footage.",
        "bias": "Audit a set of clips for shortcuts.",
        "train-faces": "Fit and measure the faces lane.",
        "train-paths": "Train the head that sees things morph, bend, grow.",
        "retrain": "Teach a model a new generator.",
        "data": "Pack training sets as shards.",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="unreel", prog_name="unreel")
def main() -> None:
    """How strongly does the evidence speak for a video being generated or manipulated?

    \b
    Examples:
      unreel scan clip.mp4              the verdict on one clip
      unreel scan --json archive/       a folder, one line of JSON for each file
      unreel doctor                     is everything in place?
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main(prog_name="unreel")
