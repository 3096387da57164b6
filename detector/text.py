"""The result of a scan for a person: plain lines, nothing that a file name could use to deceive.

File names and metadata come from strangers. Control characters, line breaks and characters that
turn the direction of writing are shown as escapes, so that no name can forge a line of the result.
"""

from __future__ import annotations

import math
import os
import textwrap

from unreel.detector.faces.words import in_short
from unreel.detector.records import (
    FaceTrackScore,
    Measured,
    Media,
    Report,
    ShotScore,
    Verdict,
    WindowScore,
)
from unreel.detector.verdict import in_digits

WIDTH = 100
INDENT = 12
MAX_SHOT_LINES = 20

CODEC_NAMES = {
    "av1": "AV1",
    "gif": "GIF",
    "h264": "H.264",
    "hevc": "HEVC",
    "mjpeg": "Motion JPEG",
    "mpeg1video": "MPEG-1",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4 Part 2",
    "prores": "ProRes",
    "theora": "Theora",
    "vp8": "VP8",
    "vp9": "VP9",
}


def printable(text: str) -> str:
    r"""Text with everything that a terminal could act on as an escape, and `\` as `\\`.

    Bytes of a file name that are not UTF-8 come out as `\xff`, so that two names never look alike
    because of characters that are not shown.
    """
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # os.fsdecode's stand-in for one undecodable byte
        return f"\\x{os.fsencode(character)[0]:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def to_text(report: Report) -> str:
    """The report as lines for a person, with a line break at the end."""
    if report.error is not None:
        problem = f"{report.error.code}: {printable(report.error.message)}"
        lines = [printable(report.path), *row("Not judged", problem), *_provenance(report)]
        return "\n".join(lines) + "\n"
    lines = [_headline(report)]
    if report.verdict is not None:
        lines += _verdict(report.verdict) + _when(report, report.verdict)
    lines += _faces(report)
    lines += _shots(report.shots)
    lines += _evidence(report) + _provenance(report)
    clips = report.verdict.camera_clips if report.verdict else None
    basis = f", calibrated on {clips} held-out camera clips" if clips else ""
    lines += row("Model", f"{report.model.name} {report.model.version}{basis}")
    lines += row("File", f"sha256 {report.sha256}")
    for warning in report.media.warnings if report.media else ():
        lines += row("Note", printable(warning))
    return "\n".join(lines) + "\n"


def row(name: str, text: str, *, indent: int = 0) -> list[str]:
    """One named line, wrapped under itself; nothing in `text` can break out of the column."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=name.ljust(INDENT) + " " * indent,
        subsequent_indent=" " * (INDENT + indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _headline(report: Report) -> str:
    parts = [printable(report.path)]
    if report.media is not None:
        parts += _media_facts(report.media)
    count = len(report.shots)
    parts.append(f"{count} shot" + ("s" if count != 1 else ""))
    return "   ".join(parts)


def _media_facts(media: Media) -> list[str]:
    rate = f"{media.fps:.4g} fps" + (" (variable)" if media.variable_frame_rate else "")
    codec = CODEC_NAMES.get(media.codec, printable(media.codec))
    facts = [_duration(media.duration_seconds), f"{media.width}x{media.height}", rate, codec]
    if media.bit_depth > 8:
        facts.append(f"{media.bit_depth} bit" + (" HDR" if media.hdr else ""))
    if media.rotation_degrees:
        facts.append(f"turned by {media.rotation_degrees} degrees")
    return facts


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _verdict(verdict: Verdict) -> list[str]:
    if verdict.score is None or verdict.llr is None:
        return row("Verdict", f"{verdict.label}: {printable('; '.join(verdict.reasons))}")
    label = f"{verdict.label} (score {in_digits(verdict.score)})"
    says = f"{label}: this evidence is {likelihood_in_words(verdict)}"
    lines = row("Verdict", says)
    if verdict.label == "no-evidence":
        lines += row("", "this is no proof of camera footage: some generators leave no trace here")
    lines += row("", rarity_in_words(verdict))
    for reason in verdict.reasons:
        lines += row("", printable(reason))
    return lines


def likelihood_in_words(verdict: Verdict) -> str:
    """How many times likelier the evidence is under one origin than under the other."""
    llr = verdict.llr or 0.0
    if abs(llr) < math.log10(1.5):
        return "about as likely for generated as for camera footage"
    times = two_digits(10 ** abs(llr))
    capped = verdict.llr_cap is not None and abs(llr) >= verdict.llr_cap - 1e-9
    about = "at least" if capped else "about"
    likelier, other = ("generated", "camera") if llr > 0 else ("camera", "generated")
    return f"{about} {times} times likelier for {likelier} than for {other} footage"


def two_digits(number: float) -> str:
    """Two significant digits without an exponent: 1.5, 40, 1300."""
    digits = max(0, 1 - math.floor(math.log10(number)))
    rounded = round(number, 1 - math.floor(math.log10(number)))
    return f"{rounded:.{digits}f}".removesuffix(".0")


def rarity_in_words(verdict: Verdict) -> str:
    """How often camera footage scores as high, and where `generated` begins."""
    point, percentile = verdict.operating_point, verdict.percentile_among_real
    if point is None or percentile is None:
        return ""
    whose = "camera clips" if point.bucket == "pooled" else "camera clips of this quality"
    share = 1 - percentile
    if share <= 0:
        often = f"none of the {whose} scores as high"
    elif share > 0.95:
        often = f"nearly all {whose} score as high or higher"
    elif share > 0.1:
        often = f"{100 * share:.0f} % of {whose} score as high"
    else:
        often = f"1 in {1 / share:.0f} {whose} scores as high"
    return (
        f"{often}; threshold for {100 * point.fpr:.3g} % false alarms: {in_digits(point.threshold)}"
    )


def _when(report: Report, verdict: Verdict) -> list[str]:
    """Where in time the score comes from, when there is one to speak of."""
    windows = _windows(report)
    if verdict.label == "no-evidence" or verdict.operating_point is None or not windows:
        return []
    threshold = verdict.operating_point.threshold
    reaching = [w for w in windows if (w.score or 0.0) >= threshold]
    strongest = max(windows, key=lambda w: w.logit)
    where = f"{len(reaching)} of {len(windows)} stretches looked at reach the threshold"
    if len(reaching) == len(windows):
        where = "whole clip"
    span = f"strongest {_span(strongest.t_start, strongest.t_end)}"
    if strongest.score is not None:
        span += f" ({in_digits(strongest.score)})"
    return row("When", span if len(windows) == 1 else f"{where}; {span}")


def _faces(report: Report) -> list[str]:
    """What the faces lane says, when it looked at faces."""
    lines = row("In short", in_short(report)) if report.manipulated_faces else []
    for evidence in report.evidence:
        if isinstance(evidence, Measured) and evidence.point is not None:
            for number, track in enumerate(evidence.tracks):
                lines += row("" if number else "Faces", _face(track))
            share, threshold = evidence.point.fpr, in_digits(evidence.point.threshold)
            among = f"{100 * share:.3g} % false alarms among camera clips with faces"
            lines += row("", f"threshold for {among}: {threshold}")
    return lines


def _face(track: FaceTrackScore) -> str:
    says = "looks manipulated" if track.manipulated else "no evidence of manipulation"
    return (
        f"track {track.track} {_span(track.t_start, track.t_end)}, {track.size:.0f} pixels: {says} "
        f"(score {in_digits(track.score)})"
    )


def _windows(report: Report) -> list[WindowScore]:
    return [w for e in report.evidence if isinstance(e, Measured) for w in e.windows]


def _span(t_start: float, t_end: float) -> str:
    return f"{t_start:.1f}-{t_end:.1f} s"


def _shots(shots: tuple[ShotScore, ...]) -> list[str]:
    """One line per shot when there are several; of very many the highest scores."""
    if len(shots) < 2:
        return []
    ranked = sorted(range(len(shots)), key=lambda i: (-(shots[i].score or -1.0), i))
    shown = sorted(ranked[:MAX_SHOT_LINES])
    lines: list[str] = []
    for index in shown:
        shot = shots[index]
        says = f"not judged: {shot.reason}" if shot.score is None else in_digits(shot.score)
        name = "Shots" if not lines else ""
        lines.append(f"{name:<{INDENT}}{index + 1:>3}   {_span(shot.t_start, shot.t_end)}   {says}")
    if len(shots) > len(shown):
        lines += row("", f"{len(shots) - len(shown)} more shots, none higher: see --json")
    return lines


def _evidence(report: Report) -> list[str]:
    lines: list[str] = []
    for finding in report.findings:
        span = _span(finding.t_start, finding.t_end)
        name = "" if lines else "Evidence"
        lines += row(name, f"{finding.lane} {span} {printable(finding.explanation)}")
    for evidence in report.evidence:
        if isinstance(evidence, Measured) and evidence.logit is None and not evidence.findings:
            lines += row("" if lines else "Evidence", f"{evidence.lane}: nothing found")
        if not isinstance(evidence, Measured):
            kind = "Not looked" if evidence.status == "skipped" else "Failed"
            lines += row(kind, f"{evidence.lane}: {printable(evidence.reason)}")
    return lines


def _provenance(report: Report) -> list[str]:
    """What the file says of itself, after all that was found in the pictures."""
    if report.provenance is None:
        return []
    from unreel.detector.provenance.words import summary

    lines: list[str] = []
    for sentence in summary(report.provenance):
        lines += row("" if lines else "Provenance", printable(sentence))
    return lines
