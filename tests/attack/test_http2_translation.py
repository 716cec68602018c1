"""
What HTTP/2 can say and HTTP/1.1 cannot: each such request is refused by itself, and no origin hears of it.

Connections survive: a good request behind the bad one is answered. Violations that end the connection are in
`test_http2_frames.py`, answers of origins in `test_http2_responses.py`.
"""

from collections.abc import Iterator

import pytest
from tests.attack.http2_heads import METHOD, PATH, REFUSED, SCHEME, Pairs, get, with_port
from tests.fakes.http2_frames import Code, data, headers
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import Http2Wire, StreamAnswer, break_rules
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin, proxy: RunningProxy) -> Iterator[Http2Origin]:
    serving_origin.begin_test()
    yield serving_origin
    assert serving_origin.violations == []


@pytest.fixture(params=[1, 2], ids=["to HTTP/1", "to HTTP/2"])
def port(request: pytest.FixtureRequest, origin: Http2Origin, internet: Internet) -> int:
    """An origin of either version."""
    return origin.port if request.param == 2 else internet.tls_port


def check_refused(proxy: RunningProxy, answer: StreamAnswer, statuses: tuple[int, ...] = (400, 421)) -> None:
    """A 400 or a stream error."""
    assert (answer.status in statuses and answer.is_complete) or answer.reset == Code.PROTOCOL_ERROR, answer


def check_good_request(wire: Http2Wire, port: int, stream: int = 3) -> None:
    """The connection is still of use."""
    wire.send(headers(stream, with_port(get(), port)))
    answer = wire.answer(stream)
    assert (answer.status, answer.body) == (200, b"ok\n"), (answer, wire.went_away)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_refused_and_no_origin_hears_it(
    proxy: RunningProxy, origin: Http2Origin, port: int, name: str
) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 2
        wire.send(headers(1, with_port(REFUSED[name], port)))
        answer = wire.answer(1)
        check_refused(proxy, answer, (400, 405, 421, 501))
        check_good_request(wire, port)

    assert [each.path for each in (*proxy.arrived(), *origin.requests)] == ["/"]
    records = proxy.new_records()
    assert sorted(record["action"] for record in records) == ["allow", "reject"]
    refused = next(record for record in records if record["action"] == "reject")
    assert refused["reason"]
    assert not answer.status or refused["status_code"] == answer.status


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_authority_must_be_the_server_name(proxy: RunningProxy, origin: Http2Origin, way: Way) -> None:
    with break_rules(proxy, way, port=origin.port) as wire:
        proxy.started += 1
        wire.send(headers(1, get(authority=b"a.wild.test:%d" % origin.port)))
        answer = wire.answer(1)

    assert answer.status in (400, 421)
    record = proxy.last_record()
    assert (record["action"], record["reason"]) == ("reject", answer.body.decode().strip())
    if way is Way.HTTPS:
        assert record["reason"] == "SNI and Host header mismatch"
    assert origin.requests == []


def test_connect_is_not_served_in_a_stream(proxy: RunningProxy, origin: Http2Origin, port: int) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 2
        wire.send(headers(1, [(b":method", b"CONNECT"), (b":authority", b"ok.test:%d" % port)], end=False))
        answer = wire.answer(1)

        assert answer.status == 405
        check_good_request(wire, port)
    assert sorted(record["status_code"] for record in proxy.new_records()) == [200, 405]


@pytest.mark.parametrize(
    ("length", "sent", "ends"),
    [(b"3", b"hello", True), (b"5", b"hel", True), (b"0", b"hello", True), (b"3", b"hello", False)],
    ids=["longer", "shorter", "none stated", "longer and not ended"],
)
def test_a_body_that_is_not_as_long_as_stated_is_never_whole(
    proxy: RunningProxy, origin: Http2Origin, port: int, length: bytes, sent: bytes, ends: bool
) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 2
        head = with_port(get((b"content-length", length), method=b"POST", path=b"/upload"), port)
        wire.send(headers(1, head, end=False) + data(1, sent, end=ends))  # at once: none stated is answered before more
        answer = wire.answer(1)

        check_refused(proxy, answer)
        check_good_request(wire, port)
    arrived = [each for each in (*proxy.arrived(), *origin.requests) if each.path == "/upload"]
    assert not [each for each in arrived if each.is_complete and each.body]
    assert sorted(record["action"] for record in proxy.new_records())[0] == "allow"
    assert sorted(record["action"] for record in proxy.new_records())[1] in ("reject", "error", "client_cancel")


@pytest.mark.parametrize(
    "trailers",
    [
        [(b":path", b"/smug")], [(b"x-a", b"1\r\nhost: other.test")], [(b"X-Upper", b"1")], [(b"x-a", b"\0")],
        [(b"", b"1")], [(b"transfer-encoding", b"chunked")], [(b"connection", b"x")],
    ],
    ids=["pseudo-field", "line end", "upper case", "nul", "no name", "transfer-encoding", "connection"],
)  # fmt: skip
def test_malformed_trailers_make_the_body_improper(
    proxy: RunningProxy, origin: Http2Origin, port: int, trailers: Pairs
) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 2
        wire.send(headers(1, with_port(get(method=b"POST", path=b"/upload"), port), end=False))
        wire.send(data(1, b"hello") + headers(1, trailers))
        answer = wire.answer(1)

        check_refused(proxy, answer)
        check_good_request(wire, port)
    arrived = [each for each in (*proxy.arrived(), *origin.requests) if each.path == "/upload"]
    assert not [each for each in arrived if each.is_complete]


@pytest.mark.parametrize(
    "name", [b"content-length", b"host", b"authorization", b"x-api-key", b"te", b"trailer", b"cookie"]
)
def test_trailers_never_become_headers(proxy: RunningProxy, origin: Http2Origin, port: int, name: bytes) -> None:
    """H1-11. Passed on, dropped or refused; never merged."""
    with break_rules(proxy, port=port) as wire:
        proxy.started += 2
        wire.send(headers(1, with_port(get(method=b"POST", path=b"/upload"), port), end=False))
        wire.send(data(1, b"hello") + headers(1, [(name, b"9")]))
        wire.answer(1)
        check_good_request(wire, port)

    for seen in (*proxy.arrived(), *origin.requests):
        assert b"9" not in seen.get_all(name)
        if name in (b"content-length", b"host"):
            assert not [line for line in seen.trailers if name in line]


def test_trailers_that_do_not_end_the_stream_are_refused(proxy: RunningProxy, origin: Http2Origin, port: int) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 1
        wire.send(headers(1, with_port(get(method=b"POST", path=b"/upload"), port), end=False))
        wire.send(data(1, b"hello") + headers(1, [(b"x-a", b"1")], end=False))
        answer = wire.answer(1)

    assert answer.reset is not None or wire.went_away == Code.PROTOCOL_ERROR or answer.status == 400
    arrived = [each for each in (*proxy.arrived(), *origin.requests) if each.path == "/upload"]
    assert not [each for each in arrived if each.is_complete]


# --- what is allowed, and translated ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([METHOD, SCHEME, PATH, (b"host", b"ok.test")], "host alone"),
        (get((b"host", b"ok.test")), "both, the same"),
        (get((b"te", b"trailers")), "te: trailers"),
        (get((b"x-empty", b"")), "an empty value"),
        (get((b"x-bytes", b"\x80\xff")), "bytes beyond ASCII"),
        (get((b"content-length", b"0"), method=b"POST"), "no body, said so"),
        (get(method=b"OPTIONS", path=b"*"), "OPTIONS *"),
        (get(path=b"//other.test/"), "two slashes"),
        (get(path=b"/?a=b?c"), "two question marks"),
        (get((b"x" * 60, b"y" * 10_000)), "long fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_well_formed_is_passed_on(
    proxy: RunningProxy, origin: Http2Origin, port: int, pairs: Pairs, expected: str
) -> None:
    with break_rules(proxy, port=port) as wire:
        proxy.started += 1
        wire.send(headers(1, with_port(pairs, port)))
        answer = wire.answer(1)

    assert (answer.status, answer.is_complete) == (200, True), (expected, answer)
    seen = (*proxy.arrived(), *origin.requests)
    assert len(seen) == 1
    hosts = seen[0].get_all(b"host") + seen[0].get_all(b":authority")
    assert hosts == [b"ok.test:%d" % port]


def test_a_body_in_tiny_padded_pieces_is_the_same_body(proxy: RunningProxy, origin: Http2Origin, port: int) -> None:
    padded = b"\x00\x00\x09\x00\x08\x00\x00\x00\x01" + b"\x07" + b"x" + bytes(7)
    with break_rules(proxy, port=port) as wire:
        proxy.started += 1
        wire.send(headers(1, with_port(get(method=b"POST", path=b"/upload"), port), end=False))
        wire.send(padded * 50 + data(1, b"", end=True))
        answer = wire.answer(1)

    assert answer.body.startswith(b"50 ")


def test_a_head_in_many_frames_is_the_same_head(proxy: RunningProxy, origin: Http2Origin, port: int) -> None:
    whole = headers(1, with_port(get((b"x-long", b"y" * 2000)), port))
    content = whole[9:]
    pieces = [content[start : start + 300] for start in range(0, len(content), 300)]
    raw = len(pieces[0]).to_bytes(3, "big") + b"\x01\x01" + whole[5:9] + pieces[0]
    for index, piece in enumerate(pieces[1:], 2):
        raw += (
            len(piece).to_bytes(3, "big")
            + b"\x09"
            + (b"\x04" if index == len(pieces) else b"\x00")
            + whole[5:9]
            + piece
        )
    with break_rules(proxy, port=port) as wire:
        proxy.started += 1
        for index in range(0, len(raw), 100):
            wire.send(raw[index : index + 100])
        answer = wire.answer(1)

    assert answer.status == 200
