"""From what a user names (folders, files, lists) to files with their size and time of change.

Files whose name tells nothing are looked into, and nothing else is opened: a FIFO cannot hang it, a
device is not touched. Links are left alone unless
they are asked for, and then no folder is entered twice, whatever circle they make. What is left out
is counted with its reason, what cannot be listed becomes a row with an error.
"""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from unreel.detector.audit.planning import look_at
from unreel.detector.audit.rows import Found
from unreel.detector.errors import UsageError
from unreel.detector.inputs import VIDEO_EXTENSIONS
from unreel.detector.sniff import holds_video

NO_VIDEO = "no video by its name"
"""Of a file on a disk: nor by its content."""

LeftOut = Callable[[str, str], None]
"""Told of the folder and the reason for each file that is left out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of a folder are taken. A file that is named itself is always taken."""

    include: tuple[str, ...] = ()
    """Patterns; none = files with a video extension, and others that hold a video. A pattern with a
    slash is matched against the path below the folder that was named, one without against the name
    alone."""
    exclude: tuple[str, ...] = ()
    """The same; a folder that matches is not entered."""
    follow_links: bool = False
    since_ns: int | None = None
    """Only files changed at this time or later, in nanoseconds since 1970."""
    shard: tuple[int, int] | None = None
    """(i, n), 1 <= i <= n: one of n parts that are the same wherever the folder is mounted."""
    never: frozenset[str] = field(default_factory=frozenset)
    """Absolute names that are no input: the store itself."""

    def reason_against(self, relative: str) -> str | None:
        """Why a file is not taken by its name; None = it is taken."""
        name = os.path.basename(relative)
        if _matches(relative, self.exclude):
            return "excluded"
        if self.include:
            return None if _matches(relative, self.include) else "not included"
        # "._clip.mp4" is what macOS leaves beside clip.mp4 on foreign disks: attributes, no video.
        if os.path.splitext(name)[1].lower() in VIDEO_EXTENSIONS and not name.startswith("._"):
            return None
        return NO_VIDEO

    def is_elsewhere(self, relative: str) -> bool:
        """Whether another shard has this file."""
        if self.shard is None:
            return False
        index, count = self.shard
        number = int.from_bytes(hashlib.sha256(os.fsencode(relative)).digest()[:8], "big")
        return number % count != index - 1


def find(names: Iterable[str], choice: Choice, left_out: LeftOut) -> Iterator[Found]:
    """All files of what was named, by name, each with its size and time of change.

    Args:
        names: Files and folders; addresses like s3://bucket/folder.
        choice: Which files of the folders.
        left_out: Told of the others.
    """
    from unreel.detector.audit.objects import find_objects, is_address

    for name in names:
        if is_address(name):
            yield from find_objects(name, choice, left_out)
            continue
        whole = os.path.abspath(name)
        if os.path.isdir(whole):
            yield from _walk(whole, choice, left_out)
        elif choice.is_elsewhere(os.path.basename(whole)):
            left_out(os.path.dirname(whole), "another shard")
        else:
            yield look_at(name)


def read_manifest_paths(path: Path) -> list[str]:
    """The column `path` of a CSV file; relative names start from its folder.

    Raises:
        UsageError: It cannot be read, or has no such column.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as handle:
            rows = csv.DictReader(handle)
            if "path" not in (rows.fieldnames or ()):
                raise UsageError(f"manifest {path} has no column path; it has {rows.fieldnames}")
            return [str(path.parent / row["path"]) for row in rows if row["path"]]
    except OSError as error:
        raise UsageError(f"cannot read manifest {path}: {error.strerror}") from error
    except csv.Error as error:
        raise UsageError(f"manifest {path} is no CSV: {error}") from error


def _matches(relative: str, patterns: tuple[str, ...]) -> bool:
    name = os.path.basename(relative)
    return any(fnmatchcase(relative if "/" in p else name, p) for p in patterns)


def _walk(root: str, choice: Choice, left_out: LeftOut) -> Iterator[Found]:
    """Everything below a folder, depth first, in the order of names."""
    pending = [root]
    entered: set[tuple[int, int]] = set()
    while pending:
        here = pending.pop()
        try:
            facts = os.stat(here)
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            code = "permission-denied" if isinstance(error, PermissionError) else "unreadable"
            message = f"the folder cannot be listed: {error.strerror}"
            yield Found(here, error=(code, message))
            continue
        folders = []
        for entry in entries:
            relative = os.path.relpath(entry.path, root)
            if _is_folder(entry, choice.follow_links):
                if not _matches(relative, choice.exclude):
                    folders.append(entry.path)
            elif (found := _take(entry, relative, here, choice, left_out)) is not None:
                yield found
        pending += reversed(folders)


def _is_folder(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a circle of links
        return False


def _take(
    entry: os.DirEntry[str], relative: str, here: str, choice: Choice, left_out: LeftOut
) -> Found | None:
    """A file with its facts, or None when it is not one of those that are taken."""
    reason = choice.reason_against(relative)
    if entry.path in choice.never:
        return None
    linked = entry.is_symlink() and not choice.follow_links
    if reason == NO_VIDEO and not linked and not entry.name.startswith("._"):
        reason = None if holds_video(entry.path) else NO_VIDEO
    if reason is None and linked:
        reason = "symbolic link"
    if reason is None and choice.is_elsewhere(relative):
        reason = "another shard"
    if reason is not None:
        left_out(here, reason)
        return None
    try:
        facts = entry.stat(follow_symlinks=choice.follow_links)
    except OSError:
        return Found(entry.path)  # the scan says why
    if not stat.S_ISREG(facts.st_mode):
        message = f"{entry.path} is no regular file: a FIFO, socket or device is never opened"
        return Found(entry.path, error=("not-a-file", message))
    if choice.since_ns is not None and facts.st_mtime_ns < choice.since_ns:
        left_out(here, "older than --since")
        return None
    return Found(entry.path, facts.st_size, facts.st_mtime_ns)
