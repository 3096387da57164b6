"""What to do about a shortcut: which condition takes it away, and what no encoder can.

What a condition does is read off its definition (data/canonical.py), so that the advice holds for
conditions that are added later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from unreel.data.canonical import CONDITIONS, Condition
from unreel.data.clip_facts import SHORTCUTS
from unreel.training.shortcuts import Separation

Effect = Literal["same", "capped", "left"]
"""same for all clips; capped = larger ones become alike, smaller ones stay; left = as it was."""

_LEFT_TO_DO = {
    "frame rate": "slower clips keep their rate, for repeated frames would be worse. Gather camera "
    "clips of the rates that the generators have, or thin camera clips to them; the detector "
    "itself samples by time stamp and never sees the rate",
    "length": "cut both classes to the same lengths, or draw lengths for camera clips from those "
    "of the generated ones",
    "frame size": "smaller clips keep their size and all keep their shape. Shrink and crop camera "
    "clips to the sizes that the generators have before anything else",
    "codec": "encode both classes with one codec",
    "bitrate": "with one quality for all, bits follow what is shown: match scenes and noise of "
    "the classes, best by pairs made from the same camera clip",
    "key frames": "one encoder with one interval of key frames for both classes; what is left "
    "comes from the length and the cuts of the clips",
    "container": "one container for both classes",
    "sound": "drop the sound of both classes",
    "encoder tag": "write both classes with one encoder",
    "brightness": "no encoder changes what is lit. Add clips of the class that lacks dark or "
    "bright scenes, or pairs made from the same camera clip",
    "motion": "no encoder changes what moves. Match the motion of the classes (still cameras, "
    "walks, sports on both sides), or pairs made from the same camera clip",
}


def effect(wanted: Condition, shortcut: str) -> Effect:
    """What a condition does to a shortcut."""
    if not wanted.passes:
        return "left"
    if shortcut in ("codec", "container", "sound", "encoder tag"):
        return "same"
    capped = {
        "frame rate": any(p.max_fps for p in wanted.passes),
        "frame size": any(p.short_side or p.long_side for p in wanted.passes),
        "length": True,
        "key frames": True,
        "bitrate": True,
    }
    return "capped" if capped.get(shortcut, False) else "left"


def advice(shown: Mapping[str, Sequence[Separation]], deciding: str, threshold: float) -> list[str]:
    """Sentences, one for each shortcut that stands out in the deciding condition.

    Args:
        shown: Condition -> its rows, as audited.
        deciding: The condition that is judged.
        threshold: AUC above which a shortcut stands out.
    """
    said = []
    for row in shown[deciding]:
        if row.shortcut not in SHORTCUTS or not row.exceeds(threshold):
            continue
        others = [c for c in CONDITIONS.values() if effect(c, row.shortcut) != "left"]
        done = effect(CONDITIONS[deciding], row.shortcut)
        line = f"{row.shortcut}: "
        if done == "left" and others:
            verb = "makes it the same" if effect(others[0], row.shortcut) == "same" else "caps it"
            line += (
                f"train and judge under `{others[0].name}`, which {verb} for both classes; "
                f"`--condition {others[0].name}` shows what is left. "
            )
        elif done == "capped":
            line += f"{deciding} caps it and does not remove it. "
        said.append(f"{line}Then: {_LEFT_TO_DO[row.shortcut]}.")
    return said
