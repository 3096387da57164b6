"""XMP packets (ISO 16684-1): which software, which digital source type, where a manifest lies.

XML from strangers: a document type declaration, which XMP never has, is refused, so that no entity
can expand, and the packet is read up to a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from unreel.detector.provenance.bounded import text_of

MAX_PACKET = 1 << 18
MAX_PROPERTIES = 80

_SCHEMAS = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "stRef",
    "http://ns.adobe.com/xmp/1.0/DynamicMedia/": "xmpDM",
    "http://ns.adobe.com/creatorAtom/1.0/": "creatorAtom",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://ns.google.com/photos/1.0/creations/": "GCreations",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.attribution.com/ads/1.0/": "Attrib",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
}

# Numbers and identifiers that say nothing of where a file is from would bury what does.
_SHOWN_NAMES = (
    "xmp:CreatorTool xmp:CreateDate xmp:ModifyDate xmpMM:DocumentID xmpMM:OriginalDocumentID "
    "xmpMM:InstanceID stEvt:softwareAgent stEvt:action stEvt:when stEvt:digitalSourceType "
    "stRef:filePath stRef:documentID photoshop:Credit photoshop:Headline photoshop:Source "
    "photoshop:Instructions tiff:Make tiff:Model tiff:Software tiff:Artist exif:UserComment "
    "dc:creator dc:title dc:description dc:rights dc:source dc:subject dc:format "
    "dcterms:provenance creatorAtom:uncProjectPath creatorAtom:posixProjectPath"
)
_WORTH_SHOWING = frozenset(_SHOWN_NAMES.split())
_WHOLE_SCHEMAS = frozenset(("Iptc4xmpExt", "GCreations", "GCamera", "Attrib"))


@dataclass(frozen=True, slots=True)
class Xmp:
    """What a packet says."""

    properties: tuple[tuple[str, str], ...] = ()
    """(name with the usual prefix, value), each once, in order."""
    remote_manifest: str | None = None
    """dcterms:provenance: where C2PA says that the manifest lies."""
    problem: str | None = None


def read_xmp(packet: bytes) -> Xmp:
    """Read a packet; what is broken is read as far as it goes.

    Args:
        packet: RDF/XML, with or without its `xpacket` wrapper, padded or not.
    """
    start = packet.find(b"<x:xmpmeta")
    start = start if start >= 0 else packet.find(b"<rdf:RDF")
    if start < 0:
        return Xmp(problem="XMP without RDF in it")
    # A prefix bound outside what is cut away would be unknown, so the parser is namespace-aware
    # and names it does not know keep their address.
    body = packet[start : start + MAX_PACKET]
    reader = _Reader()
    try:
        reader.parser.Parse(body, False)
    except expat.ExpatError as error:
        if error.code != expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]:
            reader.problem = reader.problem or f"XMP that is no XML: {error}"
    except _RefusedError as error:
        reader.problem = str(error)
    return Xmp(tuple(reader.found), reader.remote, reader.problem)


class _RefusedError(Exception):
    pass


class _Reader:
    """Collects properties while expat calls."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.remote: str | None = None
        self.problem: str | None = None
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.buffer_text = True

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("XMP with a document type declaration: refused")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) > 40:
            raise _RefusedError("XMP nested deeper than is looked at")
        self._path.append(_short(name))
        self._text, self._length = [], 0
        for key, value in attributes.items():
            self._take(_short(key), value)

    def _end(self, _: str) -> None:
        name = next((n for n in reversed(self._path) if not n.startswith("rdf:")), "")
        self._take(name, "".join(self._text))
        self._text, self._length = [], 0
        self._path.pop()

    def _characters(self, data: str) -> None:
        if self._length < 8000:
            self._text.append(data)
            self._length += len(data)

    def _take(self, name: str, value: str) -> None:
        value = text_of(value)
        if not value:
            return
        if name == "dcterms:provenance":
            self.remote = self.remote or value
        schema = name.partition(":")[0]
        shown = name in _WORTH_SHOWING or schema in _WHOLE_SCHEMAS
        shown = shown or "digitalsourcetype" in name.lower() or "ai" in _words(name)
        if shown and (name, value) not in self.found and len(self.found) < MAX_PROPERTIES:
            self.found.append((name, value))


def _words(name: str) -> set[str]:
    """madeWithAi, AISystemUsed -> their words in lower case."""
    import re

    local = name.rpartition(":")[2]
    return {word.lower() for word in re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]", local)}


def _short(name: str) -> str:
    """`address local` -> `prefix:local` where the address is known."""
    address, _, local = name.rpartition(" ")
    if address in _SCHEMAS:
        return f"{_SCHEMAS[address]}:{local}"
    return f"{address.rstrip('/#').rpartition('/')[2]}:{local}" if address else local
