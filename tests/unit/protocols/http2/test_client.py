"""The client's role: when a stream can be opened, responses,
and what becomes of the streams of an upstream that leaves."""

import pytest
from tests.wire.http2_frames import (
    OK,
    client_with_requests,
    data,
    failure,
    frame,
    frames_in,
    go_away,
    headers,
    opened_client,
    reset,
    settings,
)  # fmt: skip

from iron_proxy.errors import IronProxyError, UpstreamDisconnected, UpstreamProtocolError
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http1.framing import CHUNKED, NO_BODY, Length
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    DataReceived,
    Event,
    PeerGoingAway,
    ResponseReceived,
    StreamEnded,
    StreamFailed,
    StreamReset,
    TrailersReceived,
)  # fmt: skip
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.hpack import FieldDecoder


def response(events: list[Event]) -> ResponseReceived:
    assert isinstance(events[0], ResponseReceived), events
    return events[0]


def test_a_request_is_sent_and_its_response_received() -> None:
    client = opened_client()

    stream = client.send_head("POST", "https", b"ok.test", b"/a", [(b"X-A", b"b")], length=5, end=False)
    client.send_data(stream, b"hello", end=True)
    head, body = frames_in(client.take_outgoing())
    events = client.receive(
        headers(1, [*OK, (b"x-b", b"c")], end=False) + data(1, b"world") + headers(1, [(b"t", b"u")])
    )

    assert (head[:3], body) == ((1, 0x4, 1), (0, 1, 1, b"hello"))
    assert FieldDecoder(1000).decode(head[3])[4:] == [(b"x-a", b"b", False), (b"content-length", b"5", False)]
    assert (response(events).head.status, list(response(events).head.pairs)) == (200, [(b"x-b", b"c")])
    assert response(events).head.framing is CHUNKED
    assert events[1:] == [DataReceived(1, b"world", 5), TrailersReceived(1, Fields([(b"t", b"u")])), StreamEnded(1)]
    assert client.open_streams == 0


def test_an_answer_that_repeats_is_the_same_object_head_and_trailers() -> None:
    client, answers = opened_client(), []
    for value in (b"1", b"1", b"1", b"2"):
        stream = client.send_head("GET", "https", b"ok.test", b"/", [], end=True)
        wire = headers(stream, [*OK, (b"x-a", value)], end=False) + headers(stream, [(b"x-t", value)])
        answers.append(client.receive(wire))

    heads = [response(events).head for events in answers]
    trailers = [event.pairs for events in answers for event in events if isinstance(event, TrailersReceived)]
    assert heads[0] is heads[1] is heads[2]
    assert trailers[0] is trailers[1] is trailers[2]
    assert list(heads[3].pairs) == [(b"x-a", b"2")]
    assert list(trailers[3]) == [(b"x-t", b"2")]


def test_streams_are_numbered_oddly_and_upwards() -> None:
    client = opened_client()

    assert [client.send_head("GET", "https", b"a", b"/", [], end=True) for _ in range(3)] == [1, 3, 5]


def test_a_request_that_would_not_be_well_formed_opens_no_stream() -> None:
    client = opened_client()

    with pytest.raises(IronProxyError):
        client.send_head("GET", "https", b"a", b"/\r\n", [], end=True)

    assert client.open_streams == 0
    assert client.take_outgoing() == b""
    assert client.send_head("GET", "https", b"a", b"/", [], end=True) == 1


@pytest.mark.parametrize(
    ("method", "pairs", "framing", "declared"),
    [
        ("HEAD", [*OK, (b"content-length", b"5")], NO_BODY, 5),
        ("GET", [(b":status", b"304"), (b"content-length", b"5")], NO_BODY, 5),
    ],
)
def test_a_response_without_a_body_may_say_its_length(
    method: str, pairs: list[tuple[bytes, bytes]], framing: object, declared: int
) -> None:
    head = response(client_with_requests(1, method).receive(headers(1, pairs))).head

    assert (head.framing, head.declared_length) == (framing, declared)


def test_the_method_of_each_stream_is_remembered() -> None:
    client = opened_client()
    for method in ("HEAD", "GET"):
        client.send_head(method, "https", b"a", b"/", [], end=True)
    sized = [*OK, (b"content-length", b"5")]

    head, get = client.receive(headers(1, sized, end=False) + headers(3, sized, end=False))

    assert isinstance(head, ResponseReceived)
    assert isinstance(get, ResponseReceived)
    assert (head.head.framing, get.head.framing) == (NO_BODY, Length(5))


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_body_where_there_is_none_fails_the_stream(method: str) -> None:
    client = client_with_requests(1, method)
    status = b"200" if method == "HEAD" else b"304"

    events = client.receive(headers(1, [(b":status", status)], end=False) + data(1, b"x"))

    assert isinstance(events[-1], StreamFailed)


def test_interim_responses_come_before_the_final_one() -> None:
    events = client_with_requests().receive(
        headers(1, [(b":status", b"103"), (b"link", b"x")], end=False) + headers(1, OK, end=True)
    )

    assert [event.head.status for event in events if isinstance(event, ResponseReceived)] == [103, 200]


def test_interim_responses_without_end_fail_the_stream() -> None:
    events = client_with_requests().receive(headers(1, [(b":status", b"100")], end=False) * 17)

    assert len(events) == 17
    assert isinstance(events[-1], StreamFailed)


@pytest.mark.parametrize(
    "wire",
    [
        headers(1, [(b"x-a", b"b")]),
        headers(1, [(b":status", b"101")], end=False),
        headers(1, [(b":status", b"100")]),
        headers(1, [*OK, (b"content-length", b"5")]),
        headers(1, [*OK, (b"content-length", b"5")], end=False) + data(1, b"hell", end=True),
        headers(1, [*OK, (b"content-length", b"5")], end=False) + data(1, b"hello!"),
        headers(1, OK, end=False) + headers(1, OK),
        headers(1, OK, end=False) + headers(1, [(b"x-t", b"1")], end=False),
        data(1, b"before the head"),
    ],
)
def test_a_response_that_breaks_a_rule_fails_its_stream_and_no_other(wire: bytes) -> None:
    client = client_with_requests(2)

    events = client.receive(wire)

    assert isinstance(events[-1], StreamFailed)
    assert isinstance(events[-1].error, UpstreamProtocolError)
    assert StreamEnded(1) not in events
    assert frames_in(client.take_outgoing()) == [(3, 0, 1, b"\0\0\0\1")]
    assert response(client.receive(headers(3, OK))).ends


def test_an_upstream_may_answer_and_then_stop_the_upload() -> None:
    client = client_with_requests(1, "POST", end=False)

    events = client.receive(headers(1, OK) + reset(1, 0))

    assert response(events).ends
    assert events[1:] == [StreamReset(1, ErrorCode.NO_ERROR)]
    with pytest.raises(UpstreamDisconnected):
        client.send_data(1, b"x", end=False)


@pytest.mark.parametrize("wire", [headers(2, OK), headers(9, OK), data(2, b"x"), headers(4, [])])
def test_an_upstream_opens_no_streams(wire: bytes) -> None:
    assert failure(client_with_requests().receive(wire)).code == ErrorCode.PROTOCOL_ERROR


def test_the_upstreams_limit_of_streams_is_kept() -> None:
    client = opened_client()
    client.receive(settings((3, 2)))

    for _ in range(2):
        assert client.can_open_stream
        client.send_head("GET", "https", b"a", b"/", [], end=True)
    assert not client.can_open_stream
    with pytest.raises(UpstreamDisconnected):
        client.send_head("GET", "https", b"a", b"/", [], end=True)

    client.receive(headers(1, OK))
    assert client.can_open_stream


def test_we_open_no_more_than_our_window_is_made_for() -> None:
    client = opened_client()
    client.receive(settings((3, 2**31)))

    client_streams = 0
    while client.can_open_stream:
        client.send_head("GET", "https", b"a", b"/", [], end=True)
        client_streams += 1

    assert client_streams == 100


def test_an_upstream_that_goes_away_has_not_seen_the_later_requests() -> None:
    client = client_with_requests(3)

    events = client.receive(go_away(3, 0))

    assert events == [StreamReset(5, ErrorCode.REFUSED_STREAM), PeerGoingAway(3, 0)]
    assert not client.can_open_stream
    assert client.open_streams == 2
    assert response(client.receive(headers(1, OK))).ends


@pytest.mark.parametrize("how", ["we go away", "the connection failed", "no number is left"])
def test_no_stream_is_opened_on_a_connection_that_ends(how: str) -> None:
    client = opened_client()
    if how == "we go away":
        client.go_away()
    elif how == "the connection failed":
        client.receive(frame(6, 0, 1, b"12345678"))
    else:
        client._next_stream = 2**31 + 1

    assert not client.can_open_stream


def test_a_client_says_preface_and_settings_first() -> None:
    wire = Http2Client().take_outgoing()

    assert wire.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert [kind for kind, *_ in frames_in(wire)] == [4, 8]
    assert b"\0\2\0\0\0\0" in frames_in(wire)[0][3]  # no push


def test_a_body_that_comes_after_we_gave_it_up_is_dropped() -> None:
    client = client_with_requests()
    client.receive(headers(1, OK, end=False))

    client.reset(1)

    assert client.receive(data(1, b"x" * 1000) + headers(1, [(b"x-t", b"1")])) == []
    assert not client.has_failed
