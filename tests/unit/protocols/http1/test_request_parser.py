"""Requests: the H1 rows that are a parser's matter, each at every split of its bytes."""

from typing import Any

import pytest
from tests.wire.http1_events import every_split, requests_in

from iron_proxy.errors import BadRequest, ClientDisconnected
from iron_proxy.protocols.http1.events import NO_TRAILERS, EndOfMessage
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Length
from iron_proxy.protocols.http1.request_parser import RequestParser

NEXT = b"GET /next HTTP/1.1\r\nHost: ok.test\r\n\r\n"


def post(fields: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: ok.test\r\n" + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\nHost: ok.test\r\n" + fields + b"\r\n"


def check_refused(wire: bytes, status: int, *, then_end: bool = False) -> None:
    for pieces in every_split(wire):
        told = requests_in(pieces, then_end=then_end)
        assert told.error is not None, told.seen
        assert told.error.status == status
        assert not told.ends


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4\r\nContent-Length: 4\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: 4, 5\r\n",
    ],
    ids=["H1-01", "H1-01 the other way round", "H1-03 4/5", "H1-03 4/4", "H1-03 4, 4", "H1-03 4, 5"],
)
def test_a_body_whose_end_two_readers_could_disagree_on_is_refused(fields: bytes) -> None:
    check_refused(post(fields, b"0\r\n\r\nGET /smug HTTP/1.1\r\nHost: ok.test\r\n\r\n"), 400)


@pytest.mark.parametrize(
    "value",
    [b"+4", b"-1", b"-0", b"0x4", b"4_0", b"4 4", b"1e1", b"", b"4;", b"9" * 20, b"\xd9\xa4", b"4\t4", b"4.0"],
)
def test_a_length_that_is_not_plain_digits_is_refused(value: bytes) -> None:  # H1-04
    check_refused(post(b"Content-Length: " + value + b"\r\n", b"body"), 400)


@pytest.mark.parametrize(
    "value",
    [b"xchunked", b"chunked, identity", b"identity", b"chunked, chunked", b"gzip, chunked", b"chunked;q=1",
     b'"chunked"', b"", b"chunked,", b"chunked\r\nTransfer-Encoding: chunked", b"\x0bchunked"],
)  # fmt: skip
def test_a_transfer_coding_other_than_one_plain_chunked_is_refused(value: bytes) -> None:  # H1-06
    check_refused(post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"), 400)


def test_chunks_in_an_http_1_0_request_are_refused() -> None:
    check_refused(b"POST / HTTP/1.0\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)


@pytest.mark.parametrize(
    "size",
    [b"+5", b"-5", b"0x5", b"5_0", b" 5", b"5 ", b"G", b"", b"0" * 16 + b"5", b"5\0", b"5\t", b"\xd9\xa5", b"5 5",
     b"5\x0b", b"5;a\0b", b"5;a\rb", b"5,"],
)  # fmt: skip
def test_a_chunk_size_that_is_not_plain_hexadecimal_is_refused(size: bytes) -> None:  # H1-08
    check_refused(chunked(size + b"\r\nhello\r\n0\r\n\r\n"), 400)


@pytest.mark.parametrize(
    "body",
    [b"5\nhello\n0\n\n", b"5\r\nhello\n0\r\n\r\n", b"5\rhello\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
     b"5\r\nhell\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n",
     b"0\r\nX\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\nX: a\0b\r\n\r\n", b"0\r\n\n\r\n\r\n",
     b"0\r\nX: a\nY: b\r\n\r\n"],
)  # fmt: skip
def test_chunks_that_do_not_end_where_they_should_are_refused(body: bytes) -> None:  # H1-10
    check_refused(chunked(body), 400)


@pytest.mark.parametrize(
    "wire",
    [
        chunked(b"0\r\nX"),
        chunked(b"0\r\n"),
        chunked(b"0\r\n\r"),
        chunked(b"5\r\nhel"),
        chunked(b"5\r\nhello"),
        chunked(b"5\r\nhello\r\n"),
        chunked(b"5\r"),
        chunked(b""),
        post(b"Content-Length: 5\r\n", b"hell"),
        post(b"Content-Length: 5\r\n"),
        b"GET / HTTP/1.1\r\nHost: ok.test\r\n",
        b"GET /",
        b"G",
    ],
)
def test_an_end_in_the_middle_never_makes_a_complete_message(wire: bytes) -> None:
    for pieces in every_split(wire):
        told = requests_in(pieces, then_end=True)
        assert isinstance(told.error, ClientDisconnected)
        assert not told.ends


@pytest.mark.parametrize(
    "field",
    [b"Content-Length : 4", b"Host\t: ok.test", b"Transfer-Encoding\x0b: chunked", b"X: a\0b",
     b"X: a\rHost: other.test", b"X: a\x7f", b"X: a\x01", b": x", b"Ho st: a", b"Host\0: a", b"X(: a",
     b"X\xc3\xa9: a", b"no colon", b"X: a\r\n folded", b"X: a\r\n\tfolded", b"X: a\nY: b", b"\rX: a", b"\x00"],
)  # fmt: skip
def test_a_malformed_field_is_refused(field: bytes) -> None:  # H1-13, H1-15
    check_refused(get(field + b"\r\n") + NEXT, 400)


def test_a_first_field_that_would_fold_into_the_request_line_is_refused() -> None:  # H1-13
    check_refused(b"GET / HTTP/1.1\r\n Host: ok.test\r\n\r\n", 400)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET\t/\tHTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.10", 400),
        (b"GET / HTTP/1.2", 400),
        (b"GET / HTTP/11", 400),
        (b"GET / HTTP/1,1", 400),
        (b"GET /", 400),
        (b"GET", 400),
        (b"G\xc3\x89T / HTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b"GET /\x00 HTTP/1.1", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"\nGET / HTTP/1.1", 400),
        (b"\x16\x03\x01 / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r", 400),
    ],
)
def test_a_malformed_request_line_is_refused(line: bytes, status: int) -> None:  # H1-17
    check_refused(get(line=line), status)


@pytest.mark.parametrize(
    "wire", [b"\x16\x03\x01\x02\x00\x01", b"\x05\x01\x00", b"\0", b"\xff", b" ", b"(", b"\r\n\x16"]
)
def test_what_can_never_become_a_request_is_refused_before_it_has_ended(wire: bytes) -> None:
    check_refused(wire, 400)


def test_nothing_a_client_sent_is_quoted_in_an_error() -> None:
    error = requests_in([get(b"Authorization : secret-token\r\n")]).error

    assert isinstance(error, BadRequest)
    assert "secret" not in str(error)


# --- what is read ---------------------------------------------------------------------------------------------------


def check_read(wire: bytes, *expected: object, **facts: Any) -> None:
    """`expected` is what follows the head; `facts` are some of the head's."""
    for pieces in every_split(wire):
        told = requests_in(pieces)
        assert told.seen[1:] == list(expected)
        assert {name: told.head[name] for name in facts} == facts


@pytest.mark.parametrize(
    ("wire", "expected", "facts"),
    [
        (get(), [NO_TRAILERS], {"method": "GET", "target": b"/", "minor_version": 1, "framing": NO_BODY}),
        (b"\r\n" + get(), [NO_TRAILERS], {"target": b"/"}),
        (get(line=b"M-SEARCH * HTTP/1.1"), [NO_TRAILERS], {"method": "M-SEARCH", "target": b"*"}),
        (get(line=b"GET /caf\xc3\xa9?a=[1]# HTTP/1.1"), [NO_TRAILERS], {"target": b"/caf\xc3\xa9?a=[1]#"}),
        (get(line=b"GET http://ok.test/ HTTP/1.0"), [NO_TRAILERS], {"target": b"http://ok.test/", "minor_version": 0}),
        (post(b"Content-Length: 5\r\n", b"hello"), [b"hello", NO_TRAILERS], {"framing": Length(5)}),
        (post(b"Content-Length: 0\r\n"), [NO_TRAILERS], {"framing": NO_BODY}),
        (post(b"content-LENGTH:005\r\n", b"hello"), [b"hello", NO_TRAILERS], {"framing": Length(5)}),
        (get(b"Content-Length: 5\r\n") + b"hello", [b"hello", NO_TRAILERS], {"method": "GET"}),
        (chunked(b"0\r\n\r\n"), [NO_TRAILERS], {"framing": CHUNKED}),
        (chunked(b"5\r\nhello\r\n0\r\n\r\n"), [b"hello", NO_TRAILERS], {"framing": CHUNKED}),
        (chunked(b"2\r\nhe\r\n00003\r\nllo\r\n000\r\n\r\n"), [b"hello", NO_TRAILERS], {}),
        (chunked(b"A;x=\"y\";z\r\n0123456789\r\n0 ;last\r\n\r\n"), [b"0123456789", NO_TRAILERS], {}),
        (chunked(b"4\r\n\r\n\r\n\r\n0\r\n\r\n"), [b"\r\n\r\n", NO_TRAILERS], {}),
        (post(b"Transfer-Encoding:  CHUNKED \r\n", b"0\r\n\r\n"), [NO_TRAILERS], {"framing": CHUNKED}),
    ],
    ids=[
        "a GET", "one empty line before", "an unusual method", "an unusual target", "absolute form, HTTP/1.0",
        "a sized body", "a size of none", "a size with zeros before it", "a GET with a body (H1-29)",
        "chunks: none", "chunks: one", "chunks: two", "chunk extensions", "chunks of line ends",
        "padding around a value",
    ],
)  # fmt: skip
def test_a_well_formed_request_is_the_same_however_it_arrives(
    wire: bytes, expected: list[object], facts: dict[str, Any]
) -> None:
    check_read(wire, *expected, **facts)


def test_fields_are_kept_in_spelling_order_and_bytes() -> None:
    fields = b"X-b: 1\r\nX-A:2\r\nx-B: \t 3 \t\r\nX-Empty:\r\nX-Latin: caf\xe9\r\nX-Colon: a:b: c\r\nX-Tab: a\tb\r\n"

    check_read(
        get(fields),
        NO_TRAILERS,
        pairs=[
            (b"X-b", b"1"), (b"X-A", b"2"), (b"x-B", b"3"), (b"X-Empty", b""), (b"X-Latin", b"caf\xe9"),
            (b"X-Colon", b"a:b: c"), (b"X-Tab", b"a\tb"),
        ],
    )  # fmt: skip


def test_what_is_about_the_connection_is_a_fact_of_the_head_and_no_field() -> None:
    fields = (
        b"Connection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers, deflate\r\nKeep-Alive: 5\r\nTrailer: X\r\n"
        b"Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nExpect: 100-Continue\r\nX-Kept: 1\r\n"
        b"Content-Length: 1\r\nHOST: second.test\r\n"
    )

    check_read(
        get(fields) + b"x",
        b"x",
        NO_TRAILERS,
        pairs=[(b"X-Kept", b"1")],
        host_fields=[b"ok.test", b"second.test"],
        connection=frozenset((b"upgrade", b"te")),
        upgrade=[b"websocket"],
        te_trailers=True,
        expect=b"100-continue",
        proxy_authorization=b"Basic eDp5",
        keep_alive=True,
    )


def test_a_head_without_them_says_so() -> None:
    check_read(
        b"GET / HTTP/1.1\r\n\r\n",
        NO_TRAILERS,
        pairs=[],
        host_fields=[],
        connection=frozenset(),
        upgrade=[],
        te_trailers=False,
        expect=None,
        proxy_authorization=None,
    )


def test_a_field_that_connection_names_ends_here() -> None:  # HDR-04
    fields = b"Cookie: a\r\nConnection: Cookie, close ,x-TRACE\r\nX-Trace: 1\r\nX-Custom: 2\r\n"

    check_read(get(fields), NO_TRAILERS, pairs=[(b"X-Custom", b"2")], keep_alive=False)


@pytest.mark.parametrize("named", [b"Host", b"Content-Length", b"Transfer-Encoding"])
def test_connection_cannot_take_away_what_frames_or_routes(named: bytes) -> None:
    check_read(
        post(b"Connection: " + named + b"\r\nContent-Length: 2\r\n", b"ok"),
        b"ok",
        NO_TRAILERS,
        framing=Length(2),
        host_fields=[b"ok.test"],
    )


@pytest.mark.parametrize(
    ("line", "connection", "keep_alive"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.1", b"Connection: keep-alive, CLOSE\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: ,, \r\n", True),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", True),
        (b"GET / HTTP/1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_whether_the_connection_goes_on_is_read_from_version_and_options(
    line: bytes, connection: bytes, keep_alive: bool
) -> None:
    check_read(get(connection, line), NO_TRAILERS, keep_alive=keep_alive)


@pytest.mark.parametrize(
    ("line", "fields", "expect"),
    [
        (b"GET / HTTP/1.1", b"EXPECT: 100-CONTINUE\r\n", b"100-continue"),
        (b"GET / HTTP/1.1", b"Expect: foo\r\n", b"foo"),
        (b"GET / HTTP/1.1", b"Expect: 100-continue\r\nExpect: foo\r\n", b"100-continue, foo"),
        (b"GET / HTTP/1.0", b"Expect: 100-continue\r\n", None),
    ],
    ids=["in any case", "an unknown one", "two of them", "not for HTTP/1.0"],
)
def test_an_expectation_is_for_us_and_never_passed_on(line: bytes, fields: bytes, expect: bytes | None) -> None:
    check_read(get(fields, line), NO_TRAILERS, expect=expect, pairs=[])


def test_trailers_keep_what_is_harmless_and_lose_what_would_frame_route_or_authenticate() -> None:  # H1-11
    trailers = (
        b"0\r\nContent-Length: 9\r\nHost: other.test\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\n"
        b"Cookie: c\r\nGrpc-Status: 0\r\nConnection: close\r\nset-cookie: d\r\n\r\n"
    )
    wire = chunked(b"1\r\nx\r\n" + trailers) + NEXT

    for pieces in every_split(wire):
        told = requests_in(pieces)
        assert told.ends == [EndOfMessage([(b"Grpc-Status", b"0")]), NO_TRAILERS]
        assert told.head["pairs"] == []
        assert told.seen[3]["target"] == b"/next"  # type: ignore[call-overload, index]  # the second head


# --- one message after the other ------------------------------------------------------------------------------------


def test_pipelined_requests_come_one_after_the_other() -> None:
    wire = get() + post(b"Content-Length: 3\r\n", b"abc") + chunked(b"1\r\nx\r\n0\r\n\r\n") + NEXT

    for pieces in every_split(wire):
        told = requests_in(pieces)
        assert [each for each in told.seen if not isinstance(each, dict)] == [
            NO_TRAILERS, b"abc", NO_TRAILERS, b"x", NO_TRAILERS, NO_TRAILERS,
        ]  # fmt: skip
        assert told.unread == b""


def test_nothing_behind_a_message_is_read_before_start_next() -> None:
    parser = RequestParser()
    parser.receive(get() + b"\x16\x03\x01 not HTTP")
    assert parser.next_event() is not None
    assert parser.next_event() == NO_TRAILERS

    assert parser.next_event() is None
    assert not parser.is_mid_message
    assert parser.take_unread() == b"\x16\x03\x01 not HTTP"


def test_two_empty_lines_before_a_request_are_one_too_many() -> None:
    check_refused(b"\r\n\r\n" + get(), 400)


def test_each_request_may_have_its_empty_line() -> None:
    wire = b"\r\n" + get() + b"\r\n" + NEXT

    for pieces in every_split(wire):
        assert requests_in(pieces).ends == [NO_TRAILERS, NO_TRAILERS]


@pytest.mark.parametrize("before", [b"", b"\r\n", get(), get() + b"\r\n"])
def test_an_end_between_two_messages_is_the_orderly_one(before: bytes) -> None:
    for pieces in every_split(before):
        assert requests_in(pieces, then_end=True).error is None


@pytest.mark.parametrize(
    ("wire", "mid_message"),
    [(b"", False), (b"\r\n", False), (b"G", True), (get()[:-1], True), (post(b"Content-Length: 5\r\n", b"hell"), True)],
)
def test_the_parser_knows_whether_a_message_has_begun(wire: bytes, mid_message: bool) -> None:
    parser = RequestParser()
    parser.receive(wire)
    while parser.next_event() is not None:
        pass

    assert parser.is_mid_message is mid_message
