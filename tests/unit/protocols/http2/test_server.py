"""The server's role: which streams may be opened, what becomes of malformed requests, and responses."""

import pytest
from tests.wire.http2_frames import (
    GET,
    OPENING,
    POST,
    block,
    comparable,
    data,
    failure,
    frame,
    frames_in,
    go_away,
    headers,
    opened_server,
    reset,
)  # fmt: skip

from iron_proxy.errors import ClientDisconnected, IronProxyError
from iron_proxy.protocols.http2.events import RequestReceived, StreamRefused, StreamReset
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.hpack import FieldDecoder
from iron_proxy.protocols.http2.server import Http2Server


def test_a_request_is_received_and_answered() -> None:
    server = opened_server()

    [event] = server.receive(headers(1, [*GET, (b"x-a", b"b")]))
    server.send_head(1, 200, [(b"X-B", b"c")], length=5, end=False)
    server.send_data(1, b"hello", end=True)

    assert isinstance(event, RequestReceived)
    assert (event.stream_id, event.head.method, list(event.head.pairs), event.ends) == (
        1,
        "GET",
        [(b"x-a", b"b")],
        True,
    )
    head, body = frames_in(server.take_outgoing())
    assert FieldDecoder(1000).decode(head[3]) == [
        (b":status", b"200", False), (b"x-b", b"c", False), (b"content-length", b"5", False)
    ]  # fmt: skip
    assert body == (0, 1, 1, b"hello")
    assert server.open_streams == 0


def test_interim_responses_leave_the_stream_open() -> None:
    server = opened_server()
    server.receive(headers(1, GET))

    server.send_head(1, 103, [(b"link", b"x")], end=True)
    server.send_head(1, 204, [], end=True)

    assert [flags for _, flags, _, _ in frames_in(server.take_outgoing())] == [0x4, 0x5]


def test_a_head_that_would_not_be_well_formed_leaves_the_stream_open() -> None:
    server = opened_server()
    server.receive(headers(1, GET))

    with pytest.raises(IronProxyError):
        server.send_head(1, 200, [(b"x-a", b"b\r\nx: y")], end=True)
    server.send_head(1, 502, [], end=True)

    assert len(frames_in(server.take_outgoing())) == 1


def test_a_request_that_repeats_another_has_the_same_head() -> None:
    server = opened_server()

    first, second, other = server.receive(headers(1, GET) + headers(3, GET) + headers(5, GET, end=False))

    assert isinstance(first, RequestReceived)
    assert isinstance(second, RequestReceived)
    assert isinstance(other, RequestReceived)
    assert first.head is second.head
    assert other.head is not first.head


def test_what_the_client_wants_no_table_to_keep_is_named() -> None:
    [event] = opened_server().receive(frame(1, 0x5, 1, block(GET) + block([(b"x-key", b"s")], first=0x10)))

    assert isinstance(event, RequestReceived)
    assert event.never_indexed == {b"x-key"}


@pytest.mark.parametrize("end", [True, False], ids=["whole", "with a body to come"])
def test_a_malformed_request_is_reported_and_can_be_answered(end: bool) -> None:
    server = opened_server()

    [event] = server.receive(headers(1, [*GET, (b"connection", b"close")], end=end))
    assert isinstance(event, StreamRefused)
    assert (event.error.status, event.head.method, event.head.host_fields) == (400, "GET", [b"ok.test"])
    if not end:
        assert server.receive(data(1, b"dropped") + headers(1, GET, end=False)) == []

    server.send_head(1, 400, [], length=0, end=True)
    assert server.is_open(1) != end
    if not end:
        assert server.receive(headers(1, [(b"x", b"y")])) == []
    assert server.open_streams == 0
    assert isinstance(server.receive(headers(3, GET))[0], RequestReceived)


def test_the_client_may_give_a_refused_request_up() -> None:
    server = opened_server()
    server.receive(headers(1, [(b"bad", b"")], end=False))

    assert server.receive(reset(1)) == [StreamReset(1, 8)]
    with pytest.raises(ClientDisconnected):
        server.send_head(1, 400, [], end=True)


def test_a_head_that_is_too_large_is_431_and_the_connection_goes_on() -> None:
    server = opened_server()

    wire = block([*GET, *((b"x-%d" % number, b"v" * 40) for number in range(900))])
    pieces = [wire[at : at + 16_384] for at in range(0, len(wire), 16_384)]
    events = server.receive(frame(1, 1, 1, pieces[0]))
    for index, piece in enumerate(pieces[1:]):
        events = server.receive(frame(9, 4 if index == len(pieces) - 2 else 0, 1, piece))

    [event] = events
    assert isinstance(event, StreamRefused)
    assert event.error.status == 431
    assert isinstance(server.receive(headers(3, GET))[0], RequestReceived)


def test_a_plain_connection_has_the_plain_scheme() -> None:
    server = Http2Server("http")

    events = server.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + headers(1, GET))

    assert isinstance(events[-1], StreamRefused)


@pytest.mark.parametrize("stream", [2, 4], ids=["even", "even again"])
def test_a_client_opens_odd_streams_only(stream: int) -> None:
    assert failure(opened_server().receive(headers(stream, GET))).code == ErrorCode.PROTOCOL_ERROR


def test_a_stream_that_was_passed_over_cannot_be_opened() -> None:
    server = opened_server()
    server.receive(headers(5, GET))

    assert failure(server.receive(headers(3, GET))).code == ErrorCode.STREAM_CLOSED


def test_a_stream_too_many_is_refused_and_nothing_else() -> None:
    server = opened_server()
    for stream in range(1, 201, 2):
        assert len(server.receive(headers(stream, POST, end=False))) == 1

    assert server.receive(headers(201, GET)) == []
    assert frames_in(server.take_outgoing()) == [(3, 0, 201, b"\0\0\0\7")]

    server.receive(reset(1))
    assert isinstance(server.receive(headers(203, GET))[0], RequestReceived)


def test_streams_after_our_farewell_are_refused_and_those_before_it_go_on() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    server.go_away()

    assert server.receive(headers(3, GET)) == []
    assert frames_in(server.take_outgoing())[-1] == (3, 0, 3, b"\0\0\0\7")
    assert len(server.receive(data(1, b"x", end=True))) == 2


def test_a_farewell_in_advance_still_takes_what_is_under_way() -> None:
    server = opened_server()

    server.go_away(last_stream=2**31 - 1)
    assert isinstance(server.receive(headers(1, GET))[0], RequestReceived)
    server.go_away()

    assert server.receive(headers(3, GET)) == []


def test_a_client_that_goes_away_is_still_answered() -> None:
    server = opened_server()
    server.receive(headers(1, GET))

    assert comparable(server.receive(go_away(0))) == ["PeerGoingAway(last_stream_id=0, code=0)"]
    server.send_head(1, 200, [], end=True)


def test_the_first_frame_states_our_limits() -> None:
    first = frames_in(Http2Server("https").take_outgoing())[0]

    values = {
        int.from_bytes(first[3][at : at + 2], "big"): int.from_bytes(first[3][at + 2 : at + 6], "big")
        for at in (0, 6, 12)
    }
    assert values == {3: 100, 4: 262_144, 6: 65_536}  # and not 8: no extended CONNECT


def test_fewer_streams_are_stated_and_kept_to() -> None:
    server = Http2Server("https", max_streams=2)
    first = frames_in(server.take_outgoing())[0]
    assert first[3][:6] == b"\x00\x03\x00\x00\x00\x02"

    server.receive(OPENING + headers(1, GET) + headers(3, GET))
    server.take_outgoing()

    assert server.receive(headers(5, GET)) == []
    assert [frame[0] for frame in frames_in(server.take_outgoing())] == [3]      # RST_STREAM
