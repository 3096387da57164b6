"""Join a published ONNX file with nodes of our own, byte by byte, without the onnx package.

A model can stand on an encoder that others publish and that is too large, or not ours, to carry
along: only what is added to it ships. An ONNX file is one protobuf message, and two messages that
are written behind each other read as one whose lists are joined. So the additions are a ModelProto
with nothing but nodes, weights and outputs; of the published file only its own inputs and outputs
are cut, for which the additions bring others.

Source: https://protobuf.dev/programming-guides/encoding (wire format, "Last One Wins"), onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

GRAPH = 7
"""Field of ModelProto."""
GRAPH_INPUT, GRAPH_OUTPUT = 11, 12
"""Fields of GraphProto."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def merged(published: bytes, additions: bytes) -> bytes:
    """One ONNX model of a published one and what is added to it.

    Args:
        published: A ModelProto; its graph's inputs and outputs are left out.
        additions: A ModelProto that makes, under the old names, what the published graph took in,
            and that has inputs and outputs of its own.

    Raises:
        ValueError: `published` is not a ModelProto.
    """
    parts = []
    for field, start, content, end in _fields(published, 0, len(published)):
        if field == GRAPH:
            graph = _without_ends(published, content, end)
            parts.append(_tag(GRAPH, BYTES) + _varint(len(graph)) + graph)
        else:
            parts.append(published[start:end])
    if len(published) and not any(part[:1] == _tag(GRAPH, BYTES) for part in parts):
        raise ValueError("no graph in it: this is not an ONNX model")
    return b"".join([*parts, additions])


def _without_ends(message: bytes, start: int, end: int) -> bytes:
    """A GraphProto without the declarations of its inputs and outputs."""
    kept = [
        message[begin:stop]
        for field, begin, _, stop in _fields(message, start, end)
        if field not in (GRAPH_INPUT, GRAPH_OUTPUT)
    ]
    return b"".join(kept)


def _fields(message: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, start, start of the content, end) of each field between two places."""
    place = start
    while place < end:
        tag, content = _read_varint(message, place, end)
        kind = tag & 7
        if kind == VARINT:
            _, stop = _read_varint(message, content, end)
        elif kind == FIXED64:
            stop = content + 8
        elif kind == FIXED32:
            stop = content + 4
        elif kind == BYTES:
            length, content = _read_varint(message, content, end)
            stop = content + length
        else:
            raise ValueError(f"field of unknown kind {kind}: this is not an ONNX model")
        if stop > end:
            raise ValueError("a field ends behind the file: this is not a whole ONNX model")
        yield tag >> 3, place, content, stop
        place = stop


def _read_varint(message: bytes, place: int, end: int) -> tuple[int, int]:
    """(value, place behind it)"""
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number does not end: this is not an ONNX model")


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
