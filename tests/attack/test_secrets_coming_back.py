"""SEC-24 to SEC-26: an upstream sends a real secret back, in every place and coding; the workload never reads it."""

import base64
import gzip
import html
import json
import urllib.parse
from typing import Any

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply, Then, accept_of
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import TLS_WAYS, Answer, Way, way_id

REAL = SECRETS["SEC_REP"]
INJECTED = SECRETS["SEC_INJ"]
STAND_IN = "[redacted:SEC_INJ]"
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"
JSON = "Content-Type: application/json\r\n"
encrypted = pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)


def reply(internet: Internet, head: str, body: bytes = b"", *, sized: bool = True, then: Then = Then.KEEP) -> None:
    """What the origin answers to `/raw/echo`."""
    framing = f"Content-Length: {len(body)}\r\n" if sized else ""
    internet.allowed_tls.raw_replies["echo"] = RawReply(f"{head}{framing}\r\n".encode() + body, then)


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n"


def redacted(proxy: RunningProxy) -> Any:
    """What the record says was taken out of the response."""
    traces = proxy.last_record()["response_transforms"]
    return traces[0]["annotations"]["redacted"] if traces else []


def asked(proxy: RunningProxy, way: Way, headers: str = "", **more: Any) -> Answer:
    return proxy.ask(way, "/raw/echo", host="swap.test", headers=TOKEN_HEADER + headers, **more)


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_24_an_echo_shows_the_placeholder(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, "/echo", host="inject.test", headers="Authorization: Bearer mine\r\n")

    assert answer.status == 200
    assert INJECTED.encode() not in answer.body
    assert b"Authorization: Bearer [redacted:SEC_INJ"[: 16 + len(INJECTED)] in answer.body
    assert redacted(proxy) == [{"secret": "SEC_INJ", "locations": ["body"], "count": 1}]


@pytest.mark.every_split
@encrypted
def test_sec_24_redirects_cookies_and_challenges_show_the_token(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    reply(
        internet,
        f"HTTP/1.1 302 See {REAL}\r\nLocation: http://x/?k={urllib.parse.quote(REAL)}\r\n"
        f"Set-Cookie: k={REAL}; Path=/\r\nWWW-Authenticate: Bearer error={REAL}\r\n",
    )

    answer = asked(proxy, way)

    assert (answer.status, answer.get(b"location")) == (302, f"http://x/?k={PROXY_TOKEN}".encode())
    assert answer.get(b"set-cookie") == f"k={PROXY_TOKEN}; Path=/".encode()
    assert redacted(proxy) == [
        {
            "secret": "SEC_REP",
            "locations": ["reason", "header:Location", "header:Set-Cookie", "header:WWW-Authenticate"],
            "count": 4,
        }
    ]


SPELLINGS = {
    "plain": REAL,
    "json": json.dumps(REAL),
    "html": html.escape(REAL),
    "percent": urllib.parse.quote(REAL, safe=""),
    "hex": REAL.encode().hex(),
    **{f"base64-{shift}": base64.b64encode(b"x" * shift + REAL.encode()).decode() for shift in range(3)},
    "basic": base64.b64encode(f"user:{REAL}".encode()).decode(),
}


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_sec_25_every_spelling_in_an_error_page(
    proxy: RunningProxy, internet: Internet, way: Way, spelling: str
) -> None:
    reply(internet, f"HTTP/1.1 401 No\r\n{JSON}", f'{{"error": "no such key: {spelling}"}}'.encode())

    answer = asked(proxy, way)

    assert (answer.status, answer.is_complete) == (401, True)
    assert spelling.encode()[3:-3] not in answer.body
    assert redacted(proxy) == [{"secret": "SEC_REP", "locations": ["body"], "count": 1}]


@pytest.mark.every_split
@encrypted
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_sec_25_chunks_of_every_size_and_trailers(proxy: RunningProxy, internet: Internet, way: Way, size: int) -> None:
    body = f'{{"a": "{REAL}", "b": "{base64.b64encode(REAL.encode()).decode()}"}}'.encode()
    head = f"HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n"
    reply(internet, head, chunks(body, size) + f"X-Echo: {REAL}\r\n\r\n".encode(), sized=False)

    answer = asked(proxy, way, "TE: trailers\r\nConnection: TE\r\n")

    assert json.loads(answer.body)["a"] == PROXY_TOKEN
    assert answer.trailers == [(b"x-echo", PROXY_TOKEN.encode())]
    assert redacted(proxy) == [{"secret": "SEC_REP", "locations": ["body", "trailer:X-Echo"], "count": 3}]


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("size", [1000, 300_000])
def test_sec_25_a_promised_length_is_kept(proxy: RunningProxy, internet: Internet, way: Way, size: int) -> None:
    body = b"\x00" * size + REAL.encode() + b"\xff" * size
    reply(internet, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n", body)

    answer = asked(proxy, way)

    assert (len(answer.body), answer.is_complete) == (len(body), True)
    assert answer.get(b"content-length") == str(len(body)).encode()
    assert answer.body == b"\x00" * size + PROXY_TOKEN.encode()[: len(REAL)].ljust(len(REAL), b"*") + b"\xff" * size


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_26_the_upstream_is_asked_for_no_coding_and_one_that_codes_is_decoded(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    reply(
        internet,
        f'HTTP/1.1 200 OK\r\n{JSON}Content-Encoding: gzip\r\nETag: "1"\r\n',
        gzip.compress(json.dumps({"key": REAL}).encode()),
    )

    answer = asked(proxy, way, "Accept-Encoding: gzip, br\r\n")

    assert proxy.arrived()[-1].get_all(b"accept-encoding") == [b"identity"]
    assert json.loads(answer.body) == {"key": PROXY_TOKEN}
    assert (answer.get(b"content-encoding"), answer.get(b"etag")) == (None, b'W/"1"')


@pytest.mark.every_split(http2=True)
@encrypted
@pytest.mark.parametrize("coding", ["compress", "gzip, aes128gcm"])
def test_sec_26_an_answer_in_an_unknown_coding_is_refused(
    proxy: RunningProxy, internet: Internet, way: Way, coding: str
) -> None:
    reply(internet, f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n", REAL.encode()[::-1])

    answer = asked(proxy, way)

    assert answer.status == 502
    assert b"coding that is not known" in answer.body
    record = proxy.last_record()
    assert record["rejected_by"] == "secrets"
    assert record["response_transforms"][0]["annotations"] == {"reject_reason": "coded_response"}


@pytest.mark.every_split(http2=True)
@encrypted
def test_sec_26_a_coded_answer_that_is_cut_short_is_not_made_whole(
    proxy: RunningProxy, internet: Internet, way: Way
) -> None:
    body = gzip.compress(b"".join(b"%d %d\n" % (number, number * 7919) for number in range(5000)))
    reply(internet, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", body[:-20])

    answer = asked(proxy, way)

    assert not answer.is_complete
    assert "cannot be decoded" in proxy.last_record()["error"]


@pytest.mark.every_split(http2=True)
@encrypted
def test_early_hints_are_scrubbed(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    hints = f"HTTP/1.1 103 Early Hints\r\nLink: </{REAL}.css>\r\n\r\n"
    reply(internet, f"{hints}HTTP/1.1 200 OK\r\n", b"ok")

    answer = asked(proxy, way)

    assert (answer.informational, answer.body) == ([103], b"ok")
    assert redacted(proxy) == [{"secret": "SEC_REP", "locations": ["header:Link"], "count": 1}]


@pytest.mark.every_split
@encrypted
def test_the_101_of_a_websocket_is_scrubbed(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    key = base64.b64encode(b"0123456789abcdef")
    head = f"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Echo: {REAL}\r\n"
    reply(internet, f"{head}Sec-WebSocket-Accept: {accept_of(key).decode()}\r\n", sized=False, then=Then.CLOSE)
    upgrade = (
        f"{TOKEN_HEADER}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\n"
    )

    with proxy.open(way, "swap.test") as session:
        proxy.started += 1
        session.send(request("/raw/echo", proxy.authority(way, "swap.test"), headers=upgrade))
        received = b""
        while b"\r\n\r\n" not in received:
            received += session.read()

    assert received.startswith(b"HTTP/1.1 101 Go\r\n")
    assert f"\r\nX-Echo: {PROXY_TOKEN}\r\n".encode() in received
    assert redacted(proxy) == [{"secret": "SEC_REP", "locations": ["header:X-Echo"], "count": 1}]


@pytest.mark.every_split
@encrypted
def test_an_upgrade_that_is_answered_otherwise_is_scrubbed(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    reply(internet, f"HTTP/1.1 403 No\r\n{JSON}", json.dumps(REAL).encode())
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    )

    answer = asked(proxy, way, upgrade)

    assert (answer.status, answer.body) == (403, json.dumps(PROXY_TOKEN).encode())


@pytest.mark.every_split
@encrypted
def test_the_next_response_on_the_connection_is_scrubbed_too(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    host = proxy.authority(way, "swap.test")
    bodies = []
    with proxy.open(way, "swap.test") as session:
        for text in ("nothing", REAL, "nothing", REAL):
            reply(internet, f"HTTP/1.1 200 OK\r\n{JSON}X-Echo: {text}\r\n", text.encode())
            proxy.started += 1
            session.send(request("/raw/echo", host, headers=TOKEN_HEADER))
            answer = session.read_answer()
            bodies += [(answer.get(b"x-echo") or b"").decode(), answer.body.decode()]

    assert bodies == ["nothing", "nothing", PROXY_TOKEN, PROXY_TOKEN] * 2
    assert [len(record["response_transforms"]) for record in proxy.new_records()[-4:]] == [0, 1, 0, 1]


@pytest.mark.every_split(http2=True)
@encrypted
def test_switched_off_the_answer_is_left_alone(running: Running, internet: Internet, way: Way) -> None:
    entry = {**replacement("SEC_REP"), "redact_responses": False}
    proxy = running(transforms=[allowlist(), secrets_of(entry)])
    proxy.may_leak = True
    reply(internet, f"HTTP/1.1 200 OK\r\n{JSON}", REAL.encode())

    answer = asked(proxy, way, "Accept-Encoding: gzip\r\n")

    assert answer.body == REAL.encode()
    assert proxy.arrived()[-1].get_all(b"accept-encoding") == [b"gzip"]
    assert proxy.last_record()["response_transforms"] == []
