"""Responses to requests that hold a secret, over both versions of HTTP on either side: scrubbed, not slowed down."""

import json
from collections.abc import Iterator
from time import monotonic

import pytest
from tests.end_to_end.version_lanes import SHORT_LANES, Lane, Lanes, lane_id
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.internet import Internet
from tests.fakes.recorder import SSE_EVENTS, RawReply, Then
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end

REAL = SECRETS["SEC_REP"].encode()
TOKEN = PROXY_TOKEN.encode()
API_KEY = (b"x-api-key", TOKEN)
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"


@pytest.fixture(scope="module")
def origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "swap.test") as running:
        yield running


@pytest.fixture
def lanes(proxy: RunningProxy, internet: Internet, origin: Http2Origin) -> Iterator[Lanes]:
    yield Lanes(proxy, internet, origin)
    assert origin.violations == []


@pytest.mark.parametrize("lane", SHORT_LANES, ids=lane_id)
@pytest.mark.parametrize("sized", [True, False])
def test_an_echo_of_the_body_holds_no_secret(lanes: Lanes, lane: Lane, sized: bool) -> None:
    body = json.dumps({"key": PROXY_TOKEN, "text": "x" * 50_000}).encode()

    answer = lanes.call(lane, "/echo", "POST", [API_KEY], body, sized=sized, host="swap.test")

    assert (answer.status, answer.is_complete) == (200, True)
    assert REAL in lanes.seen(lane).body
    assert REAL not in answer.body
    (redacted,) = lanes.proxy.last_record()["response_transforms"][0]["annotations"]["redacted"]
    assert (redacted["secret"], redacted["locations"]) == ("SEC_REP", ["body"])


@pytest.mark.parametrize("lane", SHORT_LANES, ids=lane_id)
@pytest.mark.parametrize("path", ["/big/3000000", "/stream/3000000", "/code/204", "/trailers", "/hints"])
def test_what_holds_no_secret_is_what_it_was(lanes: Lanes, lane: Lane, path: str) -> None:
    headers = [API_KEY, (b"te", b"trailers"), *([(b"connection", b"TE")] if lane.client == 1 else [])]

    answer = lanes.call(lane, path, headers=headers, host="swap.test")

    assert (answer.status, answer.is_complete) == (204 if path == "/code/204" else 200, True)
    if "000" in path:
        assert len(answer.body) == 3_000_000
    if path == "/trailers":
        assert answer.trailers == [(b"x-checksum", b"7")]
    assert lanes.proxy.last_record()["response_transforms"] == []


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_events_arrive_as_they_are_sent(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    arrivals: list[float] = []
    with proxy.open(way, "swap.test") as session:
        proxy.started += 1
        session.send(request("/sse", proxy.authority(way, "swap.test"), headers=TOKEN_HEADER))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += session.read()
            while len(arrivals) < received.count(b"data: "):
                arrivals.append(monotonic())

    sent = internet.allowed_tls.sent_at
    assert len(arrivals) == SSE_EVENTS
    assert max(arrived - at for at, arrived in zip(sent, arrivals, strict=True)) < 0.1


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_an_answer_to_head_keeps_its_length(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    internet.allowed_tls.raw_replies["head"] = RawReply(
        b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\nX-Echo: " + REAL + b"\r\n\r\n", Then.KEEP
    )

    answer = proxy.ask(way, "/raw/head", host="swap.test", method="HEAD", headers=TOKEN_HEADER)

    assert (answer.get(b"content-length"), answer.get(b"x-echo")) == (b"300", TOKEN)
