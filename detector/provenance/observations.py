"""From container facts to observations: what is unusual or telling, and what it is common to.

Never evidence by itself. Each observation carries how many reference camera clips show it too.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from unreel.detector.provenance.generator_tags import generator_tags
from unreel.detector.provenance.records import ContainerFacts, Observation, Tag, Track

_HERE = Path(__file__).parent
_RENDER_RATES = (8.0, 16.0, 24.0)
_LOW_RATES = (6.0, 7.0, 8.0, 10.0, 12.0, 16.0)
_MAX_OBSERVATIONS = 40
_VAE_SOURCE = "https://arxiv.org/abs/2503.20314"


@cache
def table() -> dict[str, list[dict[str, Any]]]:
    """traces.toml."""
    return tomllib.loads((_HERE / "traces.toml").read_text(encoding="utf-8"))


@cache
def _rates() -> dict[str, Any]:
    rates: dict[str, Any] = json.loads((_HERE / "rates.json").read_text(encoding="utf-8"))
    return rates


def observe(facts: ContainerFacts) -> tuple[Observation, ...]:
    """All observations on a file, those on generators first."""
    found = generator_tags(facts.tags)
    video = next((track for track in facts.tracks if track.kind == "video"), None)
    if video is not None:
        found += _sizes(video) + _rhythm(video) + _groups(video)
        found += _sound(facts)
    found += _strings(facts) + _boxes(facts) + _dates(facts) + _edits(facts) + _rewritten(facts)
    order = ("generator", "camera", "editing", "platform", "oddity")
    found.sort(key=lambda seen: order.index(seen.kind))
    return tuple(_with_rate(seen) for seen in found[:_MAX_OBSERVATIONS])


def _with_rate(seen: Observation) -> Observation:
    counts = _rates()
    return replace(
        seen,
        camera_clips=counts["camera"].get(seen.code, 0),
        camera_clips_of=counts["camera_clips"],
    )


def _sizes(video: Track) -> list[Observation]:
    """Sizes, rates and lengths that generators render; the most particular row alone."""
    best: tuple[int, dict[str, Any]] | None = None
    frames = video.groups.frames if video.groups and video.groups.complete else None
    for row in table()["size"]:
        if {video.width, video.height} != {row["width"], row["height"]}:
            continue
        if "fps" in row and (video.fps is None or abs(video.fps - row["fps"]) > 0.01):
            continue
        if "frames" in row and frames != row["frames"]:
            continue
        weight = len(row)
        if best is None or weight > best[0]:
            best = weight, row
    if best is None:
        return []
    row = best[1]
    code = f"size-{row['width']}x{row['height']}"
    says = f"{video.width}x{video.height}"
    if "fps" in row:
        code += f"-{row['fps']}fps"
        says += f" at {row['fps']} frames a second"
    if "frames" in row:
        code += f"-{row['frames']}frames"
        says += f", {row['frames']} frames"
    return [Observation(code, says, row["common_to"], row["source"], "generator")]


def _rhythm(video: Track) -> list[Observation]:
    """Frame rates no camera has, and lengths that causal video autoencoders give."""
    found: list[Observation] = []
    fps = video.fps
    if fps is None:
        return found
    frames = video.groups.frames if video.groups and video.groups.complete else 0
    rate = next((r for r in _RENDER_RATES if abs(fps - r) < 0.01), None)
    if rate and video.constant_rate is not False and frames > 16 and frames % 16 == 1:
        found.append(
            Observation(
                "frames-16k+1",
                f"{frames} frames (16 x {frames // 16} + 1) at a constant {rate:g} frames a second",
                "video autoencoders that code the first frame alone and the others in groups of 4 "
                "or 8 (Wan, CogVideoX, HunyuanVideo, LTX, Cosmos); one video in 16 has such a "
                "length by chance",
                _VAE_SOURCE,
                "generator",
            )
        )
    if any(abs(fps - low) < 0.01 for low in _LOW_RATES) and video.codec != "gif":
        found.append(
            Observation(
                "low-rate",
                f"{fps:g} frames a second",
                "generators (6 to 16), and camera footage that was thinned out for data sets, "
                "surveillance or demonstrations; cameras record 24 or more",
                "https://github.com/guoyww/AnimateDiff",
                "oddity",
            )
        )
    return found


def _groups(video: Track) -> list[Observation]:
    groups = video.groups
    if groups is None or groups.frames < 40 or groups.key_frames != 1 or not groups.complete:
        return []
    return [
        Observation(
            "one-key-frame",
            f"one key frame for all {groups.frames} frames",
            "x264 and x265 at their defaults on clips under 250 frames; cameras set one each "
            "second or so",
            "https://trac.ffmpeg.org/wiki/Encode/H.264",
            "editing",
        )
    ]


def _sound(facts: ContainerFacts) -> list[Observation]:
    listed = facts.format in ("mp4", "quicktime", "matroska", "webm", "avi")
    if not listed or any(track.kind == "sound" for track in facts.tracks):
        return []
    return [
        Observation(
            "no-sound",
            "no sound",
            "generated video of most models, and to data sets, surveillance, time-lapse, cut-outs",
            "https://ai.google.dev/gemini-api/docs/video",
            "oddity",
        )
    ]


def _strings(facts: ContainerFacts) -> list[Observation]:
    found: list[Observation] = []
    for row in table()["tag"]:
        match = _first_match(row, facts)
        if match is not None:
            says = f"{row['says']} ({match.name}: {match.value[:80]}, in {match.where})"
            found.append(
                Observation(row["code"], says, row["common_to"], row["source"], row["kind"])
            )
    return found


def _first_match(row: dict[str, Any], facts: ContainerFacts) -> Tag | None:
    pattern = _compiled(row["pattern"])
    if row["in"] == "handler":
        for track in facts.tracks:
            if pattern.search(track.handler):
                return Tag(f"{track.kind} track", "handler", track.handler)
        return None
    names = _compiled(row["names"]) if "names" in row else None
    for tag in facts.tags:
        if (row["in"] == "encoder") != (tag.where == "stream") and row["in"] == "encoder":
            continue
        if names is not None and not names.search(tag.name):
            continue
        if pattern.search(tag.name if row["in"] == "name" else tag.value):
            return tag
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _boxes(facts: ContainerFacts) -> list[Observation]:
    found: list[Observation] = []
    codecs = [track.codec for track in facts.tracks]
    names = [path.rpartition("/")[2] for path in facts.vendor_boxes]
    for row in table()["box"]:
        pattern = _compiled(row["pattern"])
        seen = next(
            (n for n in (codecs if row["of"] == "codec" else names) if pattern.search(n)), None
        )
        if seen is not None:
            kind: Any = "editing" if row["code"].startswith(("premiere", "windows")) else "camera"
            found.append(
                Observation(
                    row["code"], f"{row['says']} ({seen})", row["common_to"], row["source"], kind
                )
            )
    if facts.order[:4] == ("ftyp", "wide", "mdat", "moov"):
        found.append(
            Observation(
                "apple-box-order",
                "boxes in the order ftyp, wide, mdat, moov",
                "QuickTime files as Apple's cameras and programs write them while they record",
                "https://developer.apple.com/documentation/quicktime-file-format",
                "camera",
            )
        )
    return found


def _dates(facts: ContainerFacts) -> list[Observation]:
    if facts.created is None or facts.format not in ("mp4", "quicktime"):
        return []
    return [
        Observation(
            "creation-date",
            f"says that it was created at {facts.created}",
            "cameras and editors; FFmpeg leaves it out unless it copies it; any clock can be wrong",
            "ISO/IEC 14496-12, section 8.2.2",
            "oddity",
        )
    ]


def _edits(facts: ContainerFacts) -> list[Observation]:
    """An edit list that does more than make up for the delay of reordered frames."""
    for track in facts.tracks:
        shown = [edit for edit in track.edits if edit.media_start_seconds is not None]
        late = bool(shown) and (shown[0].media_start_seconds or 0.0) > 0.5
        if len(shown) > 1 or late:
            return [
                Observation(
                    "edit-list",
                    f"an edit list plays {len(shown)} stretches of the {track.kind} track, the "
                    f"first from {shown[0].media_start_seconds:.2f} s: more is stored than shown",
                    "video trimmed without re-encoding (phones, QuickTime, FFmpeg -c copy)",
                    "ISO/IEC 14496-12, section 8.6.6",
                    "editing",
                )
            ]
    return []


def _rewritten(facts: ContainerFacts) -> list[Observation]:
    """Tags of a camera in a file that a program wrote."""
    names = {tag.name for tag in facts.tags}
    camera = any(n.startswith(("com.apple.quicktime.model", "com.android")) for n in names)
    camera = camera or {"make", "model"} <= names
    writer = next((tag.value for tag in facts.tags if re.search(r"\bLav[fc]\d", tag.value)), None)
    coded = next((t for t in facts.tags if t.where == "stream" and t.value.startswith("x26")), None)
    if not camera or (writer is None and coded is None):
        return []
    by = writer or (coded.value if coded else "")
    return [
        Observation(
            "camera-tags-rewritten",
            f"names a camera, but was written by {by[:60]}: not the camera's own file",
            "camera footage that was converted, and files whose tags were copied from another",
            "https://ffmpeg.org/ffmpeg.html#Advanced-options",
            "oddity",
        )
    ]
