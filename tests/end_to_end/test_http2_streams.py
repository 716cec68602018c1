"""Streams of one HTTP/2 connection: many at once, and what an end of one side is on the other."""

import time
from collections.abc import Iterator

import pytest
from tests.end_to_end.version_lanes import http1_request
from tests.fakes.http2_frames import Code
from tests.fakes.http2_origin import SSE_EVENTS, Http2Origin, serving
from tests.fakes.http2_peer import speak
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply, Then
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


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_streams_are_answered_in_any_order(proxy: RunningProxy, origin: Http2Origin, way: Way) -> None:
    name = f"order-{way.name}"
    with speak(proxy, way, port=origin.port) as peer:
        proxy.started += 31
        held = peer.begin(f"/hold/{name}")
        others = [peer.begin(f"/page?{number}") for number in range(30)]
        answers = [peer.answer(stream) for stream in others]
        is_held = not peer.answers[held].has_ended
        origin.release(name)

        assert [answer.body for answer in answers] == [b"ok\n"] * 30
        assert is_held
        assert peer.answer(held).body == b"first-last"


def test_both_directions_of_a_stream_are_open_at_once(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        stream = peer.begin("/echo", "POST", end=False)
        for number in range(1, 6):
            peer.send(stream, b"%d" % number)
            peer.until(lambda number=number: peer.answers[stream].size == number)  # type: ignore[misc]  # bound now
        peer.end(stream, [(b"x-end", b"1")])
        answer = peer.answer(stream)

    assert (answer.body, answer.trailers) == (b"12345", [(b"x-end", b"1")])


@pytest.mark.parametrize("version", [1, 2])
def test_pieces_are_passed_on_as_they_come(
    proxy: RunningProxy, internet: Internet, origin: Http2Origin, version: int
) -> None:
    port = origin.port if version == 2 else internet.tls_port
    arrivals: list[float] = []
    with speak(proxy, port=port) as peer:
        proxy.started += 1
        stream = peer.begin("/sse")
        while not peer.answers[stream].has_ended:
            peer.receive()
            whole = b"".join(peer.answers[stream].pieces)
            arrivals += [time.monotonic()] * (whole.count(b"data: ") - len(arrivals))

    sent_at = origin.sent_at if version == 2 else internet.allowed_tls.sent_at
    delays = sorted(arrived - sent for sent, arrived in zip(sent_at, arrivals, strict=True))
    assert len(delays) == SSE_EVENTS
    assert delays[len(delays) // 2] < 0.01  # 5 ms are promised on a machine that does nothing else
    assert delays[-1] < 0.1


# --- ends that came before their time ---------------------------------------------------------------------------------


def test_a_client_that_cancels_cancels_upstream(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 2
        stream = peer.begin("/stall")
        seen = origin.wait_for("/stall")
        peer.cancel(stream)
        origin.wait_until(lambda: seen.reset is not None)

        assert seen.reset == Code.CANCEL
        assert peer.ask("/").status == 200
    assert "client_cancel" in [record["action"] for record in proxy.new_records()]


def test_a_client_that_cancels_in_the_middle_cancels_upstream(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port, grants=False) as peer:
        proxy.started += 1
        stream = peer.begin("/stream/5000000")
        peer.until(lambda: peer.answers[stream].size > 0)
        peer.cancel(stream)
        seen = origin.wait_for("/stream/5000000")
        origin.wait_until(lambda: seen.reset is not None)

    assert proxy.last_record()["action"] == "client_cancel"


def test_a_client_that_leaves_cancels_every_stream(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 3
        for number in range(3):
            peer.begin(f"/stall?{number}")
            origin.wait_for(f"/stall?{number}")
        peer.session.reset()
        origin.wait_until(lambda: all(each.reset == Code.CANCEL for each in origin.requests))

    assert [record["action"] for record in proxy.new_records()] == ["client_cancel"] * 3


def test_an_http1_client_that_leaves_cancels_the_stream(proxy: RunningProxy, origin: Http2Origin) -> None:
    with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
        proxy.started += 1
        session.send(http1_request("/stall", b"ok.test:%d" % origin.port, "GET", [], None, sized=True, trailers=[]))
        seen = origin.wait_for("/stall")
        session.reset()
        origin.wait_until(lambda: seen.reset is not None)

    assert seen.reset == Code.CANCEL
    assert proxy.last_record()["action"] == "client_cancel"


def test_a_client_that_cancels_ends_an_http1_connection_upstream(proxy: RunningProxy, internet: Internet) -> None:
    with speak(proxy) as peer:
        proxy.started += 1
        stream = peer.begin("/slow?h2")
        proxy.wait_for_arrival(Way.HTTPS, "/slow?h2")
        peer.cancel(stream)

        record = proxy.last_record()
    assert record["action"] == "client_cancel"
    connection = next(each for each in internet.allowed_tls.connections if b"/slow?h2" in each.received)
    while not connection.has_ended:
        proxy.get_page("/healthz")


@pytest.mark.parametrize("code", [Code.INTERNAL_ERROR, Code.CANCEL, Code.ENHANCE_YOUR_CALM, Code.NO_ERROR])
def test_a_reset_before_the_answer_is_a_502(proxy: RunningProxy, origin: Http2Origin, code: Code) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 2
        answer = peer.ask(f"/reset/{code}")

        assert answer.status == 502 or answer.reset not in (None, Code.NO_ERROR)
        assert peer.ask("/").status == 200
    assert [record["action"] for record in proxy.new_records()] == ["error", "allow"]


@pytest.mark.parametrize("code", [Code.INTERNAL_ERROR, Code.CANCEL, Code.NO_ERROR])
def test_a_reset_in_the_middle_is_a_reset(proxy: RunningProxy, origin: Http2Origin, code: Code) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 2
        answer = peer.ask(f"/cut/{code}")

        assert (answer.status, answer.is_complete) == (200, False)
        assert answer.reset not in (None, Code.NO_ERROR, Code.REFUSED_STREAM)
        assert peer.ask("/").status == 200
    assert [record["action"] for record in proxy.new_records()] == ["error", "allow"]


def test_a_connection_that_breaks_resets_its_streams(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 3
        held = peer.begin("/hold/never")
        peer.until(lambda: peer.answers[held].size == 5)
        broken = peer.ask("/hang-up")

        assert (broken.is_complete, peer.answer(held).is_complete) == (False, False)
        assert peer.ask("/").status == 200
    assert [record["action"] for record in proxy.new_records()].count("error") == 2


@pytest.mark.parametrize("path", ["/cut/2", "/hang-up"])
def test_an_http1_client_sees_that_a_stream_was_cut(proxy: RunningProxy, origin: Http2Origin, path: str) -> None:
    with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
        proxy.started += 1
        session.send(http1_request(path, b"ok.test:%d" % origin.port, "GET", [], None, sized=True, trailers=[]))
        answer = session.read_answer()

        assert (answer.status, answer.is_complete) == (200, False)
        assert session.is_closed()
    assert proxy.last_record()["action"] == "error"


@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET])
@pytest.mark.parametrize(
    "framing", [b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"Content-Length: 9\r\n\r\nhalf"]
)
def test_an_http1_answer_that_is_cut_is_a_reset(
    proxy: RunningProxy, internet: Internet, framing: bytes, then: Then
) -> None:
    internet.allowed_tls.raw_replies["cut"] = RawReply(b"HTTP/1.1 200 OK\r\n" + framing, then)
    with speak(proxy) as peer:
        proxy.started += 2
        answer = peer.ask("/raw/cut")

        assert (answer.status, answer.is_complete) == (200, False)
        assert answer.reset not in (None, Code.NO_ERROR, Code.CANCEL)
        assert peer.ask("/").status == 200
    assert [record["action"] for record in proxy.new_records()] == ["error", "allow"]


def test_an_upload_that_is_cut_is_never_whole_upstream(
    proxy: RunningProxy, internet: Internet, origin: Http2Origin
) -> None:
    for port in (origin.port, internet.tls_port):
        with speak(proxy, port=port) as peer:
            proxy.started += 1
            stream = peer.begin("/upload?cut", "POST", end=False)
            peer.send(stream, b"half")
            if port == origin.port:
                seen = origin.wait_for("/upload?cut")
                origin.wait_until(lambda seen=seen: bytes(seen.body) == b"half")  # type: ignore[misc]  # bound now
            else:
                proxy.wait_for_arrival(Way.HTTPS, "/upload?cut")
            peer.cancel(stream)
            assert proxy.last_record()["action"] == "client_cancel"
    assert not origin.wait_for("/upload?cut").is_complete
    assert not proxy.arrived()[-1].is_complete


@pytest.mark.parametrize("client", [1, 2])
def test_an_answer_that_comes_before_the_upload_ends_is_heard(
    proxy: RunningProxy, origin: Http2Origin, client: int
) -> None:
    proxy.started += 1
    if client == 2:
        with speak(proxy, port=origin.port) as peer:
            stream = peer.begin("/early", "POST", [(b"content-length", b"10000000")], end=False)
            peer.send(stream, b"x" * 1000)
            answer = peer.answer(stream)
            assert (answer.status, answer.body) == (413, b"no\n")
    else:
        raw = http1_request("/early", b"ok.test:%d" % origin.port, "POST", [], b"x" * 1000, sized=True, trailers=[])
        with proxy.open(Way.HTTPS, "ok.test", origin.port) as session:
            session.send(raw.replace(b"Length: 1000\r\n", b"Length: 10000000\r\n"))
            early = session.read_answer("POST")
            assert (early.status, early.body) == (413, b"no\n")
    assert proxy.last_record()["status_code"] == 413


def test_a_client_that_waits_to_be_told_is_told_to_go_on(
    proxy: RunningProxy, internet: Internet, origin: Http2Origin
) -> None:
    for port in (origin.port, internet.tls_port):
        with speak(proxy, port=port) as peer:
            proxy.started += 1
            head = [(b"expect", b"100-continue"), (b"content-length", b"4")]
            stream = peer.begin("/upload", "POST", head, end=False)
            peer.until(lambda peer=peer, stream=stream: bool(peer.answers[stream].informational))  # type: ignore[misc]  # bound
            peer.send(stream, b"body", end=True)
            answer = peer.answer(stream)

            assert answer.informational[0] == 100
            assert answer.body.startswith(b"4 ")
