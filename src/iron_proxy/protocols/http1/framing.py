"""Where a body ends (RFC 9112 section 6): decided once per head, from fields that admit one reading only."""

import re
from collections.abc import Callable
from dataclasses import dataclass

# Content-Length: digits only. `int` would take signs, underscores, spaces and other scripts' digits. Eighteen digits
# stay below 2^63, so that no later reader of ours can overflow.
_LENGTH = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class NoBody:
    """The message ends with its head."""


@dataclass(slots=True)                       # not frozen: that would make the making of one five times as slow
class Length:
    """Exactly so many bytes follow."""

    size: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """Chunks follow, then trailers."""


@dataclass(frozen=True, slots=True)
class UntilClose:
    """All bytes until the connection ends: responses only."""


Framing = NoBody | Length | Chunked | UntilClose

NO_BODY = NoBody()
CHUNKED = Chunked()
UNTIL_CLOSE = UntilClose()

# Raises the error of the side that sent the message: the client's fault or the upstream's.
Refuse = Callable[[str], Exception]


def parse_content_length(values: list[bytes], refuse: Refuse) -> int | None:
    """The one Content-Length, or None. Two of them, even equal ones, are refused: somebody on the way disagreed."""
    if not values:
        return None
    if len(values) > 1:
        raise refuse("more than one Content-Length")
    if not _LENGTH.fullmatch(values[0]):
        raise refuse("malformed Content-Length")
    return int(values[0])


def request_framing(lengths: list[bytes], codings: list[bytes], minor_version: int, refuse: Refuse) -> Framing:
    """RFC 9112 section 6.3 for a request: anything but one Content-Length or a lone `chunked` is refused."""
    if codings:
        if lengths:
            raise refuse("both Content-Length and Transfer-Encoding")
        if minor_version == 0:
            raise refuse("Transfer-Encoding in an HTTP/1.0 message")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise refuse("Transfer-Encoding other than chunked")
        return CHUNKED
    length = parse_content_length(lengths, refuse)
    return Length(length) if length else NO_BODY


def response_framing(
    status: int, method: str, lengths: list[bytes], codings: list[bytes], minor_version: int, refuse: Refuse
) -> tuple[Framing, int | None]:
    """RFC 9112 section 6.3 for a response to `method`: (framing, Content-Length as declared)."""
    if codings and lengths:
        raise refuse("both Content-Length and Transfer-Encoding")
    length = parse_content_length(lengths, refuse)
    if method == "HEAD" or status < 200 or status in (204, 304):
        return NO_BODY, length
    if codings:
        if minor_version == 0 or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise refuse("Transfer-Encoding other than chunked")
        return CHUNKED, None
    if length is not None:
        return Length(length) if length else NO_BODY, length
    return UNTIL_CLOSE, None
