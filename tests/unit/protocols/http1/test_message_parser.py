"""How much of a message is held before it must make sense: exactly the stated amount, however it arrives."""

from collections.abc import Callable

import pytest
from tests.wire.http1_events import Told, requests_in, responses_in
from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.errors import BadRequest, IronProxyError
from iron_proxy.protocols.http1.events import NO_TRAILERS
from iron_proxy.protocols.http1.limits import (
    MAX_CHUNK_LINE_BYTES,
    MAX_FIELDS,
    MAX_INFORMATIONAL,
    MAX_REQUEST_HEAD_BYTES,
    MAX_RESPONSE_HEAD_BYTES,
    MAX_TRAILER_BYTES,
)
from iron_proxy.protocols.http1.request_parser import RequestParser

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def padded(start: bytes, size: int, end: bytes) -> bytes:
    return start + b"a" * (size - len(start)) + end


REQUEST = b"GET / HTTP/1.1\r\nX: "
RESPONSE = b"HTTP/1.1 204 No Content\r\nX: "

Read = Callable[[list[bytes]], Told]


@pytest.mark.parametrize("near_the_end", range(6))
@pytest.mark.parametrize(
    ("read", "start", "limit"),
    [(requests_in, REQUEST, MAX_REQUEST_HEAD_BYTES), (responses_in, RESPONSE, MAX_RESPONSE_HEAD_BYTES)],
    ids=["requests", "responses"],
)
def test_a_head_of_just_the_limit_is_read_and_one_byte_more_is_not(
    read: Read, start: bytes, limit: int, near_the_end: int
) -> None:
    largest = padded(start, limit, b"\r\n\r\n")
    too_large = padded(start, limit + 1, b"\r\n\r\n")

    assert read(list(cut_at(largest, [len(largest) - near_the_end]))).ends == [NO_TRAILERS]
    assert read(list(cut_at(too_large, [len(too_large) - near_the_end]))).error is not None


@pytest.mark.parametrize(
    ("read", "start", "limit", "status"),
    [(requests_in, REQUEST, MAX_REQUEST_HEAD_BYTES, 431), (responses_in, RESPONSE, MAX_RESPONSE_HEAD_BYTES, 502)],
    ids=["requests", "responses"],
)
def test_a_head_without_an_end_is_not_waited_for(read: Read, start: bytes, limit: int, status: int) -> None:
    told = read(list(in_pieces(padded(start, limit + 4, b""), 4096)))

    assert told.error is not None
    assert told.error.status == status


@pytest.mark.parametrize(
    ("read", "line", "status"),
    [(requests_in, b"GET / HTTP/1.1\r\n", 431), (responses_in, b"HTTP/1.1 204 No Content\r\n", 502)],
    ids=["requests", "responses"],
)
def test_the_number_of_fields_is_bounded(read: Read, line: bytes, status: int) -> None:
    assert read([line + b"X: y\r\n" * MAX_FIELDS + b"\r\n"]).ends == [NO_TRAILERS]

    error = read([line + b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\n"]).error

    assert error is not None
    assert error.status == status


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_chunk_line_is_bounded_extensions_and_all(cut: int) -> None:
    rest = b"x\r\n0\r\n\r\n"
    longest = padded(b"1;", MAX_CHUNK_LINE_BYTES - 2, b"\r\n")
    too_long = padded(b"1;", MAX_CHUNK_LINE_BYTES - 1, b"\r\n")

    for line, is_read in ((longest, True), (too_long, False)):
        told = requests_in(cut_at(CHUNKED + line + rest, [len(CHUNKED + line) - cut]))
        assert bool(told.ends) is is_read
        assert (told.error is None) is is_read


def test_a_chunk_line_without_an_end_is_not_waited_for() -> None:
    assert requests_in([CHUNKED, padded(b"1;", MAX_CHUNK_LINE_BYTES + 1, b"")]).error is not None


@pytest.mark.parametrize("size", [13, 1024, 100_000], ids=lambda size: f"in pieces of {size}")
def test_trailers_are_bounded(size: int) -> None:
    largest = padded(b"X: ", MAX_TRAILER_BYTES - 4, b"\r\n\r\n")
    too_large = padded(b"X: ", MAX_TRAILER_BYTES - 3, b"\r\n\r\n")

    assert requests_in([CHUNKED + b"0\r\n", *in_pieces(largest, size)]).ends
    assert requests_in([CHUNKED + b"0\r\n", *in_pieces(too_large, size)]).error is not None


@pytest.mark.parametrize("status", [b"100", b"103", b"199"])
def test_the_number_of_informational_responses_is_bounded(status: bytes) -> None:
    informational = b"HTTP/1.1 " + status + b" \r\n\r\n"
    final = b"HTTP/1.1 204 No Content\r\n\r\n"

    assert responses_in([informational * MAX_INFORMATIONAL + final]).ends == [NO_TRAILERS]
    assert isinstance(responses_in([informational * (MAX_INFORMATIONAL + 1) + final]).seen[-1], IronProxyError)


def test_small_chunks_cost_no_more_than_their_number() -> None:
    parser = RequestParser()
    parser.receive(CHUNKED)
    parser.next_event()

    parser.receive(b"1\r\nx\r\n" * 43_000 + b"0\r\n\r\n")
    pieces = list(iter(lambda: parser.next_event(), NO_TRAILERS))

    # Cutting the bytes at hand once a chunk would copy some five gigabytes here; the events show that it is not done.
    assert len(pieces) < 1000
    assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == b"x" * 43_000


@pytest.mark.parametrize("begun", [b"z", b"5\rh", b"5 x", b";", b"1" * 16, b"5;a\x00"])
def test_what_cannot_become_a_chunk_size_is_refused_without_waiting(begun: bytes) -> None:
    parser = RequestParser()
    parser.receive(b"POST / HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
    assert parser.next_event() is not None

    with pytest.raises(BadRequest, match="malformed chunk size"):
        parser.next_event()
