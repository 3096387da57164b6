"""What can go wrong, as a tree.

* UnreelError                 anything this library raises on purpose
  + UsageError                the call's own arguments are off              (exit code 2)
  + ModelError                a model folder is missing, broken or of another interface
  + MissingExtraError         a command needs an optional extra that is not installed
  + MediaError                one input file cannot be used; carries a stable `code`

A MediaError becomes a row in the report, never a traceback. Its codes are words that other
programs may rely on: they are added to, never renamed.
"""

from __future__ import annotations

MEDIA_ERROR_CODES: dict[str, str] = {
    "not-found": "no such file",
    "not-a-file": "a folder, FIFO, socket or device stands where a file is expected",
    "broken-link": "a symbolic link that leads nowhere or in a circle",
    "permission-denied": "the file may not be read by this user",
    "empty": "the file has no bytes",
    "not-a-video": "the content is not one of the containers that are opened",
    "playlist": "a text that points at other files (HLS, ffconcat, SDP): it is never followed",
    "no-video-stream": "a container without a moving picture",
    "unsupported-codec": "the container is known, the codec in it is not",
    "unreadable": "no frame could be decoded: truncated, damaged or encrypted",
    "too-large": "over a limit on pixels, frames, duration or streams, found before decoding",
    "timeout": "decoding took longer than the wall-clock limit; the decoder was killed",
    "out-of-memory": "decoding wanted more than the memory limit; the decoder was stopped",
    "decoder-crash": "the decoder process died",
    "changed": "the file changed while it was read",
    "worker-crash": "the process that judged the file died, twice (audit only)",
    "cancelled": "whoever asked for it gave it up before it was judged (serve only)",
}


class UnreelError(Exception):
    """Anything this library raises on purpose."""


class UsageError(UnreelError):
    """An argument is off: the message gives what was got and what is allowed."""


class ModelError(UnreelError):
    """A model folder is missing, incomplete, damaged or made for another interface version."""


class MissingExtraError(UnreelError):
    """A command needs an optional extra that is not installed.

    Args:
        command: What was asked for, e.g. "unreel train".
        extra: The extra that brings it, e.g. "train".
        module: The module that could not be imported.
    """

    def __init__(self, command: str, extra: str, module: str) -> None:
        self.extra = extra
        super().__init__(
            f"{command} needs {module}, which is not installed: pip install 'unreel[{extra}]'"
        )


class MediaError(UnreelError):
    """One input file cannot be used.

    Args:
        code: One of MEDIA_ERROR_CODES.
        message: What was got, what is allowed, the command that helps.
    """

    def __init__(self, code: str, message: str) -> None:
        if code not in MEDIA_ERROR_CODES:
            raise ValueError(f"unknown media error code {code!r}")
        self.code = code
        self.message = message
        super().__init__(message)
