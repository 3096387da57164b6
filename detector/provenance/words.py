"""Provenance in sentences, for the report of a scan and for `unreel provenance`.

Nothing is escaped here: who prints a sentence escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.c2pa_claims import SOURCE_TYPES
from unreel.detector.provenance.records import (
    Action,
    ContainerFacts,
    FrameGroups,
    Manifest,
    Observation,
    Provenance,
    Track,
    Watermark,
)

SHORT = 160
_ACTIONS = {
    "c2pa.created": "created",
    "c2pa.opened": "opened",
    "c2pa.placed": "placed",
    "c2pa.edited": "edited",
    "c2pa.published": "published",
    "c2pa.transcoded": "transcoded",
    "c2pa.converted": "converted",
    "c2pa.repackaged": "repackaged",
    "c2pa.watermarked": "watermarked",
    "c2pa.watermarked.bound": "watermarked",
    "c2pa.dubbed": "dubbed",
    "c2pa.trimmed": "trimmed",
    "c2pa.cropped": "cropped",
    "c2pa.resized": "resized",
    "c2pa.color_adjustments": "colours adjusted",
    "c2pa.filtered": "filtered",
    "c2pa.unknown": "something unknown was done",
}


def summary(provenance: Provenance) -> list[str]:
    """A few sentences for a report that is about something else, the weightiest first."""
    lines = [_c2pa_line(provenance)]
    telling = [o for o in provenance.observations if o.kind in ("generator", "camera", "platform")]
    lines += [observation_line(seen) for seen in telling[:4]]
    if len(telling) > 4:
        lines.append(f"{len(telling) - 4} more observations: unreel provenance FILE")
    writer = _writer(provenance.container)
    if writer:
        lines.append(writer)
    lines += [
        watermark_line(mark) for mark in provenance.watermarks if mark.status in ("found", "failed")
    ]
    lines += provenance.notes
    return lines


def _c2pa_line(provenance: Provenance) -> str:
    c2pa = provenance.c2pa
    manifest = c2pa.manifest
    if manifest is None:
        return c2pa.words
    claims = "; ".join(claim_sentences(manifest))
    verb = "It claims" if c2pa.state != "invalid" else "What cannot be relied on, it claims"
    return f"{c2pa.words}. {verb}: {claims}" if claims else c2pa.words


def claim_sentences(manifest: Manifest) -> Iterator[str]:
    """What a manifest and those below it claim, in a few words each."""
    for kind in manifest.source_types:
        yield f"{SOURCE_TYPES.get(kind, 'source type')} ({kind})"
    if manifest.generator:
        yield f"by {manifest.generator}"
    below = [kind for part in manifest.ingredients for kind in _source_types(part)]
    for kind in dict.fromkeys(below):
        if kind not in manifest.source_types:
            yield f"an ingredient was {SOURCE_TYPES.get(kind, 'of type')} ({kind})"


def _source_types(manifest: Manifest) -> Iterator[str]:
    yield from manifest.source_types
    for part in manifest.ingredients:
        yield from _source_types(part)


def manifest_tree(manifest: Manifest, depth: int = 0) -> Iterator[str]:
    """One line for each manifest, what it was made from indented below it."""
    indent = "  " * depth
    title = manifest.title or "untitled"
    kind = {"parentOf": "made from", "componentOf": "contains", "inputTo": "input"}
    before = (
        f"{kind.get(manifest.relationship, manifest.relationship)}: "
        if manifest.relationship
        else ""
    )
    if depth and not manifest.label:
        yield f"{indent}{before}{title} (without a manifest of its own)"
        return
    by = ", ".join(
        part
        for part in (
            manifest.generator and f"by {manifest.generator}",
            manifest.signer and f"signed by {manifest.signer}",
            manifest.issuer and manifest.issuer != manifest.signer and f"({manifest.issuer})",
            manifest.signed_at and f"at {manifest.signed_at}",
        )
        if part
    )
    yield f"{indent}{before}{title}" + (f", {by}" if by else "")
    for action in manifest.actions:
        yield f"{indent}  {action_line(action)}"
    for failure in manifest.failures:
        yield f"{indent}  failed: {failure}"
    for part in manifest.ingredients:
        yield from manifest_tree(part, depth + 1)


def action_line(action: Action) -> str:
    """created: made by a generative model (trainedAlgorithmicMedia), with GenModel, at ..."""
    line = _ACTIONS.get(action.name, action.name)
    if action.source_type:
        line += f": {SOURCE_TYPES.get(action.source_type, 'of type')} ({action.source_type})"
    if action.software:
        line += f", with {action.software}"
    if action.when:
        line += f", at {action.when}"
    return line + (f": {action.description}" if action.description else "")


def observation_line(seen: Observation) -> str:
    """What is seen, what it is common to, and how many camera clips show it too."""
    line = f"{seen.says}: common to {seen.common_to}"
    if seen.camera_clips_of:
        line += f"; {seen.camera_clips} of {seen.camera_clips_of} camera clips show it"
    return line


def watermark_line(mark: Watermark) -> str:
    """What a decoder says, and how often it says so of camera footage."""
    line = f"watermark {mark.decoder}: {mark.says}"
    if mark.status == "found" and mark.false_alarm_rate is not None:
        line += f"; so it says of {100 * mark.false_alarm_rate:.2g} % of camera clips"
    return line


def _writer(facts: ContainerFacts | None) -> str | None:
    """The one tag that says which program wrote the file."""
    if facts is None:
        return None
    for name in ("encoder", "software", "writing app", "muxing app", "vendor"):
        for tag in facts.tags:
            if tag.name == name and tag.where != "stream":
                return f"{name} tag {text_of(tag.value, SHORT)}"
    return None


def container_sentences(facts: ContainerFacts) -> Iterator[str]:
    """Format, brands, dates and order of boxes."""
    said = facts.format
    if facts.brands:
        said += f", brand {facts.brands[0]}"
        said += f" (compatible: {' '.join(facts.brands[1:])})" if facts.brands[1:] else ""
    yield said
    if facts.created:
        changed = (
            f", modified {facts.modified}" if facts.modified not in (None, facts.created) else ""
        )
        yield f"created {facts.created}{changed}"
    if facts.order:
        yield "order: " + " ".join(facts.order)


def track_line(track: Track) -> str:
    """One stream in a line."""
    parts = [f"{track.kind} {track.codec}" + (f" {track.profile}" if track.profile else "")]
    if track.width and track.kind == "video":
        turned = f" turned by {track.rotation_degrees}" if track.rotation_degrees else ""
        parts.append(f"{track.width}x{track.height}{turned}")
    if track.fps:
        steady = {True: " constant", False: " variable", None: ""}[track.constant_rate]
        parts.append(f"{track.fps:.4g} fps{steady}")
    if track.duration_seconds:
        parts.append(f"{track.duration_seconds:.3f} s")
    if track.groups:
        parts.append(groups_in_words(track.groups))
    if track.compressor:
        parts.append(f"compressor {track.compressor}")
    if track.handler:
        parts.append(f"handler {track.handler}")
    if track.created:
        parts.append(f"created {track.created}")
    return ", ".join(parts)


def groups_in_words(groups: FrameGroups) -> str:
    """96 frames, key frame every 12 to 24, B-frames."""
    about = "" if groups.complete else "at least "
    if groups.key_frames == groups.frames:
        keys = "all key frames"
    elif groups.key_frames == 1:
        keys = "one key frame"
    elif groups.shortest == groups.longest:
        keys = f"a key frame every {groups.longest}"
    else:
        keys = f"{groups.key_frames} key frames, {groups.shortest} to {groups.longest} apart"
    order = {True: ", B-frames", False: ", no B-frames", None: ""}[groups.reordered]
    return f"{about}{groups.frames} frames, {keys}{order}"
