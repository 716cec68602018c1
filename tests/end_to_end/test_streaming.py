"""Bodies in motion: events as they are sent, early hints, trailers, slow readers, and early answers."""

import hashlib
from time import monotonic

import pytest
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import SSE_EVENTS, SSE_INTERVAL, RawReply, Then
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, SPLITS, Split, Way, way_id

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_ws_10_each_event_arrives_as_it_is_sent(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    origin = internet.allowed_tls if way.is_tls else internet.allowed
    arrivals: list[float] = []
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/sse", proxy.authority(way, "ok.test")))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += session.read()
            while len(arrivals) < received.count(b"data: "):
                arrivals.append(monotonic())

    delays = [arrived - sent for sent, arrived in zip(origin.sent_at, arrivals, strict=True)]
    assert max(delays) < 0.1
    assert received.endswith(b"data: %d\n\r\n0\r\n\r\n" % (SSE_EVENTS - 1))
    assert b"Content-Type: text/event-stream\r\n" in received
    assert proxy.last_record()["duration_ms"] >= SSE_INTERVAL * 1000 * (SSE_EVENTS - 1)


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_early_hints_reach_the_client_before_the_answer(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["hints"] = RawReply(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Then.KEEP,
        )

    answer = proxy.ask(way, "/raw/hints")

    assert (answer.informational, answer.status, answer.body) == ([103], 200, b"ok")


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_trailers_of_an_answer_are_passed_on(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["trailers"] = RawReply(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Checksum: 7\r\n\r\n", Then.KEEP
        )

    answer = proxy.ask(way, "/raw/trailers", headers="TE: trailers\r\nConnection: TE\r\n")

    assert (answer.body, answer.trailers) == (b"ok", [(b"x-checksum", b"7")])


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("split", SPLITS)
def test_trailers_of_a_request_are_passed_on(proxy: RunningProxy, way: Way, split: Split) -> None:
    raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", headers="Transfer-Encoding: chunked\r\n")

    proxy.exchange(way, raw + b"2\r\nok\r\n0\r\nX-Checksum: 7\r\n\r\n", method="POST", split=split)

    seen = proxy.arrived()[-1]
    assert (seen.body, seen.trailers) == (b"ok", b"X-Checksum: 7\r\n")


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_chunks_of_every_size_arrive_as_one_body(proxy: RunningProxy, way: Way) -> None:
    pieces = [bytes([size % 251]) * size for size in (1, 2, 3, 100, 4095, 65_536, 300_000, 1)]
    body = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", headers="Transfer-Encoding: chunked\r\n")

    answer = proxy.exchange(way, raw + body, method="POST")

    whole = b"".join(pieces)
    assert answer.body.decode() == f"{len(whole)} {hashlib.sha256(whole).hexdigest()}"
    assert proxy.arrived()[-1].get_all(b"transfer-encoding") == [b"chunked"]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_answer_that_comes_before_the_upload_ends_is_heard(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"
    context = internet.server_context("ok.test") if way.is_tls else None
    origin = internet.add_early_answerer(ALLOWED, early, context)

    with proxy.open(way, "ok.test", origin) as session:
        proxy.started += 1
        session.send(
            request("/", f"ok.test:{origin}", method="POST", headers="Content-Length: 10000000\r\n") + b"x" * 1000
        )
        answer = session.read_answer("POST")

    assert (answer.status, answer.body) == (413, b"no\n")
    assert proxy.last_record()["status_code"] == 413


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_client_that_stops_reading_stops_the_upstream(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    before = _resident_kilobytes(proxy)
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/big/60000000", proxy.authority(way, "ok.test")))
        session.read_exactly(100_000)
        assert proxy.ask(Way.HTTP).status == 200  # others are served while this one is stalled
        grown = _resident_kilobytes(proxy) - before

    assert grown < 32 * 1024


def _resident_kilobytes(proxy: RunningProxy) -> int:
    with open(f"/proc/{proxy.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])
