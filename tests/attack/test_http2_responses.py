"""Answers that an HTTP/2 origin may not give: 502, or a message that is cut, for clients of both versions."""

from collections.abc import Iterator

import pytest
from tests.end_to_end.version_lanes import http1_request
from tests.fakes.http2_frames import END_HEADERS, Code, Kind, block, data, frame, headers, settings, window_update
from tests.fakes.http2_origin import Http2Origin, RawReply, serving
from tests.fakes.http2_peer import StreamAnswer, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Answer, Way

pytestmark = pytest.mark.end_to_end

OK = (b":status", b"200")
EVIL = (b"x-evil", b"evil")


def head(*pairs: tuple[bytes, bytes]) -> RawReply:
    """A reply of one head, with something that must not get through."""
    return lambda stream: headers(stream, [*pairs, EVIL])


HEADS: dict[str, RawReply] = {
    **{f"value {value!r}": head(OK, (b"x-a", value)) for value in (b"a\r\nb: c", b"a\rb", b"a\nb", b"a\0b", b"\r\n")},
    **{
        f"name {name!r}": head(OK, (name, b"1"))
        for name in (b"", b"X-Upper", b"x y", b"x\r\ny", b"x:y", b"x\0", b":path")
    },
    **{
        f"status {status!r}": head((b":status", status))
        for status in (b"", b"20x", b"99", b"1000", b"2 0", b"-200", b"600")
    },
    "101": head((b":status", b"101")),
    "no status": head((b"x-a", b"1")),
    "two statuses": head(OK, (b":status", b"204")),
    "a status behind a field": head((b"x-a", b"1"), OK),
    "a method": head(OK, (b":method", b"GET")),
    "transfer-encoding": head(OK, (b"transfer-encoding", b"chunked")),
    "connection": head(OK, (b"connection", b"x-evil")),
    "upgrade": head(OK, (b"upgrade", b"websocket")),
    "keep-alive": head(OK, (b"keep-alive", b"timeout=1")),
    **{
        f"length {value!r}": head(OK, (b"content-length", value))
        for value in (b"+1", b"-1", b"x", b"4_0", b"", b"99999999999999999999", b"4, 5")
    },
    "two lengths": head(OK, (b"content-length", b"0"), (b"content-length", b"4")),
    "DATA before a head": lambda stream: data(stream, b"evil", end=True),
    "an interim head that ends": lambda stream: headers(stream, [(b":status", b"103"), EVIL], end=True),
    "a length and no body": head(OK, (b"content-length", b"4")),
}
BODIES: dict[str, RawReply] = {
    "shorter than stated": lambda stream: (
        headers(stream, [OK, (b"content-length", b"9")], end=False) + data(stream, b"four", end=True)
    ),
    "longer than stated": lambda stream: (
        headers(stream, [OK, (b"content-length", b"2")], end=False) + data(stream, b"four", end=True)
    ),
    "longer than stated, not ended": lambda stream: (
        headers(stream, [OK, (b"content-length", b"2")], end=False) + data(stream, b"four")
    ),
    "trailers with a status": lambda stream: (
        headers(stream, [OK], end=False) + data(stream, b"four") + headers(stream, [OK, EVIL])
    ),
    "trailers with a line end": lambda stream: (
        headers(stream, [OK], end=False) + data(stream, b"four") + headers(stream, [EVIL, (b"x-a", b"1\r\nb: c")])
    ),
    "trailers that do not end": lambda stream: (
        headers(stream, [OK], end=False) + data(stream, b"four") + headers(stream, [EVIL], end=False)
    ),
}
CONNECTIONS: dict[str, RawReply] = {
    "PING of seven bytes": lambda _: frame(Kind.PING, 0, 0, bytes(7)),
    "a frame beyond the limit": lambda stream: frame(Kind.DATA, 0, stream, bytes(17_000)),
    "PUSH_PROMISE": lambda stream: frame(
        Kind.PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\x02" + block([(b":path", b"/")])
    ),
    "DATA on an idle stream": lambda _: data(999, b"evil"),
    "a head of a stream of its own": lambda _: headers(2, [OK]),
    "an index beyond the table": lambda stream: frame(1, 5, stream, b"\xff\x7f"),
    "too large a window": lambda _: window_update(0, 2**31 - 1) * 2,
    "no window increment": lambda _: window_update(0, 0),
    "a window setting beyond 31 bits": lambda _: settings({4: 1 << 31}),
    "a head without end": lambda stream: frame(1, 0, stream, block([OK])) + frame(9, 0, stream, b"") * 5000,
    "an endless head": lambda stream: frame(1, 0, stream, block([OK])) + frame(9, 0, stream, bytes(16_000)) * 700,
    "a flood of PING": lambda _: frame(Kind.PING, 0, 0, bytes(8)) * 20_000,
    "a flood of SETTINGS": lambda _: settings() * 20_000,
    "a flood of empty DATA": lambda stream: headers(stream, [OK], end=False) + data(stream, b"") * 20_000,
    "a flood of WINDOW_UPDATE": lambda stream: window_update(stream, 1) * 50_000,
    "a flood of unknown frames": lambda _: frame(Kind.UNKNOWN, 0, 0) * 20_000,
    "HTTP/1.1": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
}


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin, proxy: RunningProxy) -> Http2Origin:
    serving_origin.begin_test()
    return serving_origin


@pytest.fixture(params=[1, 2], ids=["HTTP/1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> int:
    """The client's."""
    value: int = request.param
    return value


def ask(proxy: RunningProxy, origin: Http2Origin, version: int, path: str, method: str = "GET") -> Answer:
    """One request of a client of either version, on a connection of its own."""
    proxy.started += 1
    if version == 2:
        with speak(proxy, port=origin.port) as peer:
            return peer.ask(path, method)
    authority = b"ok.test:%d" % origin.port
    with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
        session.send(http1_request(path, authority, method, [], None, sized=True, trailers=[]))
        return session.read_answer(method)


def check_nothing_evil(proxy: RunningProxy, origin: Http2Origin) -> None:
    """Nothing of the answer got through, and the next request is answered."""
    assert b"evil" not in b"".join(bytes(session.received) for session in proxy.sessions)
    assert ask(proxy, origin, 2, "/").status == 200


@pytest.mark.parametrize("name", HEADS)
def test_a_malformed_head_is_a_502(proxy: RunningProxy, origin: Http2Origin, version: int, name: str) -> None:
    origin.raw_replies["head"] = HEADS[name]

    answer = ask(proxy, origin, version, "/raw/head")

    assert (answer.status, answer.is_complete) == (502, True)
    record = proxy.last_record()
    assert (record["action"], record["status_code"]) == ("error", 502)
    check_nothing_evil(proxy, origin)
    assert len({each.connection for each in origin.requests}) == 1  # only the stream was at fault


@pytest.mark.parametrize("name", BODIES)
def test_a_malformed_body_never_ends_well(proxy: RunningProxy, origin: Http2Origin, version: int, name: str) -> None:
    origin.raw_replies["body"] = BODIES[name]

    answer = ask(proxy, origin, version, "/raw/body")

    assert (answer.status, answer.is_complete) in ((200, False), (502, True))
    assert not isinstance(answer, StreamAnswer) or answer.reset not in (Code.NO_ERROR, Code.CANCEL)
    assert proxy.last_record()["action"] == "error"
    check_nothing_evil(proxy, origin)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_violation_ends_the_upstream_connection_only(
    proxy: RunningProxy, origin: Http2Origin, version: int, name: str
) -> None:
    origin.raw_replies["connection"] = CONNECTIONS[name]

    answer = ask(proxy, origin, version, "/raw/connection")

    assert (answer.status, answer.is_complete) in ((200, False), (502, True))
    assert proxy.last_record()["action"] == "error"
    check_nothing_evil(proxy, origin)
    first, *_, last = [each.connection for each in origin.requests]
    assert first != last


def test_more_than_the_window_is_cut_off(proxy: RunningProxy, origin: Http2Origin) -> None:
    """Nobody reads, so that every byte stays with us until somebody does."""
    origin.raw_replies["much"] = lambda stream: (
        headers(stream, [OK], end=False) + data(stream, bytes(16_384)) * 20 + data(stream, b"", end=True)
    )
    with speak(proxy, port=origin.port, window=0, grants=False) as peer:
        proxy.started += 1
        stream = peer.begin("/raw/much")
        seen = origin.wait_for("/raw/much")
        origin.wait_until(lambda: seen.reset is not None)
        peer.h2.increment_flow_control_window(1 << 20, stream)
        peer.flush()

        assert not peer.answer(stream).is_complete
        assert seen.reset == Code.FLOW_CONTROL_ERROR
    assert proxy.last_record()["action"] == "error"


@pytest.mark.parametrize("status", [b"204", b"304", b"200"])
def test_a_body_where_none_may_be_is_not_passed_on(
    proxy: RunningProxy, origin: Http2Origin, version: int, status: bytes
) -> None:
    method = "HEAD" if status == b"200" else "GET"
    origin.raw_replies["surplus"] = lambda stream: (
        headers(stream, [(b":status", status)], end=False) + data(stream, b"evil", end=True)
    )

    answer = ask(proxy, origin, version, "/raw/surplus", method)

    assert answer.body == b""
    check_nothing_evil(proxy, origin)


def test_a_head_beyond_the_limit_is_a_502(proxy: RunningProxy, origin: Http2Origin, version: int) -> None:
    """H1-25. 400 KiB in frames that are themselves in order."""
    whole = block([OK, EVIL, *[(b"x-%d" % number, b"y" * 4000) for number in range(100)]])
    pieces = [whole[start : start + 16_000] for start in range(0, len(whole), 16_000)]
    origin.raw_replies["large"] = lambda stream: (
        frame(1, 1, stream, pieces[0])
        + b"".join(frame(9, 0, stream, piece) for piece in pieces[1:-1])
        + frame(9, END_HEADERS, stream, pieces[-1])
    )

    answer = ask(proxy, origin, version, "/raw/large")

    assert answer.status == 502
    check_nothing_evil(proxy, origin)


def test_hints_without_end_are_not_passed_on_for_ever(proxy: RunningProxy, origin: Http2Origin, version: int) -> None:
    origin.raw_replies["hints"] = lambda stream: headers(stream, [(b":status", b"103")], end=False) * 5000

    answer = ask(proxy, origin, version, "/raw/hints")

    assert answer.status == 502
    assert len(answer.informational) <= 100
    check_nothing_evil(proxy, origin)


def test_others_on_a_connection_that_breaks_are_not_blamed(proxy: RunningProxy, origin: Http2Origin) -> None:
    """Their answers are cut or 502; nobody hangs."""
    origin.raw_replies["connection"] = CONNECTIONS["PING of seven bytes"]
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 4
        held = peer.begin("/hold/other")
        stalled = peer.begin("/stall")
        peer.until(lambda: peer.answers[held].size == 5)
        origin.wait_for("/stall")
        peer.ask("/raw/connection")

        assert peer.answer(held).is_complete is False
        assert peer.answer(stalled).status == 502
        assert peer.ask("/").status == 200
    assert sorted(record["action"] for record in proxy.new_records()) == ["allow", "error", "error", "error"]
