"""The HTTP/2 client and the HTTP/2 origin of the tests, against each other with nothing between them."""

import ssl
from collections.abc import Iterator

import pytest
from tests.fakes.grpc_messages import GRPC_HEADERS, framed, unframed
from tests.fakes.http2_frames import Code, data, headers
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import Http2Peer, Http2Wire
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.wire_client import Session, connect


@pytest.fixture(scope="module")
def origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def session(origin: Http2Origin, internet: Internet) -> Iterator[Session]:
    context = ssl.create_default_context(cafile=str(internet.ca_file))
    context.set_alpn_protocols(["h2"])
    origin.begin_test()
    with Session(context.wrap_socket(connect((ALLOWED, origin.port)), server_hostname="ok.test")) as opened:
        yield opened


@pytest.fixture
def peer(session: Session) -> Http2Peer:
    return Http2Peer(session, "ok.test")


def test_a_request_is_answered(peer: Http2Peer, origin: Http2Origin) -> None:
    answer = peer.ask("/")

    assert (answer.status, answer.body, answer.is_complete) == (200, b"ok\n", True)
    assert answer.get(b"content-length") == b"3"
    assert origin.requests[0].path == "/"


def test_bodies_and_trailers_go_both_ways(peer: Http2Peer, origin: Http2Origin) -> None:
    answer = peer.ask("/echo", "POST", body=b"x" * 300_000, trailers=[(b"x-end", b"1")])

    assert (answer.body, answer.trailers) == (b"x" * 300_000, [(b"x-end", b"1")])
    assert (origin.requests[0].trailers, origin.requests[0].is_complete) == ([(b"x-end", b"1")], True)


def test_large_bodies_arrive_whole(peer: Http2Peer) -> None:
    content = bytes(range(256)) * 8192

    assert peer.ask("/upload", "POST", body=content).body.startswith(b"2097152 ")
    assert peer.ask("/big/3000000").size == 3_000_000
    assert peer.ask("/stream/3000000").get(b"content-length") is None


def test_the_rest_of_the_paths(peer: Http2Peer, origin: Http2Origin) -> None:
    origin.release("x")
    origin.raw_replies["r"] = lambda stream: (
        headers(stream, [(b":status", b"201")], end=False) + data(stream, b"raw", end=True)
    )

    assert peer.ask("/hints").informational == [103]
    assert peer.ask("/trailers").trailers == [(b"x-checksum", b"7")]
    assert peer.ask("/code/204").status == 204
    assert peer.ask("/hold/x").body == b"first-last"
    assert (peer.ask("/raw/r").status, peer.ask("/raw/r").body) == (201, b"raw")
    assert peer.ask("/reset/2").reset == Code.INTERNAL_ERROR
    assert (peer.ask("/cut/8").reset, peer.ask("/cut/8").size) == (Code.CANCEL, 4)
    assert peer.ask("/refuse-first").reset == Code.REFUSED_STREAM
    assert peer.ask("/refuse-first").status == 200
    assert peer.ask("/early", "POST", body=b"x" * 10).status == 413
    assert peer.ask("/sse").body.startswith(b"data: 0\n\n")
    assert peer.ask("/hang-up").is_complete is False
    assert peer.has_ended


def test_a_stream_that_is_not_granted_a_window_waits(peer: Http2Peer, origin: Http2Origin) -> None:
    stream = peer.begin("/unread", "POST", end=False)
    sent = 0
    while (count := peer.send_now(stream, b"x" * 16_384)) or not sent:
        sent += count
        assert peer.ask("/").status == 200

    assert sent == 65_535
    assert len(origin.wait_for("/unread").body) == 65_535


def test_a_cancelled_stream_is_seen(peer: Http2Peer, origin: Http2Origin) -> None:
    stream = peer.begin("/stall")
    seen = origin.wait_for("/stall")
    peer.cancel(stream)

    origin.wait_until(lambda: seen.reset == Code.CANCEL)


def test_grpc_calls_end_with_their_status(peer: Http2Peer) -> None:
    unary = peer.ask("/tests.Calls/Unary", "POST", GRPC_HEADERS, framed(b"abc"), sized=False)
    chat = peer.ask("/tests.Calls/Chat", "POST", GRPC_HEADERS, framed(b"a", b"b"), sized=False)

    assert unframed(unary.body) == ([b"cba"], b"")
    assert (b"grpc-status", b"0") in unary.trailers
    assert unframed(chat.body) == ([b"a", b"b"], b"")


def test_raw_frames_are_answered_too(session: Session, origin: Http2Origin) -> None:
    wire = Http2Wire(session)
    wire.send(headers(1, [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", b"/")]))

    answer = wire.answer(1)
    wire.send(headers(3, [(b":method", b"GET"), (b"Upper", b"case")]))

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert wire.read_to_end() == Code.PROTOCOL_ERROR
    assert origin.violations
