"""
The message that would go upstream, as text for people.

Secrets are stand-ins already. What a transform from outside has put in or changed may hold one of its own, so it is not
shown. Called by `explanation.py`.
"""

from msgspec import Struct

from iron_proxy.messages.headers import Pair
from iron_proxy.messages.request import Request
from iron_proxy.upstream.http1_client import request_head

# Enough to see what became of a body; the rest is counted.
MAX_SHOWN_BODY = 4096
# A made-up body is held anyway; one that a transform makes longer without end is not read for ever.
_MAX_READ_BODY = 16 * 1024 * 1024
HIDDEN = "[set by a transform from outside]"


class Outgoing(Struct, frozen=True):
    """
    A request line, the fields in order, and the beginning of the body.

    `body_size` is None where only the end of the body tells; `body` is None where it is not shown.
    """

    start_line: str
    fields: list[tuple[str, str]]
    body: str | None
    body_size: int | None


async def outgoing_message(
    request: Request, original_fields: list[Pair], original_target: bytes, original_body: bytes, hides_changes: bool
) -> Outgoing:
    """What is sent for a request that transforms have seen. Raises what its body raises."""
    start_line, fields = _head_of(request)
    if hides_changes:
        known = {(name.lower(), value) for name, value in original_fields}
        known |= {(name.lower(), value) for name, value in fields if name.lower() in _OURS}
        fields = [pair if (pair[0].lower(), pair[1]) in known else (pair[0], HIDDEN.encode()) for pair in fields]
        if request.raw_target != original_target:
            start_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), HIDDEN.encode())
    content = await _content_of(request)
    is_hidden = hides_changes and content != original_body
    return Outgoing(
        _text(start_line),
        [(_text(name), _text(value)) for name, value in fields],
        None if is_hidden else _text(content[:MAX_SHOWN_BODY]),
        request.body.length,
    )


# Written by the proxy itself, from what it knows.
_OURS = (b"host", b"content-length", b"transfer-encoding", b"te")


def _head_of(request: Request) -> tuple[bytes, list[Pair]]:
    start_line, *lines = request_head(request).removesuffix(b"\r\n\r\n").split(b"\r\n")
    return start_line, [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


async def _content_of(request: Request) -> bytes:
    content = b""
    while len(content) < _MAX_READ_BODY and (piece := await request.body.read()):
        content += piece
    return content


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
