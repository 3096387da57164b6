"""From what a user names (files, folders, patterns, a list) to the files that are scanned.

Nothing named is dropped without a word: what cannot be listed becomes an input with an error, and
files of a folder that were left out are counted. Files with another extension, or none, are looked
into: archives name their files by number, and phones by no rule at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unreel.detector.records import ScanError
from unreel.detector.sniff import holds_video

# fmt: off
VIDEO_EXTENSIONS = frozenset((
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".gif", ".hevc", ".m1v", ".m2ts",
    ".m2v", ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp2", ".mp4", ".mpe", ".mpeg",
    ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogg", ".ogm", ".ogv", ".qt", ".rm", ".rmvb",
    ".ts", ".vob", ".webm", ".wmv", ".y4m",
))
# fmt: on
"""What a walk through a folder takes unseen; other names are taken if they hold a video. A file
that is named itself is taken whatever it is."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file to scan."""

    path: str
    """As named, or as found; bytes that are not UTF-8 stand as surrogates (os.fsdecode)."""
    error: ScanError | None = None
    """Why it cannot even be tried: a folder that may not be listed, a pattern without a match."""


@dataclass(slots=True)
class Inputs:
    """All files of one call, each once, in the order named and then by name."""

    files: list[Input] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """Folder as named -> number of its files that are no videos by name or content."""
    _seen: set[str] = field(default_factory=set)

    def add(self, item: Input) -> None:
        """Take a file, unless the same path was taken before."""
        key = os.path.abspath(item.path)
        if key not in self._seen:
            self._seen.add(key)
            self.files.append(item)


def expand(names: Iterable[str]) -> Inputs:
    """Find the files to scan.

    Args:
        names: Files (taken always), folders (walked, links to folders not followed), patterns with
            `*`, `?`, `[...]` or `**` when no file has that very name.
    """
    inputs = Inputs()
    for name in names:
        if os.path.isdir(name):
            _add_folder(inputs, name)
        elif os.path.lexists(name) or not _is_pattern(name):
            inputs.add(Input(name))
        else:
            _add_matches(inputs, name)
    return inputs


def split_list(data: bytes) -> list[str]:
    """File names of a list, as `find -print0` or `ls` writes it.

    Args:
        data: Separated by NUL if there is one in it, else by newlines (then CRLF is taken as one,
            and names that hold a newline cannot be given).
    """
    if b"\0" in data:
        parts = data.split(b"\0")
    else:
        parts = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part]


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _add_matches(inputs: Inputs, pattern: str) -> None:
    """Take what a pattern matches; the walk of `**` does not follow links to folders."""
    path = Path(pattern)
    root = Path(path.anchor) if path.is_absolute() else Path()
    try:
        matches = sorted(root.glob(str(path.relative_to(root))), key=os.fsencode)
    except (ValueError, NotImplementedError) as error:
        inputs.add(Input(pattern, ScanError("not-found", f"not a usable pattern: {error}")))
        return
    found = False
    for match in map(str, matches):
        is_folder = os.path.isdir(match)
        if is_folder and "**" in pattern:
            continue  # what is in it matches by itself, or was not meant
        found = True
        if is_folder:
            _add_folder(inputs, match)
        else:
            inputs.add(Input(match))
    if not found:
        message = "nothing matches this pattern, and no file has this name"
        inputs.add(Input(pattern, ScanError("not-found", message)))


def _add_folder(inputs: Inputs, folder: str) -> None:
    left_out = 0
    for item in _walk(folder):
        if item.error is None and not _looks_like_video(item.path):
            left_out += 1
        else:
            inputs.add(item)
    if left_out:
        inputs.left_out[folder] = left_out


def _looks_like_video(path: str) -> bool:
    name = os.path.basename(path)
    # "._clip.mp4" is what macOS leaves beside clip.mp4 on foreign disks: attributes, no video.
    if name.startswith("._"):
        return False
    return os.path.splitext(name)[1].lower() in VIDEO_EXTENSIONS or holds_video(path)


def _walk(folder: str) -> Iterator[Input]:
    """Everything below a folder that is not a folder, by name; links to folders not followed."""
    pending = [folder]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda e: os.fsencode(e.name))
        except OSError as error:
            message = f"the folder cannot be listed: {error.strerror}"
            code = "permission-denied" if isinstance(error, PermissionError) else "unreadable"
            yield Input(here, ScanError(code, message))
            continue
        folders = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif not os.path.isdir(entry.path):  # entry.is_dir() raises on a circle of links
                yield Input(entry.path)
        pending += reversed(folders)
