"""H1: framing and smuggling. Ambiguous requests are refused and closed, over every way in and at three splits."""

import pytest
from tests.attack.refusals import check_refused
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, PLAIN_WAYS, SPLITS, TLS_WAYS, Split, Way, way_id

HEAD = "POST / HTTP/1.1\r\nHost: ok.test\r\n"
SMUGGLED = "GET /smug HTTP/1.1\r\nHost: ok.test\r\n\r\n"


def get(field: bytes | str) -> bytes:
    """A GET with one more line."""
    line = field.encode() if isinstance(field, str) else field
    return b"GET / HTTP/1.1\r\nHost: ok.test\r\n" + line + b"\r\n\r\n"


def post(fields: str, body: str = "") -> bytes:
    """A POST with these lines."""
    return f"{HEAD}{fields}\r\n\r\n{body}".encode()


REFUSED: dict[str, bytes] = {
    "h1-01 length and chunked": post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + SMUGGLED),
    "h1-01 chunked and length": post("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\n" + SMUGGLED),
    "h1-03 two lengths": post("Content-Length: 4\r\nContent-Length: 5", "aaaaa"),
    "h1-03 the same length twice": post("Content-Length: 4\r\nContent-Length: 4", "aaaa"),
    "h1-03 a list of equal lengths": post("Content-Length: 4, 4", "aaaa"),
    "h1-03 a list of lengths": post("Content-Length: 4, 5", "aaaa"),
    **{
        f"h1-04 length {value!r}": post(f"Content-Length: {value}", "aaaa" + SMUGGLED)
        for value in ("+4", "-1", "-0", "0x4", "4_0", "4 4", "1e1", "", "4;", "99999999999999999999", "٤", "4\x0b")
    },
    **{
        f"h1-06 coding {value!r}": post(f"Transfer-Encoding: {value}", "0\r\n\r\n" + SMUGGLED)
        for value in (
            "xchunked",
            "chunked, identity",
            "identity",
            "chunked, chunked",
            "gzip, chunked",
            "chunked;q=1",
            '"chunked"',
            "",
            "chunked\x0b",
            "\x0bchunked",
            "chunKed,",
        )
    },
    "h1-06 chunked twice": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    "h1-06 chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "h1-13 space before the colon": get("Content-Length : 4"),
    "h1-13 tab before the colon": b"GET / HTTP/1.1\r\nHost\t: ok.test\r\n\r\n",
    "h1-13 vertical tab before the colon": get("Transfer-Encoding\x0b: chunked"),
    "h1-13 space before the first header": b"GET / HTTP/1.1\r\n Host: ok.test\r\n\r\n",
    "h1-13 a folded line": get("X: a\r\n b"),
    "h1-15 nul in a value": get("X: a\0b"),
    "h1-15 carriage return in a value": get("X: a\rHost: other.test"),
    "h1-15 delete in a value": get("X: a\x7f"),
    "h1-15 control in a value": get("X: a\x01"),
    "h1-15 bare line feed": b"GET / HTTP/1.1\nHost: ok.test\n\n",
    "h1-15 line feed between fields": get("X: a\nHost: other.test"),
    "h1-15 empty name": get(": x"),
    "h1-15 space in a name": b"GET / HTTP/1.1\r\nHo st: ok.test\r\nHost: ok.test\r\n\r\n",
    "h1-15 nul in a name": get("X\0: a"),
    "h1-15 delimiter in a name": get("X(: a"),
    "h1-15 letter beyond ASCII in a name": get(b"X\xc3\xa9: a"),
    "h1-15 line without a colon": get("no colon"),
    "h1-17 two spaces": b"GET  / HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-17 space at the end": b"GET / HTTP/1.1 \r\nHost: ok.test\r\n\r\n",
    "h1-17 tabs": b"GET\t/\tHTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-17 space in the target": b"GET /a b HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-17 lower-case version": b"GET / http/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-17 HTTP/2.0": b"GET / HTTP/2.0\r\nHost: ok.test\r\n\r\n",
    "h1-17 HTTP/1.10": b"GET / HTTP/1.10\r\nHost: ok.test\r\n\r\n",
    "h1-17 no version": b"GET /\r\nHost: ok.test\r\n\r\n",
    "h1-17 method beyond ASCII": b"G\xc3\x89T / HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-17 control in the target": b"GET /\x01 HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-19 two hosts": b"GET / HTTP/1.1\r\nHost: ok.test\r\nHost: other.test\r\n\r\n",
    "h1-19 the same host twice": b"GET / HTTP/1.1\r\nHost: ok.test\r\nHost: ok.test\r\n\r\n",
    "h1-19 a list of hosts": b"GET / HTTP/1.1\r\nHost: ok.test, other.test\r\n\r\n",
    "h1-19 no host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "h1-19 an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "h1-19 no host in HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "h1-20 target other, host ok": b"GET http://other.test/ HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-20 target ok, host other": b"GET http://ok.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
    "h1-20 another scheme": b"GET ftp://ok.test/ HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-20 no authority": b"GET http:///x HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-20 no scheme": b"GET ok.test/ HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-20 a fragment": b"GET /x#y HTTP/1.1\r\nHost: ok.test\r\n\r\n",
    "h1-29 another expectation": get("Expect: foo"),
}


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in REFUSED.items()])
def test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read(
    proxy: RunningProxy, way: Way, raw: bytes
) -> None:
    for split in SPLITS:
        check_refused(proxy, way, raw, split, statuses=(400, 417, 421, 501, 505))


@pytest.mark.every_split
@pytest.mark.parametrize("way", PLAIN_WAYS, ids=way_id)
def test_h1_20_an_https_target_never_becomes_a_request_in_clear(proxy: RunningProxy, way: Way) -> None:
    check_refused(proxy, way, b"GET https://ok.test/ HTTP/1.1\r\nHost: ok.test\r\n\r\n")


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_20_a_path_that_begins_with_two_slashes_is_a_path(proxy: RunningProxy, way: Way) -> None:
    answer = proxy.ask(way, "//other.test/")

    assert answer.status == 200
    assert [seen.path for seen in proxy.arrived()] == ["//other.test/"]


CHUNKS: dict[str, bytes] = {
    **{
        f"h1-08 size {size!r}": size + b"\r\nhello\r\n0\r\n\r\n"
        for size in (b"+5", b"-5", b"0x5", b"5_0", b" 5", b"5 ", b"G", b"", b"0" * 16 + b"5", b"5\0", b"5\x0b", b"5,5")
    },
    "h1-10 bare line feeds": b"5\nhello\n0\n\n",
    "h1-10 bare carriage return": b"5\rhello\r\n0\r\n\r\n",
    "h1-10 too many bytes": b"5\r\nhelloX\r\n0\r\n\r\n",
    "h1-10 too few bytes": b"5\r\nhell\r\n0\r\n\r\n",
    "h1-10 no line end": b"5\r\nhello0\r\n\r\n",
    "h1-10 no end at all": b"5\r\nhello\r\n0\r\nX",
    "a control in an extension": b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
    "a line feed in an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "a malformed trailer": b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
}


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in CHUNKS.items()])
def test_h1_08_10_a_malformed_chunked_body_is_never_delivered_as_whole(
    proxy: RunningProxy, way: Way, body: bytes
) -> None:
    raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", headers="Transfer-Encoding: chunked\r\n")
    for split in SPLITS:
        with proxy.open(way, "ok.test") as session:
            proxy.started += 1
            session.send(raw + body, split)
            session.end()
            answer = session.read_answer("POST")

        assert answer.status in (0, 400)
        assert proxy.last_record()["action"] in ("reject", "client_cancel", "error")
    assert not [seen for seen in proxy.arrived() if seen.is_complete]


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("split", SPLITS)
def test_h1_11_trailers_become_no_headers(proxy: RunningProxy, way: Way, split: Split) -> None:
    host = proxy.authority(way, "ok.test")
    body = (
        b"2\r\nhi\r\n0\r\nContent-Length: 9\r\nHost: other.test\r\nAuthorization: x\r\nX-Api-Key: k\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    raw = request("/upload", host, method="POST", headers="Transfer-Encoding: chunked\r\n") + body
    with proxy.open(way, "ok.test") as session:
        proxy.started += 2
        session.send(raw + request("/2", host), split)
        answers = [session.read_answer("POST"), session.read_answer()]

    assert [answer.status for answer in answers] == [200, 200], str(proxy.new_records())
    uploaded, second = proxy.arrived()
    assert (uploaded.body, second.path) == (b"hi", "/2")
    assert not {b"authorization", b"x-api-key"} & {*uploaded.names(), *second.names()}
    for name in (b"content-length", b"host", b"transfer-encoding", b"authorization"):
        assert name + b":" not in uploaded.trailers.lower()


@pytest.mark.parametrize("way", [Way.HTTP, *TLS_WAYS], ids=way_id)
def test_h1_17_two_empty_lines_before_a_request_are_not_tolerated(proxy: RunningProxy, way: Way) -> None:
    for split in SPLITS:
        check_refused(proxy, way, b"\r\n\r\n" + request("/", proxy.authority(way, "ok.test")), split)


@pytest.mark.parametrize("way", [Way.HTTP, *TLS_WAYS], ids=way_id)
def test_h1_17_one_empty_line_before_a_request_is_tolerated(proxy: RunningProxy, way: Way) -> None:
    raw = b"\r\n" + request("/", proxy.authority(way, "ok.test"))
    for split in SPLITS:
        assert proxy.exchange(way, raw, split=split).status == 200


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_22_the_body_of_a_refused_request_is_not_the_next_request(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "rules.test")
    raw = request("/admin", host, method="POST", body=request("/v1/smug", host).ljust(90))

    with proxy.open(way, "rules.test") as session:
        proxy.started += 1
        session.send(raw)
        session.end()
        answer = session.read_answer("POST")
        rest = session.read_to_end()

    assert (answer.status, rest) == (403, b"")
    assert proxy.arrived() == []


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_29_a_denied_client_that_waits_gets_no_100(proxy: RunningProxy, way: Way) -> None:
    raw = request(
        "/", proxy.authority(way, "rules.test"), method="PUT", headers="Expect: 100-continue\r\nContent-Length: 5\r\n"
    )

    answer = proxy.exchange(way, raw, host="rules.test", method="PUT")

    assert (answer.status, answer.informational) == (403, [])


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_29_an_allowed_client_that_waits_gets_its_100(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(request("/upload", host, method="POST", headers="Expect: 100-continue\r\nContent-Length: 5\r\n"))
        interim = session.read_exactly(len(b"HTTP/1.1 100 Continue\r\n\r\n"))
        session.send(b"hello")
        answer = session.read_answer("POST")

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.body.startswith(b"5 ")


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_29_the_body_of_a_get_is_delivered(proxy: RunningProxy, way: Way) -> None:
    proxy.ask(way, body=b"hello")

    assert [seen.body for seen in proxy.arrived()] == [b"hello"]


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_29_an_http_1_0_client_gets_no_chunks(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        session.send(f"GET /chunked/70000 HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        head, _, body = session.read_to_end().partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head.lower()
    assert body == b"x" * 70_000


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_29_an_http_1_0_client_may_keep_its_connection(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")
    with proxy.open(way, "ok.test") as session:
        for _ in range(2):
            proxy.started += 1
            session.send(f"GET / HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n".encode())
            answer = session.read_answer()
            assert (answer.status, answer.get(b"connection")) == (200, b"keep-alive")


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_a_head_that_is_too_large_is_refused(proxy: RunningProxy, way: Way) -> None:
    check_refused(proxy, way, get("X: " + "a" * 70_000), statuses=(431,))


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_connect_is_a_request_for_the_tunnel_listener_only(proxy: RunningProxy, way: Way) -> None:
    host = proxy.authority(way, "ok.test")

    check_refused(proxy, way, f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), statuses=(405,))
