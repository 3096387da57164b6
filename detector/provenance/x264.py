"""What video encoders write into their stream: name, version and settings (x264, x265, libavcodec).

It survives remuxing, which replaces the container's own tags, and tells how the pictures were last
encoded: `crf=23.0` of a file that claims to be a camera original is worth a question.
"""

from __future__ import annotations

import re

from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.records import Tag

_X264 = re.compile(
    rb"x264 - core (\d{1,4}(?: r\d{1,5}\w{0,4}(?: [0-9a-f]{4,12})?)?)[^\0]{0,200}?"
    rb"(?: - options: ([^\0\x80-\xff]{0,1500}))?\0"
)
_X265 = re.compile(
    rb"x265 \(build (\d{1,4})\)[^\0]{0,200}?(?: - options: ([^\0\x80-\xff]{0,3000}))?\0"
)
_OTHERS = (
    re.compile(rb"Lavc\d{1,3}\.\d{1,3}\.\d{1,3}(?: [\w.-]{1,30})?"),
    re.compile(rb"XviD\d{4}|DivX\d{3}b?\d{0,4}p?"),
)


def encoder_settings(stream: bytes) -> list[Tag]:
    """Tags from the first bytes of a video stream.

    Args:
        stream: Codec header and first frame, as far as they were read.

    Returns:
        Encoder and, of x264 and x265, its settings; empty when nothing is said.
    """
    for name, pattern in (("x264", _X264), ("x265", _X265)):
        match = pattern.search(stream)
        if match:
            version = f"{name} build {match[1].decode('ascii')}"
            tags = [Tag("stream", "encoder", version)]
            if match[2]:
                tags.append(Tag("stream", "encoder settings", text_of(match[2])))
            return tags
    # Xvid also writes DivX's name, for the sake of old players: all that is said is shown.
    said = [match[0] for other in _OTHERS for match in [*other.finditer(stream)][:4]]
    return [Tag("stream", "encoder", text_of(name, 60)) for name in dict.fromkeys(said)]
