"""Responses: what an upstream may answer, at every split of the bytes, and how a truncated answer shows."""

from typing import Any

import pytest
from tests.wire.http1_events import every_split, responses_in

from iron_proxy.errors import UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.protocols.http1.events import NO_TRAILERS, EndOfMessage, ResponseHead
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Length
from iron_proxy.protocols.http1.response_parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
SMALL = OK + b"Content-Length: 2\r\n\r\nok"


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 2, 2\r\n\r\nok",
        OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        OK + b"X: a\0b\r\n\r\n",
        OK + b"X: a\rb\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"X: a\r\n folded\r\n\r\n",
        OK + b"X : a\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 1000 Odd\r\n\r\n",
        b"HTTP/1.1 20x Odd\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1\t200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n",
    ],
)
def test_an_answer_that_two_readers_could_take_differently_is_refused(wire: bytes) -> None:  # H1-25
    for pieces in every_split(wire):
        told = responses_in(pieces)
        assert isinstance(told.error, UpstreamProtocolError)
        assert told.error.status == 502
        assert not told.ends


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Content-Length: 5\r\n\r\n",
        OK,
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP",
    ],
)
def test_a_truncated_answer_is_never_a_complete_one(wire: bytes) -> None:  # H1-23
    for pieces in every_split(wire):
        told = responses_in(pieces, then_end=True)
        assert isinstance(told.error, UpstreamDisconnected)
        assert not told.ends


# --- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "method", "expected", "facts"),
    [
        (SMALL, "GET", [b"ok", NO_TRAILERS], {"status": 200, "reason": b"OK", "declared_length": 2}),
        (OK + b"Content-Length: 0\r\n\r\n", "GET", [NO_TRAILERS], {"framing": NO_BODY, "declared_length": 0}),
        (OK + b"Content-Length: 5\r\n\r\n", "HEAD", [NO_TRAILERS], {"framing": NO_BODY, "declared_length": 5}),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", [NO_TRAILERS], {"framing": NO_BODY}),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", [NO_TRAILERS], {"framing": NO_BODY, "declared_length": None}),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", [NO_TRAILERS], {"declared_length": 9}),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", "GET",
         [b"ok", EndOfMessage([(b"X", b"y")])], {"framing": CHUNKED, "declared_length": None}),
        (b"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", "GET", [NO_TRAILERS], {"status": 599, "reason": b""}),
        (b"HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n", "GET", [NO_TRAILERS], {"status": 999, "reason": b""}),
        (b"HTTP/1.1 200 Tr\xe8s bien\tici\r\nContent-Length: 0\r\n\r\n", "GET", [NO_TRAILERS],
         {"reason": b"Tr\xe8s bien\tici"}),
    ],
    ids=["sized", "empty", "to a HEAD", "chunked, to a HEAD", "204", "304", "chunked with trailers", "no reason phrase",
         "an empty reason phrase", "a reason phrase with any bytes"],
)  # fmt: skip
def test_a_well_formed_answer_is_the_same_however_it_arrives(
    wire: bytes, method: str, expected: list[object], facts: dict[str, Any]
) -> None:
    for pieces in every_split(wire):
        told = responses_in(pieces, method)
        assert told.seen[1:] == expected
        assert {name: told.head[name] for name in facts} == facts


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_without_a_length_ends_with_the_connection(version: bytes) -> None:
    for pieces in every_split(version + b" 200 OK\r\n\r\nall of this\r\n\r\n"):
        told = responses_in(pieces, then_end=True)
        assert told.head["framing"] == UNTIL_CLOSE
        assert told.body == b"all of this\r\n\r\n"
        assert told.ends == [NO_TRAILERS]


def test_only_an_answer_without_a_length_needs_the_connections_end() -> None:
    parser = ResponseParser()
    parser.expect("GET")
    parser.receive(OK + b"\r\n")
    assert not parser.is_until_close

    parser.next_event()

    assert parser.is_until_close


def test_informational_answers_come_before_the_final_one() -> None:
    wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + SMALL

    for pieces in every_split(wire):
        told = responses_in(pieces)
        heads = [each for each in told.seen if isinstance(each, dict)]
        assert [head["status"] for head in heads] == [100, 103, 200]
        assert heads[1]["pairs"] == [(b"Link", b"</a>")]
        assert told.body == b"ok"
        assert told.ends == [NO_TRAILERS]


def test_the_bytes_behind_a_101_are_another_protocols() -> None:
    wire = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi\r\n\r\n"

    for pieces in every_split(wire):
        told = responses_in(pieces)
        assert [head["status"] for head in told.seen if isinstance(head, dict)] == [101]
        assert told.head["upgrade"] == [b"websocket"]
        assert told.head["connection"] == frozenset((b"upgrade",))
        assert told.unread == b"\x81\x02hi\r\n\r\n"


def test_an_answer_nobody_asked_for_is_left_unread() -> None:  # H1-27
    for pieces in every_split(SMALL + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"):
        told = responses_in(pieces)
        assert told.body == b"ok"
        assert told.unread.endswith(b"\r\n\r\nEVIL")


def test_answers_to_several_requests_come_one_after_the_other() -> None:
    wire = SMALL + OK + b"Content-Length: 5\r\n\r\n" + SMALL

    for pieces in every_split(wire):
        told = responses_in(pieces, "GET", "HEAD", "GET")
        assert [each for each in told.seen if not isinstance(each, dict)] == [
            b"ok", NO_TRAILERS, NO_TRAILERS, b"ok", NO_TRAILERS,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: close\r\n", False),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_an_answer_says_whether_the_connection_goes_on(version: bytes, connection: bytes, keep_alive: bool) -> None:
    told = responses_in([version + b" 204 No Content\r\n" + connection + b"\r\n"])

    assert told.head["keep_alive"] is keep_alive


def test_what_is_about_the_upstreams_connection_is_not_passed_on() -> None:
    about_the_connection = b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTrailer: X\r\n"

    told = responses_in([OK + about_the_connection + b"Content-Length: 0\r\nX: y\r\n\r\n"])

    assert told.head["pairs"] == [(b"X", b"y")]


def test_many_cookies_and_odd_bytes_are_kept_in_order() -> None:  # HDR-08
    cookies = [(b"Set-Cookie", b"c%d=\xe9" % number) for number in range(300)]
    fields = b"".join(name + b": " + value + b"\r\n" for name, value in cookies)

    told = responses_in(
        [OK + b"Content-Length: 0\r\n" + fields + b"wWw-Authenticate: A\r\nwWw-Authenticate: B\r\n\r\n"]
    )

    assert told.head["pairs"] == [*cookies, (b"wWw-Authenticate", b"A"), (b"wWw-Authenticate", b"B")]


def test_the_orderly_end_comes_between_two_answers() -> None:
    assert responses_in([SMALL], then_end=True).error is None
    assert responses_in([], then_end=True).error is None


def test_a_new_parser_reads_the_answer_to_a_get() -> None:
    parser = ResponseParser()
    parser.receive(SMALL)

    assert isinstance(parser.next_event(), ResponseHead)
    assert parser.next_event() == b"ok"
    assert parser.next_event() == NO_TRAILERS


def test_a_body_in_hand_is_framed_by_its_length_whatever_follows() -> None:
    told = responses_in([OK + b"Content-Length: 2\r\n\r\nokX"])

    assert told.head["framing"] == Length(2)
    assert told.unread == b"X"
