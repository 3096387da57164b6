"""MP4 and QuickTime: brands, box order, tracks, tags, vendor boxes (ISO/IEC 14496-12, QTFF)."""

from __future__ import annotations

from unreel.detector.provenance.bounded import BudgetSpentError, FileBytes, text_of, unpack
from unreel.detector.provenance.boxes import BoxWalker, Part, TooManyBoxesError
from unreel.detector.provenance.findings import Findings
from unreel.detector.provenance.mp4_tags import read_meta, read_user_data
from unreel.detector.provenance.mp4_tracks import Fragments, TrackReader, mac_time
from unreel.detector.provenance.records import ContainerFacts
from unreel.detector.provenance.x264 import encoder_settings

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

_TOP_BOXES = (
    "ftyp moov mdat free skip wide pnot uuid moof mfra sidx ssix styp meta prft emsg pdin meco "
    "imda PICT"
)
_MOOV_BOXES = "mvhd trak udta mvex iods meta uuid free skip cmov rmra ctab clip"
_TRAK_BOXES = "tkhd edts mdia udta meta tref load clip matt imap tapt uuid free skip trgr"
_TOP, _MOOV, _TRAK = (frozenset(b.split()) for b in (_TOP_BOXES, _MOOV_BOXES, _TRAK_BOXES))
_MAX_TRACKS = 64


class Mp4Reader:
    """Reads one file.

    Args:
        source: The file.
    """

    def __init__(self, source: FileBytes) -> None:
        self._source = source
        self._walker = BoxWalker(source)
        self._found = Findings(self._walker)
        self._timescale = 0
        self._tracks: list[TrackReader] = []
        self._fragments = Fragments()
        self._media_start: int | None = None

    def facts(self) -> ContainerFacts:
        """Everything, as far as the budget goes."""
        found = self._found
        try:
            self._top()
            self._encoder()
        except TooManyBoxesError:
            found.notes.append("more boxes than are looked at: the rest of the file is not in this")
        except BudgetSpentError:
            found.notes.append("a larger index than is looked at: some of it is not in this")
        tracks = tuple(track.record(self._timescale, self._fragments) for track in self._tracks)
        brands = found.brands
        quicktime = not brands or brands[0].strip() == "qt"
        return found.facts("quicktime" if quicktime else "mp4", tracks)

    def _top(self) -> None:
        for part in self._walker.iso(0, self._source.size):
            self._found.at_top(part, known=part.kind in _TOP)
            match part.kind:
                case "ftyp":
                    self._found.brands = self._brands(part)
                case "moov":
                    self._movie(part)
                case "moof":
                    self._fragments.read(self._walker, part)
                case "meta":
                    read_meta(self._walker, part, self._found)
                case "uuid":
                    self._uuid(part)
                case "mdat" if self._media_start is None:
                    self._media_start = part.body

    def _brands(self, part: Part) -> tuple[str, ...]:
        body = self._source.read(part.body, min(part.end - part.body, 264))
        codes = [body[:4], *(body[i : i + 4] for i in range(8, len(body) - 3, 4))]
        return tuple(text_of(code, 4, "latin-1") for code in codes if len(code) == 4)

    def _movie(self, movie: Part) -> None:
        for part in self._walker.iso(movie.body, movie.end, "moov/"):
            self._found.at(part, known=part.kind in _MOOV)
            match part.kind:
                case "mvhd":
                    with self._found.tolerant(part):
                        self._movie_header(part)
                case "trak" if len(self._tracks) < _MAX_TRACKS:
                    self._track(part)
                case "udta":
                    read_user_data(self._walker, part, self._found)
                case "meta":
                    read_meta(self._walker, part, self._found)
                case "uuid":
                    self._uuid(part)

    def _movie_header(self, part: Part) -> None:
        body = self._source.read(part.body, 32)
        created, modified, scale = unpack("QQI" if body[:1] == b"\1" else "III", body, 4)
        self._timescale = scale
        self._found.created, self._found.modified = mac_time(created), mac_time(modified)

    def _track(self, trak: Part) -> None:
        track = TrackReader(self._source)
        self._tracks.append(track)
        for part in self._walker.iso(trak.body, trak.end, trak.path + "/"):
            self._found.at(part, known=part.kind in _TRAK)
            match part.kind:
                case "udta":
                    read_user_data(self._walker, part, self._found)
                case "meta":
                    read_meta(self._walker, part, self._found)
                case _:
                    self._track_part(track, part)

    def _track_part(self, track: TrackReader, part: Part) -> None:
        """Descends into mdia, minf, stbl and edts; the leaves fill the track."""
        if part.kind in ("mdia", "minf", "stbl", "edts"):
            for inner in self._walker.iso(part.body, part.end, part.path + "/"):
                self._found.at(inner)
                self._track_part(track, inner)
            return
        if part.kind == "hdlr" and not part.path.endswith("mdia/hdlr"):
            return  # QuickTime's data handler says nothing of the stream
        with self._found.tolerant(part):
            track.take(part)

    def _uuid(self, part: Part) -> None:
        if part.uuid == C2PA_UUID:
            # version and flags, then "manifest", "original" or "update" and a NUL.
            if self._found.c2pa_offset is None:
                self._found.c2pa_offset = part.start
        elif part.uuid == XMP_UUID:
            self._found.xmp(part.path, self._source.read(part.body, part.end - part.body))
        else:
            self._found.vendor_boxes.append(f"{part.path}:{part.uuid.hex()}")

    def _encoder(self) -> None:
        """What the video encoder wrote into its stream: in the codec's header or first frame."""
        for track in self._tracks:
            if track.kind != "video":
                continue
            start = track.first_chunk if track.first_chunk is not None else self._media_start
            sample = self._source.read(start, 1 << 15) if start is not None else b""
            for tag in encoder_settings(track.description + sample):
                self._found.tags.append(tag)
