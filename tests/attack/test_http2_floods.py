"""
HTTP/2 floods: what costs a peer a few bytes and us work or memory ends its connection, and honest peers never notice.

Each attack is sent to the protocol core, which the listeners and the pool put nothing in front of.
"""

import pytest
from tests.wire.http2_frames import (
    GET,
    OK,
    POST,
    block,
    client_with_requests,
    data,
    failure,
    frame,
    go_away,
    headers,
    integer,
    opened_server,
    reset,
    settings,
    window_update,
)  # fmt: skip

from iron_proxy.protocols.http2.events import DataReceived, Event, RequestReceived, StreamRefused
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server

PING = frame(6, 0, 0, b"12345678")
PRIORITY = frame(2, 0, 1, b"\0\0\0\0\x10")
CALM = ErrorCode.ENHANCE_YOUR_CALM


def flood(server: Http2Server, pieces: list[bytes], now: float = 0.0) -> list[Event]:
    """Everything said until the connection fails or the pieces end; answers are taken as a writer would."""
    events: list[Event] = []
    for piece in pieces:
        events += server.receive(piece, now)
        server.take_outgoing()
        if server.has_failed:
            break
    return events


def requests(count: int, *, end: bool = True) -> list[bytes]:
    return [headers(2 * number + 1, GET, end=end) for number in range(count)]


def test_rapid_reset_ends_the_connection_after_a_few_hundred_requests() -> None:  # CVE-2023-44487
    server = opened_server()

    events = flood(server, [headers(stream, GET) + reset(stream) for stream in range(1, 4001, 2)])

    assert failure(events).code == CALM
    assert sum(isinstance(event, RequestReceived) for event in events) <= 201


def test_a_client_that_cancels_now_and_then_is_left_alone() -> None:
    server = opened_server()

    for second in range(100):
        pairs = [headers(stream, GET) + reset(stream) for stream in range(second * 40 + 1, second * 40 + 31, 2)]
        flood(server, pairs, now=float(second))

    assert not server.has_failed


@pytest.mark.parametrize(
    "provocation",
    [
        window_update,
        lambda stream, _: data(stream, b"x"),
        lambda stream, _: headers(stream, [(b"x-t", b"1")]),
    ],
    ids=["a window that cannot be", "data behind the end", "a head behind the end"],
)
def test_making_us_reset_is_no_different(provocation: object) -> None:  # CVE-2025-8671
    assert callable(provocation)
    server = opened_server()

    events = flood(server, [headers(stream, GET) + provocation(stream, 0) for stream in range(1, 4001, 2)])

    assert failure(events).code == CALM
    assert sum(isinstance(event, RequestReceived) for event in events) <= 201


def test_so_are_malformed_requests_and_streams_beyond_the_limit() -> None:
    server = opened_server()
    malformed = [headers(stream, [*GET, (b"upgrade", b"h2c")]) + reset(stream) for stream in range(1, 4001, 2)]
    events = flood(server, malformed)
    assert failure(events).code == CALM
    assert sum(isinstance(event, StreamRefused) for event in events) <= 201

    server = opened_server()
    assert failure(flood(server, requests(2000))).code == CALM
    assert server.open_streams == 0


@pytest.mark.parametrize(
    "wire",
    [
        frame(1, 0, 1, b"\x82") + frame(9, 0, 1) * 100,
        frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x82") * 100,
        frame(1, 0, 1) + frame(9, 0, 1, b"\0\1a\1b" * 3000) * 100,
    ],
    ids=["empty", "of one byte", "full"],
)
def test_a_head_without_end_ends_the_connection(wire: bytes) -> None:  # CVE-2024-27316
    server = opened_server()

    assert failure(server.receive(wire)).code == CALM
    assert server.held_bytes <= 200_000


@pytest.mark.parametrize(
    ("wire", "honest"),
    [
        (PING, 500),                                                                    # CVE-2019-9512
        (frame(6, 1, 0, b"12345678"), 500),
        (settings(), 50),                                                               # CVE-2019-9515
        (settings((4, 1), (4, 65_535)), 50),
        (frame(4, 1, 0), 50),
        (go_away(0), 50),
        (data(1, b""), 200),                                                            # CVE-2019-9518
        (frame(0, 0x8, 1, b"\0"), 200),
        (PRIORITY, 200),                                                                # CVE-2019-9513
        (frame(0xBE, 0, 0, b"x" * 100), 200),
        (window_update(1, 1), 2000),                                                    # CVE-2019-9517
        (window_update(0, 1), 2000),
    ],
    ids=["PING", "PING acknowledged", "SETTINGS", "windows up and down", "SETTINGS acknowledged", "GOAWAY",
         "empty DATA", "DATA of padding", "PRIORITY", "unknown", "WINDOW_UPDATE", "WINDOW_UPDATE of the connection"],
)  # fmt: skip
def test_frames_that_say_nothing_end_the_connection_when_they_are_many(wire: bytes, honest: int) -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    for _ in range(honest):
        server.receive(wire)
    assert not server.has_failed
    for _ in range(10_000):
        server.receive(wire)

    assert server.has_failed


def test_updates_that_follow_what_we_send_are_never_too_many() -> None:
    server = opened_server()
    server.receive(headers(1, GET))
    server.send_head(1, 200, [], end=False)

    for _ in range(20_000):
        assert server.send_data(1, b"x" * 1000, end=False) == 1000
        server.receive(window_update(1, 1000) + window_update(0, 1000))
        server.take_outgoing()

    assert not server.has_failed


def test_a_window_that_opens_byte_by_byte_does_not_make_us_dribble_for_ever() -> None:  # CVE-2019-9511
    server = opened_server()
    server.receive(settings((4, 1)) + headers(1, GET))
    server.send_head(1, 200, [], end=False)

    sent = 0
    for _ in range(50_000):
        if server.has_failed:
            break
        sent += server.send_data(1, b"x" * 1000, end=False)
        server.receive(window_update(1, 1))
        server.take_outgoing()

    assert server.has_failed
    assert sent < 10_000


def test_frames_for_streams_that_have_ended_are_not_dropped_for_ever() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))
    server.reset(1)

    assert failure(flood(server, [data(1, b"x")] * 50_000)).code == CALM


def test_names_without_letters_take_no_memory() -> None:  # CVE-2019-9516
    server = opened_server()

    events = server.receive(headers(1, [*GET, *[(b"", b"")] * 2000]))

    assert [type(event) for event in events] == [StreamRefused]


def test_a_few_bytes_that_name_a_large_field_many_times_end_the_connection() -> None:
    server = opened_server()
    large = b"\x40" + integer(3, 0, 7) + b"x-a" + integer(4000, 0, 7) + b"v" * 4000

    server.receive(frame(1, 0x5, 1, block(GET) + large))
    events = server.receive(frame(1, 0x5, 3, block(GET) + b"\xbe" * 16_000))

    assert failure(events).code == CALM


def test_an_upstream_cannot_keep_us_reading_heads() -> None:
    client = client_with_requests()

    events = client.receive(headers(1, [(b":status", b"102")], end=False) * 1000)

    assert len(events) <= 18
    assert client.open_streams == 0


def test_an_upstream_that_resets_everything_does_not_end_the_connection_of_others() -> None:
    client = client_with_requests(1, "POST", end=False)

    for _ in range(1000):
        stream = client.send_head("GET", "https", b"a", b"/", [], end=True)
        client.receive(reset(stream, 7))
        stream = client.send_head("GET", "https", b"a", b"/", [], end=True)
        client.receive(headers(stream, [(b"bad", b"")]))

    assert not client.has_failed
    assert client.receive(headers(1, OK))


def test_a_slow_upstream_lets_a_client_upload_one_window() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))

    events = flood(server, [data(1, b"x" * 16_384)] * 1000)

    assert sum(event.credit for event in events if isinstance(event, DataReceived)) <= 262_144
    assert server.open_streams == 0
