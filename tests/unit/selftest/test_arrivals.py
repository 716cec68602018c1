import base64

import pytest

from iron_proxy.selftest.arrivals import Arrival, find_tokens, fingerprint, mark, marked_in, run_of, token_of

RUN = "0123456789abcdef"


def arrival(raw: str = "", server_name: str | None = None) -> Arrival:
    return Arrival(token_of(RUN, "direct-tcp", 1).decode(), "tcp", 80, raw, server_name)


def test_a_token_is_found_in_any_case_and_once() -> None:
    token = token_of(RUN, "dns-tunnel", 12)

    assert find_tokens(b"x" + token + b" " + token.upper() + b".zone") == [token.decode()]


def test_a_token_fits_a_label_and_names_its_run() -> None:
    token = token_of(RUN, "x" * 30, 999)

    assert len(token) <= 63
    assert run_of(token.decode()) == RUN


def test_what_was_marked_is_read_back_from_the_midst_of_an_answer() -> None:
    told = arrival("GET / HTTP/1.1\r\n\x00\xff", "denied.test")

    assert list(marked_in(b"HTTP/1.1 200 OK\r\n\r\n" + mark(told) + b"tail")) == [told]


@pytest.mark.parametrize(
    "content", [b"?", base64.b64encode(b"no json"), base64.b64encode(b'{"token": 1}')], ids=["base64", "json", "shape"]
)
def test_what_only_looks_like_a_mark_is_none(content: bytes) -> None:
    assert list(marked_in(b"selftest-canary:" + content + b";")) == []


def test_a_request_that_is_quoted_is_no_mark() -> None:
    assert list(marked_in(b"denied: GET /" + token_of(RUN, "denied-host", 1))) == []


@pytest.mark.parametrize(
    ("raw", "server_name", "names"),
    [
        ("GET / HTTP/1.1\r\nHost: Denied.test:80\r\n\r\n", None, {"denied.test"}),
        ("GET http://a.test:8/x HTTP/1.1\r\nhost: b.test.\r\n\r\n", "c.test", {"a.test", "b.test", "c.test"}),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\nHost: body.test", None, {"2001:db8::1"}),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", None, {"a.test", "b.test"}),
        ("SSH-2.0-x", None, set()),
    ],
    ids=["host field", "all three", "IPv6, and not the body", "two fields", "no HTTP"],
)
def test_the_names_that_an_arrival_asked_for(raw: str, server_name: str | None, names: set[str]) -> None:
    assert arrival(raw, server_name).names == names


def test_a_fingerprint_is_sha256() -> None:
    assert fingerprint(b"").startswith("e3b0c442")
