"""What is sent: within the windows, in order, in frames that every peer takes, and never on a stream that is gone."""

import pytest
from tests.wire.http2_frames import (
    GET,
    OPENING,
    POST,
    data,
    frame,
    frames_in,
    headers,
    opened_server,
    reset,
    settings,
    window_update,
)  # fmt: skip

from iron_proxy.errors import ClientDisconnected, IronProxyError
from iron_proxy.protocols.http2.events import WindowOpened
from iron_proxy.protocols.http2.frames import ErrorCode
from iron_proxy.protocols.http2.server import Http2Server


def server_with_answer(stream: int = 1) -> Http2Server:
    server = opened_server()
    server.receive(headers(stream, GET))
    server.send_head(stream, 200, [], end=False)
    server.take_outgoing()
    return server


def sent(server: Http2Server) -> list[tuple[int, int, int, bytes]]:
    return frames_in(server.take_outgoing())


def test_a_body_goes_out_in_frames_of_16_kib_with_its_end_on_the_last() -> None:
    server = server_with_answer()

    assert server.send_data(1, b"x" * 40_000, end=True) == 40_000

    assert [(flags, len(payload)) for _, flags, _, payload in sent(server)] == [(0, 16_384), (0, 16_384), (1, 7_232)]
    assert not server.is_open(1)


def test_no_more_goes_out_than_the_windows_allow() -> None:
    server = server_with_answer()
    content = b"x" * 70_000

    assert server.window(1) == 65_535
    assert server.send_data(1, memoryview(content), end=True) == 65_535
    assert server.window(1) == 0
    assert server.send_data(1, content[65_535:], end=True) == 0
    assert all(flags == 0 for _, flags, _, _ in sent(server))

    assert server.receive(window_update(1, 1000)) == [WindowOpened(1)]
    assert server.window(1) == 0
    assert server.receive(window_update(0, 100_000)) == [WindowOpened(0)]
    assert server.window(1) == 1000
    assert server.send_data(1, content[65_535:], end=True) == 1000
    server.receive(window_update(1, 100_000))
    assert server.send_data(1, content[66_535:], end=True) == 3_465
    assert sum(len(payload) for _, _, _, payload in sent(server)) == 4_465


def test_a_smaller_initial_window_may_make_a_window_negative() -> None:
    server = server_with_answer()
    server.send_data(1, b"x" * 1000, end=False)

    server.receive(settings((4, 500)))
    assert server.window(1) == 0
    assert server.send_data(1, b"x", end=False) == 0

    assert WindowOpened(0) in server.receive(settings((4, 1500)))
    assert server.window(1) == 500


def test_an_end_needs_no_window() -> None:
    server = server_with_answer()
    server.send_data(1, b"x" * 65_535, end=False)
    server.take_outgoing()

    server.end_stream(1)

    assert sent(server) == [(0, 1, 1, b"")]


def test_nothing_is_sent_for_an_empty_piece_that_is_not_the_end() -> None:
    server = server_with_answer()

    assert server.send_data(1, b"", end=False) == 0
    assert server.take_outgoing() == b""


def test_trailers_end_the_stream() -> None:
    server = server_with_answer()

    server.send_trailers(1, [(b"Grpc-Status", b"0")])

    assert [frame[:3] for frame in sent(server)] == [(1, 0x5, 1)]
    assert not server.is_open(1)


@pytest.mark.parametrize("pairs", [[], [(b"Connection", b"x")]], ids=["none", "none that may go"])
def test_without_trailers_the_end_is_an_empty_frame(pairs: list[tuple[bytes, bytes]]) -> None:
    server = server_with_answer()

    server.send_trailers(1, pairs)

    assert sent(server) == [(0, 1, 1, b"")]


def test_trailers_that_are_not_well_formed_leave_the_stream_as_it_was() -> None:
    server = server_with_answer()

    with pytest.raises(IronProxyError):
        server.send_trailers(1, [(b"x-a", b"b\r\n")])

    assert server.take_outgoing() == b""
    assert server.is_open(1)


@pytest.mark.parametrize(
    "ending", ["reset by the peer", "reset by us", "ended", "never opened", "the connection failed"]
)
def test_sending_on_a_stream_that_is_gone_is_an_error(ending: str) -> None:
    server = server_with_answer()
    if ending == "reset by the peer":
        server.receive(reset(1))
    elif ending == "reset by us":
        server.reset(1)
    elif ending == "ended":
        server.end_stream(1)
    elif ending == "the connection failed":
        server.receive(b"\xff" * 20)
    stream = 3 if ending == "never opened" else 1

    assert server.window(stream) == 0
    for send in (
        lambda: server.send_data(stream, b"x", end=False), lambda: server.end_stream(stream),
        lambda: server.send_trailers(stream, []), lambda: server.send_head(stream, 200, [], end=True),
    ):  # fmt: skip
        with pytest.raises(ClientDisconnected):
            send()


def test_a_reset_is_written_once() -> None:
    server = server_with_answer()

    server.reset(1, ErrorCode.INTERNAL_ERROR)
    server.reset(1)

    assert sent(server) == [(3, 0, 1, b"\0\0\0\2")]


def test_credit_is_given_back_in_halves_of_the_windows() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False))
    for _ in range(8):
        server.receive(data(1, b"x" * 16_384))

    server.give_credit(1, 16_384)
    assert sent(server) == []
    server.give_credit(1, 7 * 16_384)
    assert sent(server) == [(8, 0, 1, (8 * 16_384).to_bytes(4, "big"))]


def test_credit_of_a_stream_that_is_gone_goes_to_the_connection() -> None:
    server = opened_server()
    for stream in range(1, 9, 2):
        server.receive(headers(stream, POST, end=False) + data(stream, b"x" * 16_384) * 16)
        server.reset(stream)
    server.take_outgoing()

    server.give_credit(1, 512 * 1024)

    assert sent(server) == [(8, 0, 0, (512 * 1024).to_bytes(4, "big"))]


def test_no_credit_is_given_on_a_stream_that_has_ended_its_side() -> None:
    server = opened_server()
    server.receive(headers(1, POST, end=False) + data(1, b"x" * 16_384) * 9 + data(1, b"", end=True))

    server.give_credit(1, 9 * 16_384)

    assert sent(server) == []


def test_going_away_lets_the_streams_go_on() -> None:
    server = server_with_answer()

    server.go_away()
    server.send_data(1, b"x", end=True)

    assert sent(server) == [(7, 0, 0, b"\0\0\0\1\0\0\0\0"), (0, 1, 1, b"x")]


def test_a_ping_carries_eight_bytes() -> None:
    server = opened_server()

    server.ping(b"12345678")

    assert sent(server) == [(6, 0, 0, b"12345678")]
    with pytest.raises(ValueError, match="eight"):
        server.ping(b"1")


def test_a_connection_begins_with_settings_and_a_larger_window() -> None:
    server = Http2Server("https")

    first, second = frames_in(server.take_outgoing())

    assert first[:3] == (4, 0, 0)
    assert second == (8, 0, 0, (1024 * 1024 - 65_535).to_bytes(4, "big"))
    assert server.take_outgoing() == b""
    server.receive(OPENING)
    assert sent(server) == [(4, 1, 0, b"")]


def test_nothing_is_written_once_the_connection_has_failed() -> None:
    server = opened_server()
    server.receive(frame(6, 0, 1, b"12345678"))
    server.take_outgoing()

    server.ping(b"12345678")
    server.go_away()
    server.give_credit(0, 5)
    server.reset(1)

    assert server.take_outgoing() == b""
    assert server.has_failed


def test_only_so_many_resets_are_remembered() -> None:
    server = opened_server()
    for stream in range(1, 2501, 2):
        server.receive(headers(stream, POST, end=False))
        server.reset(stream)

    assert server.receive(data(2499, b"x")) == []
    assert not server.has_failed
    server.receive(data(1, b"x"))
    assert server.has_failed
