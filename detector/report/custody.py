"""Facts about the file, and what a third person needs to arrive at the same result."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from importlib.metadata import PackageNotFoundError, version

from unreel.detector.config import ScanConfig
from unreel.detector.faces.judging import load_face_model
from unreel.detector.faces.published import chosen
from unreel.detector.hands.finding import FILES
from unreel.detector.records import Media, Report
from unreel.detector.report.catalogue import Catalogue
from unreel.detector.text import CODEC_NAMES, printable

DISTRIBUTIONS = ("unreel", "av", "decord2", "numpy", "onnxruntime", "opencv-python-headless")
"""Those whose version can change a score."""

Facts = list[tuple[str, str]]
"""Name and value, in the order of the page."""


def versions() -> tuple[tuple[str, str], ...]:
    """Name and version of everything that can change a score, Python and machine included."""
    found = [("Python", platform.python_version()), ("CPU", platform.machine())]
    for name in DISTRIBUTIONS:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def media_facts(media: Media, say: Catalogue) -> Facts:
    """What the file is."""
    rate = "fact-fps-variable" if media.variable_frame_rate else "fact-fps-value"
    turned = say("fact-rotation-value", degrees=media.rotation_degrees)
    facts = [
        (say("fact-name"), printable(os.path.basename(media.path))),
        (say("fact-duration"), say.seconds(media.duration_seconds)),
        (say("fact-size"), f"{media.width} \N{MULTIPLICATION SIGN} {media.height}"),
        (say("fact-fps"), say(rate, fps=say.mark(f"{media.fps:.4g}"))),
        (say("fact-frames"), str(media.frames)),
        (say("fact-codec"), CODEC_NAMES.get(media.codec, printable(media.codec))),
        (say("fact-pixels"), f"{printable(media.pixel_format)}, {media.bit_depth} bit"),
        (say("fact-container"), printable(media.container)),
        (say("fact-bytes"), say("fact-bytes-value", count=media.bytes)),
        (say("fact-sound"), say("yes" if media.has_audio else "no")),
        (say("fact-start"), say.number(media.start_seconds, 3) + " s"),
    ]
    if media.rotation_degrees:
        facts.append((say("fact-rotation"), turned))
    if media.hdr:
        facts.append((say("fact-hdr"), say("yes")))
    return facts


def custody_facts(report: Report, config: ScanConfig, say: Catalogue) -> Facts:
    """Hashes, model, settings and versions."""
    model = report.model
    settings = [
        f"fpr {config.fpr:g}",
        f"windows {config.max_windows or 'default'}",
        f"recheck {'crf ' + str(config.recheck_crf) if config.recheck else 'off'}",
        f"threads {config.threads or 'all'}",
        f"lanes {' '.join(config.lanes) or 'none'}",
    ]
    if config.object_detector is not None and config.lanes:
        settings.append(f"object detector {_hash_of(config.object_detector)}")
    if (finder := chosen(config.face_detector, config.lanes)) is not None:
        settings.append(f"face detector {_hash_of(str(finder))}")
        info = load_face_model().info
        settings.append(f"faces model {info.name} {info.version} sha256 {info.sha256}")
    if config.hand_detector is not None and "objects" in config.lanes:
        settings += [
            f"hand detector {_hash_of(os.path.join(config.hand_detector, name))}" for name in FILES
        ]
    facts = [
        (say("fact-sha256"), report.sha256 or "\N{EN DASH}"),
        (say("fact-path"), printable(report.path)),
        (say("fact-model"), f"{printable(model.name)} {printable(model.version)}"),
        (say("fact-model-hash"), model.sha256),
        (say("fact-settings"), ", ".join(settings)),
        (say("fact-versions"), ", ".join(f"{n} {v}" for n, v in versions())),
    ]
    if report.media is not None:
        facts.append((say("fact-decoder"), printable(report.media.decoder)))
    if started := report.run.get("started"):
        facts.append((say("fact-started"), printable(str(started))))
    return facts


def _hash_of(path: str) -> str:
    """Name and SHA-256 of a file; the scan has read it, but it may be gone since."""
    name = printable(os.path.basename(path))
    try:
        with open(path, "rb") as handle:
            return f"{name} sha256 {hashlib.file_digest(handle, 'sha256').hexdigest()}"
    except OSError as error:
        return f"{name}, which cannot be read any more ({error.strerror})"


def command(report: Report, config: ScanConfig, model_folder: str | None = None) -> str:
    """What to type to get the same result, quoted for a shell."""
    words = ["unreel", "scan", "--json"]
    if model_folder:
        words += ["--model", model_folder]
    words += ["--fpr", f"{config.fpr:g}"]
    if config.max_windows:
        words += ["--windows", str(config.max_windows)]
    if not config.recheck:
        words.append("--no-recheck")
    if config.threads:
        words += ["--threads", str(config.threads)]
    if config.lanes != ScanConfig().lanes:
        words += ["--lanes", ",".join(config.lanes) or "none"]
    if config.object_detector is not None:
        words += ["--object-detector", config.object_detector]
    if config.face_detector is not None:
        words += ["--face-detector", config.face_detector]
    if config.hand_detector is not None:
        words += ["--hand-detector", config.hand_detector]
    for trusted in config.trust_lists:
        words += ["--trust-list", trusted]
    path = report.path
    # A name that begins with a dash would be read as an option.
    words.append(f"./{path}" if path.startswith("-") else path)
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    r"""For a shell to read and a person to look at: what cannot be shown stands as $'\x1b'."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(
        character
        if character.isprintable() and character not in "\\'"
        else "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
        for character in word
    )
    return f"$'{escaped}'"
