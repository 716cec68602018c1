"""
HTTP/1.1 messages to bytes. Every head we send is written here from typed parts; nothing a peer sent is copied whole.

The last wall: a start line or field that holds CR, LF or NUL is refused, whoever made it.
"""

from iron_proxy.errors import IronProxyError
from iron_proxy.messages.headers import Pair

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def serialize_head(start_line: bytes, host: bytes | None, pairs: list[Pair], framing_fields: bytes) -> bytes:
    """
    A head, complete with its empty line.

    `framing_fields` are whole lines (Content-Length, Transfer-Encoding, Connection …) that only we decide about.
    """
    lines = [start_line] if host is None else [start_line, b"Host: " + host]
    lines += map(b": ".join, pairs)
    lines.append(framing_fields + b"\r\n")
    head = b"\r\n".join(lines)
    # Each part must not bring a line end of its own: counting them is one pass in C over bytes we just made.
    expected = len(pairs) + (2 if host is None else 3) + framing_fields.count(b"\r\n")
    if head.count(b"\n") != expected or head.count(b"\r") != expected or b"\0" in head:
        raise IronProxyError("a message head of ours would not have been well formed")
    return head


def serialize_trailers(trailers: list[Pair]) -> bytes:
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
