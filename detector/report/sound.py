"""Joins a clip's own sound to a silent overlay, in a process that may be killed.

The clip comes from strangers and so does its sound: it is read, and where need be decoded, in
sound_worker.py under limits on memory and time, never here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from unreel.detector.config import Limits
from unreel.detector.records import Media
from unreel.detector.sniff import open_regular

_SECONDS_PER_SECOND = 2.0
"""Time that a second of sound may take; copying takes a thousandth, AAC encoding a fiftieth."""


def join_sound(path: str, media: Media, silent: Path, target: Path, limits: Limits) -> str:
    """Write the pictures of one file with the sound of another.

    Args:
        path: The clip that the sound is taken from.
        media: Of the clip.
        silent: MP4 whose pictures are copied; made by this program.
        target: MP4 to be written.
        limits: Memory of the process, and the time it may take beside the sound's own length.

    Returns:
        Why there is no sound, or an empty text: then `target` is complete.
    """
    descriptor = open_regular(path)
    try:
        command = [
            sys.executable,
            "-P",
            "-m",
            "unreel.detector.report.sound_worker",
            str(descriptor),
            media.container,
            repr(media.start_seconds),
            str(limits.memory_bytes),
            os.path.abspath(path),
            os.fspath(silent),
            os.fspath(target),
        ]
        seconds = limits.wall_seconds_per_request + _SECONDS_PER_SECOND * media.duration_seconds
        done = subprocess.run(
            command,
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env=_environment(),
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return "reading it took longer than the limit allows"
    finally:
        os.close(descriptor)
    if done.returncode == 0:
        return ""
    said = done.stdout[-300:].decode("utf-8", "replace").strip()
    return said or f"the process that reads it died ({done.returncode})"


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    kept["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return kept
