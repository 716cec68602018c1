"""Our client and our server talking to each other, and each of them to an implementation that is not ours."""

from typing import Any

import jh2.config  # type: ignore[import-untyped]  # no py.typed, here and below
import jh2.connection  # type: ignore[import-untyped]
import jh2.events  # type: ignore[import-untyped]
import pytest

from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)  # fmt: skip
from iron_proxy.protocols.http2.server import Http2Server

BODY = bytes(range(256)) * 4096  # 1 MiB: four windows of a stream


class Pair:
    """A client and a server with a wire between them."""

    def __init__(self) -> None:
        self.client, self.server = Http2Client(), Http2Server("https")
        self.at_client: list[Event] = []
        self.at_server: list[Event] = []
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes until nobody has any."""
        while True:
            to_server, to_client = self.client.take_outgoing(), self.server.take_outgoing()
            if not to_server and not to_client:
                return
            self.at_server += self.server.receive(to_server)
            self.at_client += self.client.receive(to_client)

    def send(self, side: Http2Client | Http2Server, stream: int, content: bytes, seen: list[Event]) -> int:
        """Send a body as far as it goes; the other side takes it and gives credit."""
        other = self.server if side is self.client else self.client
        sent = 0
        while sent < len(content):
            count = side.send_data(stream, memoryview(content)[sent:], end=True)
            seen.clear()
            self.exchange()
            if not count:
                return sent
            sent += count
            for event in seen:
                if isinstance(event, DataReceived):
                    other.give_credit(stream, event.credit)
            self.exchange()
        return sent


def test_a_request_and_its_response_arrive_as_they_were_sent() -> None:
    pair = Pair()
    stream = pair.client.send_head(
        "POST", "https", b"ok.test", b"/a?b=c", [(b"X-A", b"b"), (b"Cookie", b"a=1; b=2")], te_trailers=True, end=False
    )
    pair.client.send_data(stream, b"hello", end=False)
    pair.client.send_trailers(stream, [(b"X-T", b"1")])
    pair.exchange()
    pair.server.send_head(stream, 200, [(b"X-B", b"c")], end=False)
    pair.server.send_data(stream, b"world", end=False)
    pair.server.send_trailers(stream, [(b"Grpc-Status", b"0")])
    pair.exchange()

    position = next(at for at, event in enumerate(pair.at_server) if isinstance(event, RequestReceived))
    request, *rest = pair.at_server[position:]
    assert isinstance(request, RequestReceived)
    assert (request.head.method, request.head.target, request.head.host_fields) == ("POST", b"/a?b=c", [b"ok.test"])
    assert list(request.head.pairs) == [(b"x-a", b"b"), (b"cookie", b"a=1; b=2")]
    assert request.head.te_trailers
    assert request.never_indexed == {b":path", b"cookie"}
    assert rest[:3] == [DataReceived(1, b"hello", 5), TrailersReceived(1, Fields([(b"x-t", b"1")])), StreamEnded(1)]
    response = next(event for event in pair.at_client if isinstance(event, ResponseReceived))
    assert (response.head.status, list(response.head.pairs)) == (200, [(b"x-b", b"c")])
    assert pair.at_client[-2:] == [TrailersReceived(1, Fields([(b"grpc-status", b"0")])), StreamEnded(1)]
    assert pair.client.open_streams == pair.server.open_streams == 0


def test_a_body_larger_than_the_windows_arrives_whole_in_both_directions() -> None:
    pair = Pair()
    stream = pair.client.send_head("POST", "https", b"a", b"/", [], length=len(BODY), end=False)
    pair.exchange()

    assert pair.send(pair.client, stream, BODY, pair.at_server) == len(BODY)
    pair.server.send_head(stream, 200, [], end=False)
    pair.exchange()
    assert pair.send(pair.server, stream, BODY, pair.at_client) == len(BODY)

    assert pair.client.open_streams == pair.server.open_streams == 0


def test_a_reader_that_takes_nothing_stops_the_sender_and_only_that_stream() -> None:
    pair = Pair()
    slow, fast = (pair.client.send_head("GET", "https", b"a", b"/", [], end=True) for _ in range(2))
    pair.exchange()
    for stream in (slow, fast):
        pair.server.send_head(stream, 200, [], end=False)

    sent = pair.server.send_data(slow, BODY, end=True)
    pair.exchange()
    sent += pair.server.send_data(slow, BODY[sent:], end=True)
    pair.exchange()

    assert sent == 262_144
    assert pair.send(pair.server, fast, BODY, pair.at_client) == len(BODY)


def test_a_hundred_requests_at_once() -> None:
    pair = Pair()
    streams = [pair.client.send_head("GET", "https", b"a", b"/%d" % number, [], end=True) for number in range(100)]
    pair.exchange()

    for stream in reversed(streams):
        pair.server.send_head(stream, 200, [], length=3, end=False)
        pair.server.send_data(stream, b"abc", end=True)
    pair.exchange()

    assert sum(isinstance(event, StreamEnded) for event in pair.at_client) == 100
    assert pair.client.can_open_stream


def test_giving_a_request_up_reaches_the_other_side() -> None:
    pair = Pair()
    stream = pair.client.send_head("GET", "https", b"a", b"/", [], end=True)
    pair.exchange()

    pair.client.reset(stream)
    pair.exchange()

    assert pair.at_server[-1] == StreamReset(stream, 8)
    assert not pair.server.is_open(stream)


def test_a_ping_comes_back() -> None:
    pair = Pair()

    pair.client.ping(b"12345678")
    pair.exchange()

    assert repr(pair.at_client[-1]) == "PingAnswered(opaque=b'12345678')"


# --- another implementation -----------------------------------------------------------------------------------------


def other_peer(*, client_side: bool) -> Any:
    peer = jh2.connection.H2Connection(jh2.config.H2Configuration(client_side=client_side, header_encoding=None))
    peer.initiate_connection()
    return peer


@pytest.mark.parametrize("value", [b"short", b"long " * 5000 + b"."], ids=["in one frame", "with continuations"])
def test_another_client_is_served(value: bytes) -> None:
    client, server = other_peer(client_side=True), Http2Server("https")
    pseudo = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"ok.test"), (b":path", b"/")]
    client.send_headers(1, [*pseudo, (b"x-a", value)])
    client.send_data(1, b"hello", end_stream=True, pad_length=7)

    events = server.receive(client.data_to_send())
    server.send_head(1, 200, [(b"x-b", value), (b"set-cookie", b"s")], length=5, end=False)
    server.send_data(1, b"world", end=False)
    server.send_trailers(1, Fields([(b"x-t", b"1")]))
    received = client.receive_data(server.take_outgoing())

    request = next(event for event in events if isinstance(event, RequestReceived))
    assert list(request.head.pairs) == [(b"x-a", value)]
    assert DataReceived(1, b"hello", 13) in events
    heads = [event.headers for event in received if isinstance(event, jh2.events.ResponseReceived)]
    assert [tuple(field)[:2] for field in heads[0]] == [
        (b":status", b"200"), (b"x-b", value), (b"set-cookie", b"s"), (b"content-length", b"5")
    ]  # fmt: skip
    assert any(isinstance(event, jh2.events.TrailersReceived) for event in received)
    assert isinstance(received[-1], jh2.events.StreamEnded)


@pytest.mark.parametrize("value", [b"short", b"long " * 5000 + b"."], ids=["in one frame", "with continuations"])
def test_another_server_is_asked(value: bytes) -> None:
    client, server = Http2Client(), other_peer(client_side=False)
    client.send_head("GET", "https", b"ok.test", b"/a?b", [(b"X-A", value)], te_trailers=True, end=True)

    received = server.receive_data(client.take_outgoing())
    server.send_headers(1, [(b":status", b"200"), (b"x-b", value)])
    server.send_data(1, b"hello", end_stream=True)
    events = client.receive(server.data_to_send())

    request = next(event for event in received if isinstance(event, jh2.events.RequestReceived))
    assert [tuple(field)[:2] for field in request.headers] == [
        (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"ok.test"), (b":path", b"/a?b"), (b"x-a", value),
        (b"te", b"trailers"),
    ]  # fmt: skip
    response = next(event for event in events if isinstance(event, ResponseReceived))
    assert list(response.head.pairs) == [(b"x-b", value)]
    assert events[-2:] == [DataReceived(1, b"hello", 5), StreamEnded(1)]
