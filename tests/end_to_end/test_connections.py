"""Connections kept, shared, found dead and used again, on both sides."""

import pytest
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, SPLITS, Split, Way, way_id

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_many_requests_use_one_connection_on_each_side(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    origin = internet.allowed_tls if way.is_tls else internet.allowed
    proxy.ask(way, "/first")
    accepted = origin.accepted
    with proxy.open(way, "ok.test") as session:
        for number in range(20):
            proxy.started += 1
            session.send(request(f"/{number}", proxy.authority(way, "ok.test")))
            assert session.read_answer().status == 200

    assert origin.accepted == accepted


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("split", SPLITS)
def test_pipelined_requests_are_answered_in_order(proxy: RunningProxy, way: Way, split: Split) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 4
        session.send(
            request("/echo?1", host) + request("/upload", host, method="POST", body=b"hello")
            + request("/code/204", host) + request("/echo?4", host),
            split,
        )  # fmt: skip
        answers = [session.read_answer("GET") for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 204, 200]
    assert answers[0].body.startswith(b"GET /echo?1 ")
    assert answers[1].body.startswith(b"5 ")
    assert answers[3].body.startswith(b"GET /echo?4 ")


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_request_behind_a_refused_one_is_served(proxy: RunningProxy, way: Way) -> None:
    with proxy.open(way, "rules.test") as session:
        proxy.started += 2
        host = proxy.authority(way, "rules.test")
        session.send(request("/no", host) + request("/exact", host))
        statuses = [session.read_answer().status for _ in range(2)]

    assert statuses == [403, 200]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("PUT", 200), ("POST", 502)])
def test_a_stale_connection_is_replaced_for_what_may_be_repeated(
    proxy: RunningProxy, internet: Internet, way: Way, method: str, status: int
) -> None:
    """The origin answers once on each connection, then breaks it when the next request comes."""
    context = internet.server_context("ok.test") if way.is_tls else None
    port = internet.add_one_shot_origin(ALLOWED, context)
    statuses = []
    for each in ("GET", method):
        with proxy.open(way, "ok.test", port) as session:
            proxy.started += 1
            session.send(request("/", f"ok.test:{port}", method=each))
            statuses.append(session.read_answer(each).status)

    assert statuses == [200, status]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_the_client_is_told_when_its_connection_ends(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/", proxy.authority(way, "ok.test"), headers="Connection: close\r\n"))
        answer = session.read_answer()
        assert answer.get(b"connection") == b"close"
        assert session.is_closed()


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_upstream_that_closes_does_not_close_the_clients_connection(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["bye"] = RawReply(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", Then.CLOSE)
    with proxy.open(way, "ok.test") as session:
        for _ in range(2):
            proxy.started += 1
            session.send(request("/raw/bye", proxy.authority(way, "ok.test")))
            answer = session.read_answer()
            assert (answer.body, answer.get(b"transfer-encoding")) == (b"until the end", b"chunked")
