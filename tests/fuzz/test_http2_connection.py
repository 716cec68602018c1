"""Whatever a peer sends and however it is cut, a connection says the same, in its own events, and never raises."""


from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets.http2 import check_order, check_same
from tests.wire.http2_frames import (
    GET,
    OK,
    OPENING,
    POST,
    block,
    client_with_requests,
    data,
    frame,
    headers,
    opened_server,
    reset,
    window_update,
)  # fmt: skip
from tests.wire.http2_frames import settings as settings_frame
from tests.wire.pieces import cut_at

from iron_proxy.errors import IronProxyError
from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    DataReceived,
    ResponseReceived,
    StreamRefused,
)  # fmt: skip
from iron_proxy.protocols.http2.frames import ConnectionViolation
from iron_proxy.protocols.http2.hpack import FieldDecoder
from iron_proxy.protocols.http2.server import Http2Server

STREAMS = st.sampled_from([0, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1, 2**32 - 1])
NUMBERS = st.sampled_from([0, 1, 100, 16_384, 65_535, 2**30, 2**31 - 1, 2**31, 2**32 - 1])
NAMES = st.sampled_from(
    [b":method", b":path", b":scheme", b":authority", b":status", b":protocol", b"x-a", b"X-A", b"content-length",
     b"te",
     b"connection", b"host", b"cookie", b"", b"x a"]
)  # fmt: skip
VALUES = st.sampled_from(
    [b"GET", b"/", b"https", b"ok.test", b"200", b"103", b"5", b"0", b"a\r\nb", b" a", b"trailers", b"", b"\xff"]
)
FIELDS = st.sampled_from([GET, POST, OK]) | st.lists(st.tuples(NAMES, VALUES), max_size=6)
WITH_MORE = st.tuples(st.sampled_from([GET, POST, OK]), st.lists(st.tuples(NAMES, VALUES), max_size=2)).map(
    lambda parts: [*parts[0], *parts[1]]
)
CONTENT = st.sampled_from([b"", b"hello", b"x" * 300, b"\0\0\0\0", b"\0\0\0\1\0\0\0\2"]) | st.binary(max_size=12)
# Bytes that begin, or look like, the representations of RFC 7541.
BEGINNINGS = st.sampled_from(list(b"\x82\x84\xbe\xff\x80\x40\x7f\x00\x10\x1f\x20\x3f\xe1\x01\x03a\x83"))
HPACK = st.lists(BEGINNINGS, max_size=16).map(bytes)
FRAMES = (
    st.builds(lambda stream, fields, end: headers(stream, fields, end=end), STREAMS, FIELDS | WITH_MORE, st.booleans())
    | st.builds(lambda stream, content, end: data(stream, content, end=end), STREAMS, CONTENT, st.booleans())
    | st.builds(window_update, STREAMS, NUMBERS)
    | st.builds(reset, STREAMS)
    | st.builds(lambda number, value: settings_frame((number, value)), st.integers(1, 9), NUMBERS)
    | st.builds(lambda flags, stream, bits: frame(1, flags, stream, bits), st.integers(0, 255), STREAMS, HPACK)
    | st.builds(lambda flags, stream, bits: frame(9, flags, stream, bits), st.integers(0, 255), STREAMS, HPACK)
    | st.builds(frame, st.integers(0, 12), st.integers(0, 255), STREAMS, CONTENT)
)
WIRES = st.lists(FRAMES, max_size=12).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=6)


@settings(max_examples=400)
@given(WIRES, CUTS)
def test_a_client_gets_nothing_out_of_a_server_but_events(wire: bytes, cuts: list[int]) -> None:
    check_order(check_same(opened_server, wire, [cut_at(wire, cuts)]))


@settings(max_examples=400)
@given(WIRES, CUTS)
def test_an_upstream_gets_nothing_out_of_a_client_but_events(wire: bytes, cuts: list[int]) -> None:
    check_same(lambda: client_with_requests(3), wire, [cut_at(wire, cuts)])


@settings(max_examples=150)
@given(st.binary(max_size=80) | st.tuples(st.just(OPENING), st.binary(max_size=80)).map(b"".join), CUTS)
def test_noise_is_no_different(wire: bytes, cuts: list[int]) -> None:
    check_same(lambda: Http2Server("https"), wire, [cut_at(wire, cuts)])
    check_same(Http2Client, wire, [cut_at(wire, cuts)])


@settings(max_examples=400)
@given(
    HPACK | st.binary(max_size=40) | st.builds(lambda wire, at: wire[:at], st.builds(block, FIELDS), st.integers(0, 60))
)
def test_a_block_decodes_or_is_a_violation(wire: bytes) -> None:
    try:
        fields = FieldDecoder(65_536).decode(wire)
    except ConnectionViolation:
        return
    assert all(isinstance(name, bytes) and isinstance(value, bytes) for name, value, _ in fields)


# --- with answers ---------------------------------------------------------------------------------------------------

ACTIONS = st.sampled_from(["answer", "data", "trailers", "end", "reset", "credit", "go away", "ping"])


def act(server: Http2Server, action: str, stream: int) -> None:
    """What a handler may do at any time; only our errors may come of it."""
    try:
        if action == "answer":
            server.send_head(stream, 200, [(b"x-a", b"b")], end=False)
        elif action == "data":
            server.send_data(stream, b"x" * 40_000, end=False)
        elif action == "trailers":
            server.send_trailers(stream, [(b"x-t", b"1")])
        elif action == "end":
            server.end_stream(stream)
        elif action == "reset":
            server.reset(stream)
        elif action == "credit":
            server.give_credit(stream, 300)
        elif action == "go away":
            server.go_away()
        else:
            server.ping(b"12345678")
    except IronProxyError:
        pass


@settings(max_examples=200)
@given(st.lists(st.tuples(FRAMES, ACTIONS, st.sampled_from([1, 3, 5])), max_size=15))
def test_what_a_handler_does_in_between_changes_nothing_about_that(steps: list[tuple[bytes, str, int]]) -> None:
    server = opened_server()
    held = 0

    for wire, action, stream in steps:
        events = server.receive(wire)
        held += sum(event.credit for event in events if isinstance(event, DataReceived))
        assert server.open_streams <= 100
        for event in events:
            if isinstance(event, StreamRefused):
                act(server, "answer", event.stream_id)
            assert not isinstance(event, ResponseReceived)
        act(server, action, stream)
        assert server.window(stream) >= 0
    server.take_outgoing()
