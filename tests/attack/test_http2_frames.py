"""Frames that break the rules of the connection: it ends with the right code and an event record, and only it."""

from collections.abc import Iterator

import pytest
from tests.attack.http2_heads import Pairs, get, with_port
from tests.fakes.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    PRIORITY_FLAG,
    Code,
    Kind,
    block,
    data,
    frame,
    headers,
    reset,
    settings,
    window_update,
)
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import break_rules, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end

HEAD = block(get())
BIGGEST = 2**31 - 1

VIOLATIONS: dict[str, tuple[bytes, set[Code]]] = {
    # sizes
    "a frame beyond the limit": (frame(Kind.DATA, 0, 1, bytes(16_385)), {Code.FRAME_SIZE_ERROR}),
    "an unknown frame beyond the limit": (frame(Kind.UNKNOWN, 0, 0, bytes(20_000)), {Code.FRAME_SIZE_ERROR}),
    "PING of seven bytes": (frame(Kind.PING, 0, 0, bytes(7)), {Code.FRAME_SIZE_ERROR}),
    "PING of nine bytes": (frame(Kind.PING, 0, 0, bytes(9)), {Code.FRAME_SIZE_ERROR}),
    "SETTINGS of five bytes": (frame(Kind.SETTINGS, 0, 0, bytes(5)), {Code.FRAME_SIZE_ERROR}),
    "an acknowledgement with content": (frame(Kind.SETTINGS, ACK, 0, bytes(6)), {Code.FRAME_SIZE_ERROR}),
    "WINDOW_UPDATE of three bytes": (frame(Kind.WINDOW_UPDATE, 0, 0, bytes(3)), {Code.FRAME_SIZE_ERROR}),
    "RST_STREAM of three bytes": (headers(1, get(), end=False) + frame(3, 0, 1, bytes(3)), {Code.FRAME_SIZE_ERROR}),
    "GOAWAY of four bytes": (frame(Kind.GOAWAY, 0, 0, bytes(4)), {Code.FRAME_SIZE_ERROR}),
    # streams that frames may not be on
    "SETTINGS on a stream": (frame(Kind.SETTINGS, 0, 1), {Code.PROTOCOL_ERROR}),
    "PING on a stream": (frame(Kind.PING, 0, 1, bytes(8)), {Code.PROTOCOL_ERROR}),
    "GOAWAY on a stream": (frame(Kind.GOAWAY, 0, 1, bytes(8)), {Code.PROTOCOL_ERROR}),
    "DATA on the connection": (frame(Kind.DATA, 0, 0, b"x"), {Code.PROTOCOL_ERROR}),
    "HEADERS on the connection": (frame(Kind.HEADERS, END_HEADERS, 0, HEAD), {Code.PROTOCOL_ERROR}),
    "RST_STREAM on the connection": (reset(0), {Code.PROTOCOL_ERROR}),
    "CONTINUATION on the connection": (frame(Kind.CONTINUATION, END_HEADERS, 0, HEAD), {Code.PROTOCOL_ERROR}),
    "PRIORITY on the connection": (frame(Kind.PRIORITY, 0, 0, bytes(5)), {Code.PROTOCOL_ERROR}),
    "an even stream": (headers(2, get()), {Code.PROTOCOL_ERROR}),
    "DATA on an idle stream": (data(1, b"x"), {Code.PROTOCOL_ERROR}),
    "RST_STREAM on an idle stream": (reset(1), {Code.PROTOCOL_ERROR}),
    "WINDOW_UPDATE on an idle stream": (window_update(1, 1), {Code.PROTOCOL_ERROR}),
    "DATA on a stream of ours": (data(2, b"x"), {Code.PROTOCOL_ERROR}),
    # what a client may not send
    "PUSH_PROMISE": (frame(Kind.PUSH_PROMISE, END_HEADERS, 1, bytes(3) + b"\x02" + HEAD), {Code.PROTOCOL_ERROR}),
    "ENABLE_PUSH of two": (settings({2: 2}), {Code.PROTOCOL_ERROR}),
    "MAX_FRAME_SIZE of one": (settings({5: 1}), {Code.PROTOCOL_ERROR}),
    "MAX_FRAME_SIZE beyond 24 bits": (settings({5: 1 << 24}), {Code.PROTOCOL_ERROR}),
    "a window beyond 31 bits": (settings({4: 1 << 31}), {Code.FLOW_CONTROL_ERROR}),
    # head blocks
    "a lone CONTINUATION": (frame(Kind.CONTINUATION, END_HEADERS, 1, HEAD), {Code.PROTOCOL_ERROR}),
    "PING inside a head": (frame(1, 0, 1, HEAD[:9]) + frame(Kind.PING, 0, 0, bytes(8)), {Code.PROTOCOL_ERROR}),
    "DATA inside a head": (frame(1, 0, 1, HEAD[:9]) + data(1, b"x"), {Code.PROTOCOL_ERROR}),
    "an unknown frame inside a head": (frame(1, 0, 1, HEAD[:9]) + frame(0x42, 0, 1), {Code.PROTOCOL_ERROR}),
    "another head inside a head": (frame(1, 0, 1, HEAD[:9]) + headers(3, get()), {Code.PROTOCOL_ERROR}),
    "CONTINUATION of another stream": (frame(1, 0, 1, HEAD[:9]) + frame(9, 4, 3, HEAD[9:]), {Code.PROTOCOL_ERROR}),
    "padding beyond the frame": (frame(Kind.HEADERS, END_HEADERS | PADDED, 1, b"\xff" + HEAD), {Code.PROTOCOL_ERROR}),
    "a padded head without a byte": (
        frame(Kind.HEADERS, END_HEADERS | PADDED, 1), {Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR},
    ),
    "a priority that is cut off": (
        frame(Kind.HEADERS, END_HEADERS | PRIORITY_FLAG, 1, bytes(4)), {Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR},
    ),
    # compression
    "index zero": (frame(1, END_HEADERS | END_STREAM, 1, b"\x80"), {Code.COMPRESSION_ERROR}),
    "an index beyond the table": (frame(1, END_HEADERS | END_STREAM, 1, b"\xff\x7f"), {Code.COMPRESSION_ERROR}),
    "a field that is cut off": (frame(1, END_HEADERS | END_STREAM, 1, b"\x00\x05abc"), {Code.COMPRESSION_ERROR}),
    "an integer without end": (
        frame(1, END_HEADERS | END_STREAM, 1, b"\xff" + b"\xff" * 40 + b"\x01"), {Code.COMPRESSION_ERROR},
    ),
    "Huffman's end of string": (
        frame(1, END_HEADERS | END_STREAM, 1, b"\x00\x84\xff\xff\xff\xff\x01a"), {Code.COMPRESSION_ERROR},
    ),
    "a table beyond what we offered": (
        frame(1, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\xff\x07" + HEAD), {Code.COMPRESSION_ERROR},
    ),
    "a table size behind a field": (frame(1, 5, 1, HEAD + b"\x20"), {Code.COMPRESSION_ERROR}),
    # windows
    "no increment of the connection's window": (window_update(0, 0), {Code.PROTOCOL_ERROR}),
    "too large a window of the connection": (window_update(0, BIGGEST) * 2, {Code.FLOW_CONTROL_ERROR}),
}  # fmt: skip


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin, proxy: RunningProxy) -> Iterator[Http2Origin]:
    serving_origin.begin_test()
    yield serving_origin
    assert serving_origin.violations == []


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_ends_the_connection_with_its_code(proxy: RunningProxy, origin: Http2Origin, name: str) -> None:
    raw, codes = VIOLATIONS[name]
    with break_rules(proxy, port=origin.port) as wire:
        proxy.started += raw.startswith(headers(1, get(), end=False))
        wire.send(raw)
        code = wire.read_to_end()

    event = proxy.wait_for_event("connection")
    assert code in codes
    assert (event["action"], event["level"]) == ("reject", "WARN")
    assert event["reason"]
    assert event["remote_addr"]
    assert origin.requests == []
    check_others_are_served(proxy, origin)


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("pieces", [1, 1000], ids=["one write", "byte by byte"])
def test_a_violation_is_seen_over_every_way_at_every_split(
    proxy: RunningProxy, origin: Http2Origin, way: Way, pieces: int
) -> None:
    raw = PREFACE + settings() + frame(Kind.PING, 0, 0, bytes(7))
    with break_rules(proxy, way, port=origin.port, preface=b"") as wire:
        size = -(-len(raw) // pieces)
        for start in range(0, len(raw), size):
            wire.send(raw[start : start + size])

        assert wire.read_to_end() == Code.FRAME_SIZE_ERROR
    assert proxy.wait_for_event("connection")["action"] == "reject"


@pytest.mark.parametrize(
    "preface",
    [
        b"GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", bytes(24),
        PREFACE + frame(Kind.PING, 0, 0, bytes(8)), PREFACE + frame(Kind.SETTINGS, ACK, 0), PREFACE + headers(1, get()),
    ],
    ids=["HTTP/1.1", "almost", "zeros", "PING first", "acknowledgement first", "HEADERS first"],
)  # fmt: skip
def test_a_connection_that_begins_otherwise_is_ended(proxy: RunningProxy, origin: Http2Origin, preface: bytes) -> None:
    with break_rules(proxy, port=origin.port, preface=preface) as wire:
        assert wire.read_to_end() in (None, Code.PROTOCOL_ERROR)

    assert proxy.wait_for_event("connection")["action"] == "reject"
    assert origin.requests == []


# --- on a stream that is open -----------------------------------------------------------------------------------------


def held_head(origin: Http2Origin, *more: tuple[bytes, bytes], path: bytes = b"/stall") -> Pairs:
    return with_port(get(*more, method=b"POST", path=path), origin.port)


STREAM_VIOLATIONS: dict[str, tuple[bytes, set[Code]]] = {
    "no increment of a stream's window": (window_update(1, 0), {Code.PROTOCOL_ERROR}),
    "too large a window of a stream": (window_update(1, BIGGEST), {Code.FLOW_CONTROL_ERROR}),
    "DATA behind the end": (data(1, b"x", end=True) + data(1, b"x"), {Code.STREAM_CLOSED}),
    "a head behind the end": (data(1, b"x", end=True) + headers(1, [(b"x", b"1")]), {Code.STREAM_CLOSED}),
    "padding beyond DATA": (frame(Kind.DATA, PADDED, 1, b"\x05abc"), {Code.PROTOCOL_ERROR}),
    "a stream below the highest": (headers(5, get()) + headers(3, get()), {Code.PROTOCOL_ERROR, Code.STREAM_CLOSED}),
}


@pytest.mark.parametrize("name", STREAM_VIOLATIONS)
def test_a_violation_on_a_stream_ends_the_stream_or_the_connection(
    proxy: RunningProxy, origin: Http2Origin, name: str
) -> None:
    raw, codes = STREAM_VIOLATIONS[name]
    with break_rules(proxy, port=origin.port) as wire:
        wire.send(headers(1, held_head(origin), end=False))
        origin.wait_for("/stall")
        wire.send(raw)
        proxy.started += 1 + ("below" in name)
        wire.until(lambda: (1 in wire.answers and wire.answers[1].has_ended) or wire.went_away is not None)

        assert (wire.answer(1).reset if wire.went_away is None else wire.went_away) in codes
    seen = origin.wait_for("/stall")
    origin.wait_until(lambda: seen.reset is not None)
    assert "allow" not in [record["action"] for record in proxy.new_records()]
    check_others_are_served(proxy, origin)


def test_priority_of_any_kind_is_ignored(proxy: RunningProxy, origin: Http2Origin) -> None:
    with break_rules(proxy, port=origin.port) as wire:
        proxy.started += 1
        wire.send(frame(Kind.PRIORITY, 0, 7, b"\0\0\0\0\x10") + frame(Kind.UNKNOWN, 0xFF, 9, b"anything"))
        wire.send(frame(1, 0x25, 11, b"\0\0\0\x03\x10" + block(with_port(get(), origin.port))))

        assert wire.answer(11).status == 200


@pytest.mark.parametrize("size", [16_384, 1])
def test_more_than_the_window_is_a_flow_control_error(proxy: RunningProxy, origin: Http2Origin, size: int) -> None:
    """The origin takes nothing, so that no window is ever granted again."""
    with break_rules(proxy, port=origin.port) as wire:
        wire.send(headers(1, held_head(origin, path=b"/unread"), end=False))
        proxy.started += 1
        origin.wait_for("/unread")
        pieces = data(1, b"x" * size) * (65_536 // size)
        for _ in range(64):
            wire.send(pieces)
        wire.until(lambda: wire.went_away is not None or (1 in wire.answers and wire.answers[1].has_ended))

        allowed = {Code.FLOW_CONTROL_ERROR} if size > 1 else {Code.FLOW_CONTROL_ERROR, Code.ENHANCE_YOUR_CALM}
        assert allowed & {wire.went_away, wire.answer(1).reset}, (wire.answer(1), proxy.lines[-3:])
    assert len(origin.requests[0].body) <= 1 << 20
    check_others_are_served(proxy, origin)


def test_a_violation_costs_the_other_streams_of_the_connection_too(proxy: RunningProxy, origin: Http2Origin) -> None:
    """What was open is cut, upstream as well, and each has its record."""
    with break_rules(proxy, port=origin.port) as wire:
        wire.send(headers(1, with_port(get(path=b"/stall?1"), origin.port)))
        wire.send(headers(3, with_port(get(path=b"/stall?2"), origin.port)))
        proxy.started += 2
        for path in ("/stall?1", "/stall?2"):
            origin.wait_for(path)
        wire.send(frame(Kind.PING, 0, 0, bytes(7)))

        assert wire.read_to_end() == Code.FRAME_SIZE_ERROR
    origin.wait_until(lambda: all(each.reset == Code.CANCEL for each in origin.requests))
    assert "allow" not in [record["action"] for record in proxy.new_records()]


def check_others_are_served(proxy: RunningProxy, origin: Http2Origin) -> None:
    """Another client, over the same connection to the origin."""
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        assert peer.ask("/").status == 200
