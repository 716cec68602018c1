"""The failure table: what a client sees of each situation, to the letter, and how it is recorded."""

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.internet import ALLOWED
from tests.fakes.running_proxy import PROXY_TOKEN, RunningProxy
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

TEXT = b"text/plain; charset=utf-8"

CASES = [
    # name, raw request, status, body
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400, b"missing Host header\n"),
    ("no host in 1.0", b"GET / HTTP/1.0\r\n\r\n", 400, b"missing Host header\n"),
    (
        "dot segments",
        b"GET /public/../admin/secret HTTP/1.1\r\nHost: ok.test\r\n\r\n",
        400,
        b"path contains dot segments\n",
    ),
    ("CONNECT elsewhere", b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n", 405, None),
    ("expectation", b"GET / HTTP/1.1\r\nHost: ok.test\r\nExpect: x\r\n\r\n", 417, None),
    ("huge head", b"GET / HTTP/1.1\r\nHost: ok.test\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431, None),
    ("malformed", b"nonsense\r\n\r\n", 400, None),
]


@pytest.mark.parametrize(("raw", "status", "body"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_a_bad_request_is_answered_in_plain_text(
    proxy: RunningProxy, raw: bytes, status: int, body: bytes | None
) -> None:
    answer = proxy.exchange(Way.HTTP, raw)

    assert answer.status == status
    assert answer.get(b"content-type") == TEXT
    assert answer.get(b"x-content-type-options") == b"nosniff"
    assert answer.body == body if body is not None else answer.body.endswith(b"\n")
    record = proxy.last_record()
    assert (record["action"], record["status_code"]) == ("reject", answer.status)


def test_server_name_and_host_that_differ_are_a_400(proxy: RunningProxy) -> None:
    answer = proxy.ask(Way.HTTPS, host_field="wild.test")

    assert (answer.status, answer.body) == (400, b"SNI and Host header mismatch\n")


def test_a_transforms_rejection_is_an_empty_403(proxy: RunningProxy) -> None:
    answer = proxy.ask(Way.HTTP, host="other.test")

    assert (answer.status, answer.body, answer.get(b"content-type")) == (403, b"", b"text/plain")


@pytest.mark.parametrize("host", ["nx.test", "lo.test"], ids=["no such name", "denied address"])
def test_an_upstream_that_cannot_be_had_is_a_502(proxy: RunningProxy, host: str) -> None:
    answer = proxy.ask(Way.HTTP, host=host)

    assert (answer.status, answer.body, answer.get(b"content-type")) == (502, b"bad gateway\n", TEXT)
    assert proxy.last_record()["action"] == "error"


def test_a_refused_connection_is_a_502(proxy: RunningProxy) -> None:
    answer = proxy.ask(Way.HTTP, host_field="ok.test:1")

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    assert proxy.last_record()["error"] == f"dial tcp {ALLOWED}:1: connection refused"


@pytest.mark.slow
def test_an_upstream_that_does_not_answer_in_time_is_a_502(running: Running) -> None:
    proxy = running(proxy__upstream_response_header_timeout="300ms")

    answer = proxy.ask(Way.HTTP, "/slow")

    assert (answer.status, answer.body) == (502, b"bad gateway\n")


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
def test_a_body_that_has_to_be_seen_whole_and_is_too_large_is_a_413(running: Running, way: Way) -> None:
    entry = replacement("SEC_REP", match_body=True, require=True)
    proxy = running(transforms=[allowlist(), secrets_of(entry)], proxy__max_request_body_bytes=100)

    answer = proxy.ask(way, host="swap.test", method="POST", body=PROXY_TOKEN.encode() * 10)

    assert answer.status == 413


def test_a_failing_transform_is_a_502_and_named(running: Running) -> None:
    proxy = running(env={"SEC_INJ": "a\nb"})

    answer = proxy.ask(Way.HTTPS, host="inject.test")

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    assert proxy.last_record()["error"].startswith("transform secrets request: ")
