"""HTTP/1.1 messages: heads, chunks and trailers of either side."""

from collections.abc import Callable
from functools import partial

from tests.fuzz.targets.splits import splits
from tests.wire.http1_events import Told, requests_in, responses_in

from iron_proxy.errors import (
    BadRequest,
    ClientDisconnected,
    IronProxyError,
    UpstreamDisconnected,
    UpstreamProtocolError,
)
from iron_proxy.protocols.http1.limits import (
    MAX_CHUNK_LINE_BYTES,
    MAX_REQUEST_HEAD_BYTES,
    MAX_RESPONSE_HEAD_BYTES,
    MAX_TRAILER_BYTES,
)

_CHUNKED = b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n"


def check_requests(wire: bytes) -> None:
    """Only a client's errors; the same at every split; never more unread than a head may have."""
    _check(wire, requests_in, (BadRequest, ClientDisconnected), MAX_REQUEST_HEAD_BYTES)
    _check(wire, lambda pieces: requests_in(pieces, then_end=True), (BadRequest, ClientDisconnected), None)


def check_responses(wire: bytes) -> None:
    """Only an upstream's errors; the same at every split, to a GET and to a HEAD."""
    for method in ("GET", "HEAD"):
        _check(
            wire,
            partial(_responses, method),
            (UpstreamProtocolError, UpstreamDisconnected),
            MAX_RESPONSE_HEAD_BYTES if method == "GET" else None,
        )


def check_chunks(wire: bytes) -> None:
    """A chunked body: the same at every split, and what is accepted is what a plain reading of RFC 9112 7.1 says."""
    told = requests_in([_CHUNKED + wire])
    for pieces in splits(wire):
        check_same(told.comparable, requests_in([_CHUNKED, *pieces]).comparable)
    if told.ends:
        content = told.seen[1] if isinstance(told.seen[1], bytes) else b""
        assert content == _plainly_dechunked(wire)
    elif told.error is None:
        assert len(told.unread) <= max(MAX_CHUNK_LINE_BYTES, MAX_TRAILER_BYTES)


def check_same(whole: list[object], cut: list[object]) -> None:
    """
    The same, but for two things: body bytes right before an error may or may not have been told already, and a line
    that can never become a request is refused as such a little earlier than it could be refused for its version.
    """
    if whole and isinstance(whole[-1], tuple):
        whole, cut = _without_last_piece(whole), _without_last_piece(cut)
        assert isinstance(cut[-1], tuple)
        whole, cut = whole[:-1], cut[:-1]
    assert whole == cut


def _responses(method: str, pieces: list[bytes]) -> Told:
    return responses_in(pieces, method, then_end=True)


def _check(
    wire: bytes, read: Callable[[list[bytes]], Told], errors: tuple[type[IronProxyError], ...], most_unread: int | None
) -> None:
    whole = read([wire])
    assert whole.error is None or isinstance(whole.error, errors)
    # Behind the end of the last message it is the next reader's, and the bound of a head is the largest of all.
    if most_unread is not None and whole.error is None and not whole.ends:
        assert len(whole.unread) <= most_unread + 3
    for pieces in splits(wire):
        check_same(whole.comparable, read(pieces).comparable)


def _without_last_piece(said: list[object]) -> list[object]:
    return [*said[:-2], said[-1]] if len(said) > 1 and isinstance(said[-2], bytes) else said


def _plainly_dechunked(wire: bytes) -> bytes:
    """The content of a body that is known to be well formed."""
    content = b""
    while True:
        line, _, wire = wire.partition(b"\r\n")
        size = int(line.partition(b";")[0].strip(b" \t"), 16)
        if not size:
            return content
        content, wire = content + wire[:size], wire[size + 2 :]
