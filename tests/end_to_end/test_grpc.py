"""gRPC's four kinds of calls, deadlines, cancellation and trailers over HTTP/2; policy and secrets hold."""

from collections.abc import Iterator

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.grpc_messages import GRPC_HEADERS, framed, unframed
from tests.fakes.http2_frames import Code
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import Http2Peer, StreamAnswer, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

pytestmark = pytest.mark.end_to_end

TOKEN = (b"x-api-key", PROXY_TOKEN.encode())
REAL = SECRETS["SEC_REP"].encode()


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test", "swap.test", "inject.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin, proxy: RunningProxy) -> Iterator[Http2Origin]:
    serving_origin.begin_test()
    yield serving_origin
    assert serving_origin.violations == []


def call(
    peer: Http2Peer, method: str, *messages: bytes, metadata: tuple[tuple[bytes, bytes], ...] = ()
) -> StreamAnswer:
    """A whole call, counted by whoever makes it."""
    return peer.ask(f"/tests.Calls/{method}", "POST", [*GRPC_HEADERS, *metadata], framed(*messages), sized=False)


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize(
    ("method", "messages", "replies"),
    [
        ("Unary", [b"abc"], [b"cba"]),
        ("Unary", [b""], [b""]),
        ("Download", [b"x"], [b"0 x", b"1 x", b"2 x", b"3 x", b"4 x"]),
        ("Upload", [b"a", b"bc", b"d" * 100_000], [b"3 100003"]),
        ("Chat", [b"a", b"b", b"c"], [b"a", b"b", b"c"]),
    ],
    ids=["unary", "empty", "server streaming", "client streaming", "bidirectional"],
)
def test_a_call_is_answered(
    proxy: RunningProxy, origin: Http2Origin, way: Way, method: str, messages: list[bytes], replies: list[bytes]
) -> None:
    with speak(proxy, way, port=origin.port) as peer:
        proxy.started += 1
        answer = call(peer, method, *messages)

    assert unframed(answer.body) == (replies, b"")
    assert answer.trailers == [(b"grpc-status", b"0"), (b"x-checksum", b"7"), (b"x-bin", b"AAEC")]
    assert (answer.get(b"content-type"), answer.get(b"x-initial")) == (b"application/grpc", b"3")
    seen = origin.requests[0]
    assert (seen.get(b"te"), seen.get(b"content-type"), seen.get(b"user-agent")) == tuple(
        value for _, value in GRPC_HEADERS
    )


@pytest.mark.parametrize("match_body", [False, True], ids=["", "match_body"])
@pytest.mark.parametrize("host", ["ok.test", "swap.test"])
def test_a_chat_is_answered_message_by_message(
    running: Running, serving_origin: Http2Origin, host: str, match_body: bool
) -> None:
    """Also where bodies are searched: only an entry that requires its token there would have to see the whole one."""
    proxy = running(transforms=[allowlist(), secrets_of(replacement("SEC_REP", match_body=match_body))])
    metadata = [TOKEN] if host == "swap.test" else []
    with speak(proxy, host=host, port=serving_origin.port) as peer:
        proxy.started += 1
        stream = peer.begin("/tests.Calls/Chat", "POST", [*GRPC_HEADERS, *metadata], end=False)
        for number in range(5):
            peer.send(stream, framed(b"message %d" % number))
            peer.until(lambda number=number: peer.answers[stream].size == 14 * (number + 1))  # type: ignore[misc]  # bound
        peer.end(stream)
        answer = peer.answer(stream)

    assert len(unframed(answer.body)[0]) == 5
    assert answer.trailers[0] == (b"grpc-status", b"0")


def test_a_chat_is_swapped_message_by_message(running: Running, serving_origin: Http2Origin) -> None:
    """A secret as long as its token, so that the lengths in messages stay true; on its way back it is scrubbed."""
    real = "R" * len(PROXY_TOKEN)
    secrets = secrets_of(replacement("SEC_REP", match_body=True))
    proxy = running(transforms=[allowlist(), secrets], env={"SEC_REP": real})
    proxy.secrets = [real]
    serving_origin.begin_test()
    with speak(proxy, host="swap.test", port=serving_origin.port) as peer:
        proxy.started += 1
        stream = peer.begin("/tests.Calls/Chat", "POST", [*GRPC_HEADERS], end=False)
        for number in range(1, 4):
            peer.send(stream, framed(PROXY_TOKEN.encode()))
            peer.until(lambda number=number: peer.answers[stream].size == (5 + len(real)) * number)  # type: ignore[misc]  # bound
        peer.end(stream)
        answer = peer.answer(stream)

    assert unframed(answer.body)[0] == [PROXY_TOKEN.encode()] * 3
    assert bytes(serving_origin.requests[0].body) == framed(*[real.encode()] * 3)
    assert proxy.last_record()["request_transforms"][-1]["annotations"] == {
        "body_streamed": True,
        "swapped": [{"secret": "SEC_REP", "locations": ["body"]}],
    }


def test_a_status_without_a_body_is_passed_on(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        answer = call(peer, "Fail", b"abc")

    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)
    assert (answer.get(b"grpc-status"), answer.get(b"grpc-message")) == (b"11", b"too far")


def test_a_deadline_reaches_the_upstream_and_so_does_its_cancellation(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port) as peer:
        proxy.started += 1
        stream = peer.begin("/tests.Calls/Wait", "POST", [*GRPC_HEADERS, (b"grpc-timeout", b"100m")], end=False)
        peer.send(stream, framed(b"abc"), end=True)
        seen = origin.wait_for("/tests.Calls/Wait")
        peer.cancel(stream)
        origin.wait_until(lambda: seen.reset is not None)

    assert (seen.get(b"grpc-timeout"), seen.reset) == (b"100m", Code.CANCEL)
    assert proxy.last_record()["action"] == "client_cancel"


def test_a_proxy_token_in_metadata_is_swapped(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, host="swap.test", port=origin.port) as peer:
        proxy.started += 1
        answer = call(peer, "Unary", b"abc", metadata=(TOKEN, (b"x-other-bin", b"AAEC")))

    assert unframed(answer.body) == ([b"cba"], b"")
    seen = origin.requests[0]
    assert (seen.get_all(b"x-api-key"), seen.get(b"x-other-bin")) == ([REAL], b"AAEC")
    record = proxy.last_record()
    assert (record["action"], record["path"]) == ("allow", "/tests.Calls/Unary")


def test_a_secret_is_injected_into_metadata(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, host="inject.test", port=origin.port) as peer:
        proxy.started += 1
        call(peer, "Unary", b"abc", metadata=((b"authorization", b"Bearer of-the-client"),))

    assert origin.requests[0].get_all(b"authorization") == [b"Bearer " + SECRETS["SEC_INJ"].encode()]


def test_a_call_without_the_token_is_refused(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, host="swap.test", port=origin.port) as peer:
        proxy.started += 1
        answer = call(peer, "Unary", b"abc")

    assert answer.status == 403
    assert origin.requests == []
    assert proxy.last_record()["action"] == "reject"


def test_a_call_that_policy_refuses_is_a_403(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, host="rules.test", port=origin.port) as peer:
        proxy.started += 1
        answer = call(peer, "Unary", b"abc")

    assert answer.status == 403
    assert origin.requests == []


def test_a_real_secret_is_marked_never_to_be_indexed(proxy: RunningProxy, origin: Http2Origin) -> None:
    """RFC 7541 section 7.1.3: not into a table that others on the shared connection may probe."""
    with speak(proxy, host="swap.test", port=origin.port) as peer:
        proxy.started += 1
        call(peer, "Unary", b"abc", metadata=(TOKEN,))

    assert b"x-api-key" in origin.requests[0].never_indexed
