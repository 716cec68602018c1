"""
As much HTTP/2 as a client needs to be impolite: one request, its fields as they are, and the answer's bytes. Pure.

`protocols/http2` writes only what is proper, and is what a proxy here is built of: neither is wanted for an attack.
"""

from collections.abc import Sequence
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# RFC 9113 section 6.
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM_AND_HEADERS, _ACK = 0x05, 0x01
_STREAM: Final = 1

Fields = Sequence[tuple[bytes, bytes]]


def opening(fields: Fields) -> bytes:
    """The preface, empty settings, and a request without body on the first stream."""
    return PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_STREAM_AND_HEADERS, _STREAM, _literal(fields))


def settings_acknowledged() -> bytes:
    """What a server may wait for before it answers."""
    return _frame(_SETTINGS, _ACK, 0, b"")


def body_in(received: bytes) -> bytes:
    """The contents of the DATA frames."""
    body = b""
    while len(received) >= 9:
        length, kind = int.from_bytes(received[:3], "big"), received[3]
        if kind == _DATA:
            body += received[9 : 9 + length]
        received = received[9 + length :]
    return body


def is_over(received: bytes) -> bool:
    """Whether the first stream has ended, or the connection is about to."""
    while len(received) >= 9:
        length, kind, flags = int.from_bytes(received[:3], "big"), received[3], received[4]
        stream = int.from_bytes(received[5:9], "big") & 0x7FFFFFFF
        ends = kind in (_DATA, _HEADERS) and flags & 1 and stream == _STREAM
        if len(received) >= 9 + length and (ends or kind == _GOAWAY or (kind == _RST_STREAM and stream == _STREAM)):
            return True
        received = received[9 + length :]
    return False


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(fields: Fields) -> bytes:
    """RFC 7541 section 6.2.2: literals neither indexed nor compressed: any bytes go out as they are."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest = len(text) - 127
    octets = bytearray([127])
    while rest >= 128:
        octets.append(rest % 128 | 128)
        rest //= 128
    return bytes([*octets, rest]) + text
