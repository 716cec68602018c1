"""
HTTP/1.1 messages to bytes. Every head we send is written here from typed parts; nothing a peer sent is copied whole.

The last wall: a start line or field that holds CR, LF or NUL is refused, whoever made it.
"""

from collections.abc import Sequence

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Fields, Pair

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def serialize_head(
    start_line: bytes, host: bytes | None, fields: Fields | list[Pair], framing_fields: bytes
) -> bytes:
    """
    A head, complete with its empty line.

    `framing_fields` are whole lines (Content-Length, Transfer-Encoding, Connection …) that only we decide about.
    """
    if not isinstance(fields, Fields):
        return _serialize_head(start_line, host, fields, framing_fields)
    parts = (start_line, host, framing_fields)
    known = fields.head
    if known is None or known[0] != parts:
        known = fields.head = (parts, _serialize_head(start_line, host, fields, framing_fields))
    return known[1]


def _serialize_head(
    start_line: bytes, host: bytes | None, fields: Fields | list[Pair], framing_fields: bytes
) -> bytes:
    lines = fields.lines if isinstance(fields, Fields) else None
    if lines is None:
        lines = _field_lines(fields)
    if host is None:
        first, expected = start_line + b"\r\n", 1
    else:
        first, expected = b"%b\r\nHost: %b\r\n" % (start_line, host), 2
    if framing_fields:
        expected += framing_fields.count(b"\r\n")
    _check_line_ends(first + framing_fields, expected)
    return b"%b%b%b\r\n" % (first, lines, framing_fields)


def _field_lines(fields: Fields | list[Pair]) -> bytes:
    """The fields as lines, checked; kept with them when nothing can change them any more."""
    lines = b"\r\n".join([*map(b": ".join, fields), b""])
    _check_line_ends(lines, len(fields))
    if isinstance(fields, Fields):
        fields.lines = lines
    return lines


def _check_line_ends(lines: bytes, expected: int) -> None:
    """No part may bring a line end of its own: counting them is one pass in C over bytes that we have just made."""
    if lines.count(b"\n") != expected or lines.count(b"\r") != expected or b"\0" in lines:
        raise IronProxyError("a message head of ours would not have been well formed")


def serialize_trailers(trailers: Sequence[Pair]) -> bytes:
    """The last chunk with its trailer fields."""
    if not trailers:
        return LAST_CHUNK
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in trailers)
    if lines.count(b"\n") != len(trailers) or lines.count(b"\r") != len(trailers) or b"\0" in lines:
        raise IronProxyError("a trailer of ours would not have been well formed")
    return b"0\r\n" + lines + b"\r\n"


def chunk(piece: bytes) -> bytes:
    """One chunk. `piece` must not be empty: an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
