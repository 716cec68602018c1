"""A response: what an upstream sent, or what we answer ourselves."""

from http import HTTPStatus

from iron_proxy.messages.body import Body
from iron_proxy.messages.headers import Headers

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


class Response:
    """
    Status, reason phrase, header fields (without hop-by-hop) and body.

    `declared_length` is a Content-Length that no body follows (an answer to HEAD, a 304); it is passed on.
    """

    __slots__ = ("body", "declared_length", "headers", "reason", "status")

    def __init__(
        self, status: int, headers: Headers | None = None, body: Body | None = None, reason: bytes | None = None
    ) -> None:
        self.status = status
        self.reason = _REASONS.get(status, b"") if reason is None else reason
        self.headers = Headers() if headers is None else headers
        self.body = Body.empty() if body is None else body
        self.declared_length: int | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def rejection() -> Response:
    """The answer of a transform that rejects without a response of its own: 403, an empty text."""
    return Response(403, Headers([(b"Content-Type", b"text/plain")]))


def plain_text(status: int, message: str) -> Response:
    """An answer for a person: the message and a newline, never sniffed as anything but text."""
    return Response(
        status,
        Headers([(b"Content-Type", b"text/plain; charset=utf-8"), (b"X-Content-Type-Options", b"nosniff")]),
        Body.of(message.encode() + b"\n"),
    )
