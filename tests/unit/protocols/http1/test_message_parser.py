"""How much of a message is held before it must make sense: exactly the stated amount, however it arrives."""

from collections.abc import Callable, Iterator

import pytest
from tests.fakes.collector import left_to_the_collector
from tests.wire.http1_events import Told, every_split, requests_in, responses_in
from tests.wire.pieces import cut_at, in_pieces

from iron_proxy.errors import BadRequest, IronProxyError
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http1.events import NO_TRAILERS, RequestHead, ResponseHead
from iron_proxy.protocols.http1.limits import (
    MAX_CHUNK_LINE_BYTES,
    MAX_FIELDS,
    MAX_INFORMATIONAL,
    MAX_REMEMBERED_HEAD_BYTES,
    MAX_REQUEST_HEAD_BYTES,
    MAX_RESPONSE_HEAD_BYTES,
    MAX_TRAILER_BYTES,
)
from iron_proxy.protocols.http1.request_parser import RequestParser
from iron_proxy.protocols.http1.response_parser import ResponseParser

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


# --- heads that come again ------------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: ok.test\r\nX: 1\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 2\r\n\r\nok"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def heads_in(wire: bytes) -> Iterator[RequestHead]:
    parser = RequestParser()
    parser.receive(wire)
    while (event := parser.next_event()) is not None:
        if isinstance(event, RequestHead):
            yield event
        elif event is NO_TRAILERS:
            parser.start_next()


def plain(told: Told) -> list[object]:
    return [{**each, "pairs": list(each["pairs"])} if isinstance(each, dict) else each for each in told.seen]


@pytest.mark.parametrize(
    "message", [GET, PUT, b"\r\n" + GET], ids=["without a body", "with one", "an empty line first"]
)
def test_a_request_that_comes_again_is_read_as_the_first_time_however_it_is_cut(message: bytes) -> None:
    alone = plain(requests_in([message]))

    for pieces in every_split(message * 4):
        told = requests_in(pieces)
        assert [each for each in plain(told) if isinstance(each, dict)] == [alone[0]] * 4
        assert (told.body, told.unread) == (requests_in([message]).body * 4, b"")


def test_an_answer_that_comes_again_is_read_as_the_first_time_however_it_is_cut() -> None:
    for pieces in every_split(OK * 4):
        assert plain(responses_in(pieces, *["GET"] * 4)) == plain(responses_in([OK])) * 4


def test_from_the_second_on_equal_heads_are_one_object() -> None:
    first, second, third, fourth = heads_in(GET * 4)

    assert isinstance(first.pairs, list)
    assert isinstance(second.pairs, Fields)
    assert second is third is fourth


def test_what_became_of_the_first_ones_fields_does_not_show_in_the_next() -> None:
    heads = heads_in(GET * 3)
    for _ in range(2):
        head = next(heads)
        if isinstance(head.pairs, list):
            head.pairs.append((b"X-Leaked", b"1"))

    assert list(next(heads).pairs) == [(b"X", b"1")]


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"GET", b"PUT"),
        GET.replace(b"GET /", b"GET /a"),
        GET.replace(b"1.1", b"1.0", 1),
        GET.replace(b"ok.test", b"ok.tesu"),
        GET.replace(b"X: 1", b"X: 2"),
        GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    ],
    ids=["method", "target", "version", "host", "value", "one field more"],
)
def test_a_head_that_differs_in_anything_is_read_anew(other: bytes) -> None:
    told = plain(requests_in([GET * 3 + other + GET]))

    heads = [each for each in told if isinstance(each, dict)]
    assert heads[3] == plain(requests_in([other]))[0]
    assert heads[4] == heads[0] != heads[3]


def test_the_same_answer_to_another_method_has_another_body() -> None:
    head = OK.removesuffix(b"ok")

    told = responses_in([OK * 3 + head + OK], "GET", "GET", "GET", "HEAD", "GET")

    assert [each for each in told.seen if isinstance(each, bytes)] == [b"ok"] * 4
    assert len(told.ends) == 5


def test_a_violation_is_one_every_time() -> None:
    parser = ResponseParser()
    for _ in range(3):
        parser.expect("GET")
        parser.receive(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n")
        with pytest.raises(IronProxyError):
            parser.next_event()


@pytest.mark.parametrize(
    "long",
    [
        padded(REQUEST, MAX_REMEMBERED_HEAD_BYTES, b"\r\n\r\n"),
        GET.replace(b"/", b"/" + b"a" * MAX_REMEMBERED_HEAD_BYTES, 1),
    ],
    ids=["fields", "target"],
)
def test_long_heads_are_not_kept_for_the_next(long: bytes) -> None:
    heads = list(heads_in(GET * 3 + long * 4))

    assert all(isinstance(head.pairs, list) for head in heads[3:])


def test_a_repeated_response_head_is_one_object_too() -> None:
    parser = ResponseParser()
    heads = []
    for _ in range(3):
        parser.expect("GET")
        parser.receive(OK)
        heads.append(parser.next_event())
        assert parser.next_event() == b"ok"

    assert heads[1] is heads[2]
    assert isinstance(heads[2], ResponseHead)


@pytest.mark.parametrize(
    ("make", "wire"),
    [(RequestParser, b""), (RequestParser, CHUNKED + b"5\r\nab"), (ResponseParser, b"HTTP/1.1 200 OK\r\n\r\nab")],
)
def test_one_that_was_let_go_does_not_wait_for_the_collector(
    make: type[RequestParser | ResponseParser], wire: bytes
) -> None:
    def read() -> None:
        parser = make()
        parser.receive(wire)
        while parser.next_event() is not None:
            pass
        parser.let_go()
        assert parser.next_event() is None

    assert left_to_the_collector(read) == 0
