"""What both roles do with frames: the same at every split, and every violation answered with the right code."""

import pytest
from tests.wire.http2_frames import (
    GET,
    OPENING,
    POST,
    client_with_requests,
    comparable,
    data,
    every_split,
    failure,
    frame,
    frames_in,
    go_away,
    headers,
    opened_client,
    opened_server,
    reset,
    settings,
    told,
    window_update,
)  # fmt: skip

from iron_proxy.errors import BadRequest
from iron_proxy.messages.headers import Fields
from iron_proxy.protocols.http2.events import (
    ConnectionFailed,
    DataReceived,
    PeerGoingAway,
    PingAnswered,
    RequestReceived,
    SettingsChanged,
    StreamEnded,
    StreamFailed,
    StreamReset,
    TrailersReceived,
    WindowOpened,
)
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server

UPLOAD = headers(1, [*POST, (b"content-length", b"5")], end=False)
PING = frame(6, 0, 0, b"12345678")


def code_of(wire: bytes, server: Http2Server | None = None) -> int:
    return failure((server or opened_server()).receive(wire)).code


# --- whole conversations --------------------------------------------------------------------------------------------

CONVERSATION = (
    OPENING
    + headers(1, GET)
    + headers(3, POST, end=False)
    + window_update(0, 10)
    + data(3, b"hello")
    + frame(0, 0x8, 3, b"\x03ab\0\0\0")
    + headers(3, [(b"x-t", b"1")])
    + PING
    + headers(5, [*GET, (b"Bad", b"name")], end=False)
    + data(5, b"dropped", end=True)
    + reset(1)
    + settings((4, 70_000))
    + go_away(0)
    + data(7, b"idle")
    + headers(9, GET)
)


def test_a_conversation_is_read_the_same_at_every_split() -> None:
    whole = Http2Server("https")
    events = comparable(whole.receive(CONVERSATION))
    outgoing = whole.take_outgoing()

    for pieces in every_split(CONVERSATION):
        server = Http2Server("https")
        assert comparable(told(server, pieces)) == events
        assert server.take_outgoing() == outgoing


def test_a_conversation_is_read_in_order_and_ends_where_it_breaks_the_rules() -> None:
    events = Http2Server("https").receive(CONVERSATION)

    assert [type(event).__name__ for event in events] == [
        "SettingsChanged", "RequestReceived", "RequestReceived", "WindowOpened", "DataReceived", "DataReceived",
        "TrailersReceived", "StreamEnded", "StreamRefused", "StreamReset", "WindowOpened", "SettingsChanged",
        "PeerGoingAway", "ConnectionFailed",
    ]  # fmt: skip
    assert events[5] == DataReceived(3, b"ab", 6)
    assert events[6] == TrailersReceived(3, Fields([(b"x-t", b"1")]))


def test_nothing_is_read_behind_a_failure() -> None:
    server = opened_server()

    events = server.receive(frame(6, 0, 1, b"12345678") + headers(1, GET))

    assert events == [ConnectionFailed(ErrorCode.PROTOCOL_ERROR, "a frame on a stream where it cannot be")]
    assert server.receive(headers(1, GET)) == []
    assert frames_in(server.take_outgoing()) == [(7, 0, 0, b"\0\0\0\0\0\0\0\1")]


# --- data -----------------------------------------------------------------------------------------------------------


def test_data_has_the_credit_of_its_padding_too() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    assert server.receive(frame(0, 0x9, 1, b"\x01a\0")) == [DataReceived(1, b"a", 3), StreamEnded(1)]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (data(1, b"hell", end=True), "shorter"),
        (data(1, b"hello!", end=True), "longer"),
        (data(1, b"hello!"), "longer"),
        (data(1, b"hello") + data(1, b"!", end=True), "longer"),
        (data(1, b"", end=True), "shorter"),
        (data(1, b"hell") + headers(1, [(b"x-t", b"1")]), "shorter"),
        (headers(1, [(b"x-t", b"1")]), "shorter"),
    ],
)
def test_a_body_that_is_not_as_long_as_it_said_never_ends(wire: bytes, reason: str) -> None:
    server = opened_server()
    server.receive(UPLOAD)

    events = server.receive(wire)

    assert not [event for event in events if isinstance(event, StreamEnded)]
    assert isinstance(events[-1], StreamFailed)
    assert isinstance(events[-1].error, BadRequest)
    assert reason in str(events[-1].error)
    assert frames_in(server.take_outgoing())[-1] == (3, 0, 1, b"\0\0\0\1")
    assert not server.is_open(1)


def test_a_body_of_the_length_that_was_said_ends() -> None:
    server = opened_server()
    server.receive(UPLOAD)

    assert server.receive(data(1, b"hel") + data(1, b"lo", end=True))[-1] == StreamEnded(1)


def test_data_behind_an_empty_body_is_a_failure_and_its_end_is_not() -> None:
    server = opened_server()
    empty = [*POST, (b"content-length", b"0")]
    server.receive(headers(1, empty, end=False) + headers(3, empty, end=False))

    assert isinstance(server.receive(data(1, b"x"))[0], StreamFailed)
    assert server.receive(data(3, b"", end=True)) == [StreamEnded(3)]


def test_data_beyond_the_window_of_a_stream_resets_it() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    events = told(server, [data(1, b"x" * 16_384)] * 17)

    assert isinstance(events[-1], StreamFailed)
    assert len(events) == 17


def test_data_beyond_the_window_of_the_connection_ends_it() -> None:
    server = opened_server()
    for stream in range(1, 11, 2):
        server.receive(headers(stream, POST, end=False))

    events = told(server, [data(stream, b"x" * 16_384) for stream in range(1, 11, 2) for _ in range(16)])

    assert failure(events).code == ErrorCode.FLOW_CONTROL_ERROR
    assert sum(event.credit for event in events if isinstance(event, DataReceived)) == 1024 * 1024


@pytest.mark.parametrize("late", [data(1, b"x"), data(1, b"", end=True), headers(1, [(b"x-t", b"1")])])
def test_what_comes_behind_the_end_of_a_request_fails_it(late: bytes) -> None:
    server = opened_server()
    server.receive(headers(1, GET))

    events = server.receive(late)

    assert isinstance(events[0], StreamFailed)
    assert frames_in(server.take_outgoing()) == [(3, 0, 1, b"\0\0\0\5")]


@pytest.mark.parametrize("late", [data(1, b"x"), headers(1, [(b"x-t", b"1")])])
def test_what_comes_on_a_closed_stream_ends_the_connection(late: bytes) -> None:
    server = opened_server()
    server.receive(headers(1, GET))
    server.send_head(1, 200, [], end=True)

    assert code_of(late, server) == ErrorCode.STREAM_CLOSED


@pytest.mark.parametrize("late", [data(1, b"x" * 100), headers(1, [(b"x-t", b"1")]), reset(1), window_update(1, 5)])
def test_what_was_under_way_when_we_reset_a_stream_is_dropped(late: bytes) -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))
    server.reset(1)

    assert server.receive(late) == []
    assert isinstance(server.receive(headers(3, GET))[0], RequestReceived)


def test_what_is_dropped_still_opens_the_window_of_the_connection() -> None:
    server = opened_server()
    for stream in range(1, 201, 2):
        server.receive(headers(stream, POST, end=False))
        server.reset(stream)
        assert server.receive(data(stream, b"x" * 16_384)) == []

    updates = [payload for kind, _, stream, payload in frames_in(server.take_outgoing()) if (kind, stream) == (8, 0)]
    assert sum(int.from_bytes(payload, "big") for payload in updates) >= 1024 * 1024


@pytest.mark.parametrize(
    "wire", [data(5, b"x"), reset(5), window_update(5, 1), data(2, b"x")], ids=["DATA", "RST", "WINDOW_UPDATE", "even"]
)
def test_a_frame_on_a_stream_that_nobody_opened_ends_the_connection(wire: bytes) -> None:
    assert code_of(wire) == ErrorCode.PROTOCOL_ERROR


# --- trailers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [headers(1, [(b"x-t", b"1")], end=False), headers(1, GET), headers(1, [(b"connection", b"close")]),
     headers(1, [(b"A", b"b")])],
    ids=["without the end", "with pseudo-headers", "of a connection", "in upper case"],
)  # fmt: skip
def test_malformed_trailers_fail_the_stream(wire: bytes) -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    events = server.receive(wire)

    assert len(events) == 1
    assert isinstance(events[0], StreamFailed)
    assert not server.is_open(1)


def test_trailers_that_are_dropped_still_end_the_stream() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    assert server.receive(headers(1, [(b"authorization", b"x")])) == [StreamEnded(1)]


# --- other frames ---------------------------------------------------------------------------------------------------


def test_a_reset_is_reported_with_its_code_and_frees_the_stream() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    assert server.receive(reset(1, 8)) == [StreamReset(1, 8)]
    assert server.open_streams == 0
    assert server.receive(reset(1, 8)) == []


def test_a_ping_is_answered_and_an_answer_is_reported() -> None:
    server = opened_server()

    assert server.receive(PING) == []
    assert frames_in(server.take_outgoing()) == [(6, 1, 0, b"12345678")]
    assert server.receive(frame(6, 1, 0, b"87654321")) == [PingAnswered(b"87654321")]


def test_settings_are_taken_over_and_acknowledged() -> None:
    server = opened_server()

    assert server.receive(settings((1, 0), (2, 0), (3, 5), (5, 16_777_215), (6, 1000), (8, 1), (0xFF, 1))) == [
        SettingsChanged()
    ]  # fmt: skip
    assert frames_in(server.take_outgoing()) == [(4, 1, 0, b"")]
    assert server.receive(frame(4, 1, 0)) == []


def test_a_larger_initial_window_opens_the_streams() -> None:
    server = opened_server()
    server.receive(headers(1, GET))

    assert server.receive(settings((4, 100_000))) == [WindowOpened(0), SettingsChanged()]


@pytest.mark.parametrize(
    ("setting", "code"),
    [((2, 2), ErrorCode.PROTOCOL_ERROR), ((4, 2**31), ErrorCode.FLOW_CONTROL_ERROR), ((5, 16_383),
     ErrorCode.PROTOCOL_ERROR),
     ((5, 2**24), ErrorCode.PROTOCOL_ERROR)],
)  # fmt: skip
def test_a_setting_that_cannot_be_ends_the_connection(setting: tuple[int, int], code: ErrorCode) -> None:
    assert code_of(settings(setting)) == code


def test_windows_that_grow_too_large_are_flow_control_errors() -> None:
    assert code_of(window_update(0, 2**31 - 1)) == ErrorCode.FLOW_CONTROL_ERROR
    assert (
        code_of(headers(1, GET) + window_update(1, 2**30) + settings((4, 2**30 + 2**29)))
        == ErrorCode.FLOW_CONTROL_ERROR
    )

    server = opened_server()
    server.receive(headers(1, GET))
    assert isinstance(server.receive(window_update(1, 2**31 - 1))[0], StreamFailed)
    assert frames_in(server.take_outgoing()) == [(3, 0, 1, b"\0\0\0\3")]


def test_a_window_update_by_nothing_is_a_protocol_error() -> None:
    assert code_of(window_update(0, 0)) == ErrorCode.PROTOCOL_ERROR

    server = opened_server()
    server.receive(headers(1, GET))
    assert isinstance(server.receive(window_update(1, 0))[0], StreamFailed)


def test_a_window_of_a_stream_on_which_we_have_ended_is_of_no_interest() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))
    server.send_head(1, 200, [], end=True)

    assert server.receive(window_update(1, 5)) == []


@pytest.mark.parametrize("wire", [frame(2, 0, 1, b"\0\0\0\0\x10"), frame(0xBE, 0, 0, b"x"), frame(0x0A, 0, 1, b"alt")])
def test_priorities_and_unknown_frames_are_ignored(wire: bytes) -> None:
    server = opened_server()

    assert server.receive(wire) == []
    assert server.take_outgoing() == b""


def test_going_away_is_reported() -> None:
    assert opened_server().receive(go_away(0, 2)) == [PeerGoingAway(0, 2)]


@pytest.mark.parametrize("block", [b"\x80", b"\x40\x05a", b"\xbe"])
def test_a_head_that_cannot_be_decoded_ends_the_connection(block: bytes) -> None:
    assert code_of(frame(1, 0x5, 1, block)) == ErrorCode.COMPRESSION_ERROR


def test_a_push_ends_the_connection() -> None:
    client = client_with_requests()

    assert failure(client.receive(frame(5, 0x4, 1, b"\0\0\0\2"))).code == ErrorCode.PROTOCOL_ERROR
    assert failure(opened_client().receive(settings((2, 1)))).code == ErrorCode.PROTOCOL_ERROR


# --- memory ---------------------------------------------------------------------------------------------------------


def test_a_connection_holds_no_more_than_one_frame_and_one_head() -> None:
    server = opened_server()
    wire = frame(1, 0, 1, b"x" * 16_384) + frame(9, 0, 1, b"x" * 16_384) * 3 + frame(9, 0, 1, b"x" * 16_384)[:-1]

    for at in range(0, len(wire), 1000):
        server.receive(wire[at : at + 1000])

    assert server.held_bytes <= 65_536 + 16_384 + 9


def test_what_the_caller_holds_is_bounded_by_the_windows() -> None:
    server = opened_server()
    held = 0
    for stream in range(1, 201, 2):
        events = server.receive(headers(stream, POST, end=False))
        for _ in range(16):
            events = server.receive(data(stream, b"x" * 16_384))
            held += sum(event.credit for event in events if isinstance(event, DataReceived))

    assert server.has_failed
    assert held <= 1024 * 1024


def test_padding_alone_is_taken_without_an_event() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    told(server, [data(1, b"x" * 16_384)] * 7)
    server.give_credit(1, 7 * 16_384)

    assert told(server, [frame(0, 0x8, 1, b"\xff" + b"\0" * 255)] * 100) == []
    assert [stream for kind, _, stream, _ in frames_in(server.take_outgoing()) if kind == 8] == [1]
