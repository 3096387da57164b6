"""What a file is, before any decoder sees it.

Decoders open whatever they are given: a FIFO blocks for ever, a text called clip.mp4 that says
`ffconcat version 1.0` makes them read other files, a name like `concat:a|b` is a command to them.
So the file is looked at here first, without a decoder: regular file, readable, not empty, first
bytes of one of nine known containers. The content decides, never the name.
"""

from __future__ import annotations

import errno
import os
import stat

from unreel.detector.errors import MediaError

LIBAV_FORMATS: dict[str, str] = {
    "mp4": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "avi": "avi",
    "mpegts": "mpegts",
    "mpeg": "mpeg",
    "gif": "gif",
    "flv": "flv",
    "asf": "asf",
    "ogg": "ogg",
}
"""Container by content -> the one demuxer of libav that may open it."""

HEAD_BYTES = 4096
"""As much of the file as is looked at."""

_ALLOWED = "mp4/mov, matroska/webm, avi, mpeg-ts, mpeg-ps, gif, flv, asf/wmv, ogg"

_MP4_BOXES = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx")
)

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"FLV\x01", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"OggS", "ogg"),
    (b"\x00\x00\x01\xba", "mpeg"),
)

_OTHER_BRANDS = frozenset(
    (b"M4A ", b"M4B ", b"M4P ", b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"crx ")
)
"""Files of the MP4 kind that hold sound or a still picture."""

_VIDEO_SIGNS: dict[str, tuple[bytes, ...]] = {
    "ogg": (b"\x80theora", b"OVP80", b"BBCD"),
    "asf": (bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b"),),
}
"""What stands in the first bytes of these containers when a video is in them."""

_PLAYLIST_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"#extm3u", "an HLS playlist"),
    (b"ffconcat version", "an ffconcat list"),
    (b"v=0", "an SDP session description"),
    (b"[playlist]", "a PLS playlist"),
    (b"[reference]", "an ASF reference list"),
    (b"rtsptext", "a QuickTime link"),
    (b"<asx", "an ASX playlist"),
    (b"<smil", "a SMIL playlist"),
    (b"<mpd", "a DASH manifest"),
)

_KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"ID3", "an MP3 sound file"),
    (b"fLaC", "a FLAC sound file"),
    (b"RIFF", "a RIFF file without AVI in it (sound or picture)"),
    (b"\x00\x00\x01\xb3", "a bare MPEG video stream without container"),
    (b"\x00\x00\x00\x01", "a bare H.264/HEVC stream without container"),
    (b"\x06\x0e\x2b\x34", "an MXF file"),
)


def open_regular(path: str | os.PathLike[str]) -> int:
    """Open a regular file for reading, and nothing else.

    Args:
        path: A path; symbolic links are followed to regular files only.

    Returns:
        A file descriptor that is not inherited by child processes; the caller closes it.

    Raises:
        MediaError: not-found, broken-link, not-a-file, permission-denied, empty, unreadable.
    """
    name = os.fsdecode(path)
    try:
        _refuse_special(name)
        # O_NONBLOCK: should a FIFO take the file's place in between, the call returns all the same.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(name, flags)
    except ValueError as error:  # a NUL character in the name
        raise MediaError("not-found", f"{name!r} cannot be a file name: {error}") from error
    except OSError as error:
        raise _error_of(name, error) from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size > 0:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _not_a_file(name, found.st_mode)
    raise MediaError(
        "empty", f"{name} has 0 bytes; a video has more: copy or download the file again"
    )


def sniff_container(path: str | os.PathLike[str], descriptor: int) -> str:
    """Tell the container by the first bytes.

    Args:
        path: Only for messages.
        descriptor: An open file; its position is left at the start.

    Returns:
        A key of LIBAV_FORMATS.

    Raises:
        MediaError: playlist, not-a-video, unreadable.
    """
    name = os.fsdecode(path)
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        head = os.read(descriptor, HEAD_BYTES)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        raise _error_of(name, error) from error
    container = container_of(head)
    if container is not None:
        return container
    playlist = playlist_of(head)
    if playlist is not None:
        raise MediaError(
            "playlist",
            f"{name} is {playlist}: a text that points at other files. It is never followed; "
            "download the video itself and scan that",
        )
    raise MediaError(
        "not-a-video",
        f"{name} holds {describe(head)}; opened are {_ALLOWED} (by content, whatever the name). "
        f"If it is a video all the same, remux it first: ffmpeg -i {name} -c copy out.mkv",
    )


def container_of(head: bytes) -> str | None:
    """The container that these first bytes begin, or None."""
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    for prefix, container in _PREFIXES:
        if head.startswith(prefix):
            return container
    return "mpegts" if _has_sync_bytes(head) else None


def holds_video(path: str) -> bool:
    """Whether a file of any name begins like a video; what cannot be read does not.

    Sound and still pictures come in the same containers and are told apart as far as the first
    bytes tell.
    """
    try:
        descriptor = open_regular(path)
    except MediaError:
        return False
    try:
        head = os.read(descriptor, HEAD_BYTES)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    container = container_of(head)
    if container == "mp4":
        return head[4:8] != b"ftyp" or head[8:12] not in _OTHER_BRANDS
    if container in _VIDEO_SIGNS:
        return any(sign in head for sign in _VIDEO_SIGNS[container])
    if container == "mpegts":
        return describe(head) != "plain text"  # a letter that comes back every 188 bytes
    return container is not None


def playlist_of(head: bytes) -> str | None:
    """What kind of list of other files a text is, or None."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, kind in _PLAYLIST_STARTS:
        if text.startswith(start):
            return kind
    if text.startswith(b"<?xml") and any(t in text for t in (b"<mpd", b"<smil", b"<asx")):
        return "an XML manifest (DASH, SMIL or ASX)"
    return None


def describe(head: bytes) -> str:
    """A few words on bytes that are no video, for a message."""
    for prefix, kind in _KNOWN_OTHERS:
        if head.startswith(prefix):
            return kind
    try:
        text = head[:64].decode("utf-8", errors="strict" if len(head) < 64 else "ignore")
    except UnicodeDecodeError:
        text = ""
    if text and all(c.isprintable() or c in "\r\n\t" for c in text):
        return "plain text"
    return f"unknown data (first bytes {head[:8].hex(' ')})"


def _has_sync_bytes(head: bytes) -> bool:
    """Transport streams carry 0x47 every 188 bytes (192 on discs, 204 with parity).

    The file may begin in the middle of a packet, so every offset within one packet is tried.
    """
    for size in (188, 192, 204):
        wanted = min(5, len(head) // size)
        if wanted < 2:
            continue
        for offset in range(size):
            marks = head[offset : offset + size * wanted : size]
            if len(marks) == wanted and marks == b"\x47" * wanted:
                return True
    return False


def _refuse_special(name: str) -> None:
    """Look without opening: FIFOs, sockets, devices and folders are never opened."""
    found = os.lstat(name)
    if stat.S_ISLNK(found.st_mode):
        try:
            found = os.stat(name)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise MediaError(
                    "broken-link",
                    f"{name} is a symbolic link that leads nowhere or in a circle "
                    f"(to {os.readlink(name)}); a link to an existing file is followed: "
                    "mend it or name the file itself",
                ) from error
            raise
    if not stat.S_ISREG(found.st_mode):
        raise _not_a_file(name, found.st_mode)


def _not_a_file(name: str, mode: int) -> MediaError:
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO (named pipe)"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    kind = next((word for test, word in kinds if test(mode)), "no regular file")
    return MediaError(
        "not-a-file",
        f"{name} is {kind}; a regular file is needed: save the video to a file and scan that",
    )


def _error_of(name: str, error: OSError) -> MediaError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return MediaError("not-found", f"there is no file {name}; check the name: ls -l {name}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return MediaError(
            "permission-denied",
            f"{name} may not be read by this user; grant it: chmod u+r {name}, or copy the file",
        )
    if error.errno == errno.ELOOP:
        return MediaError("broken-link", f"{name} is a symbolic link that leads in a circle")
    return MediaError("unreadable", f"{name} cannot be read: {error.strerror or error}")
