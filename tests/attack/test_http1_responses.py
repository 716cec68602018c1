"""H1 and HDR from the upstream's side: cut, ambiguous and surplus answers; fields that must arrive unchanged."""

import pytest
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

OK = b"HTTP/1.1 200 OK\r\n"


def answer_with(internet: Internet, content: bytes, then: Then = Then.CLOSE) -> str:
    """Have the allowed origins answer with these bytes; returns the path to ask for."""
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["case"] = RawReply(content, then)
    return "/raw/case"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET], ids=["FIN", "RST"])
@pytest.mark.parametrize(
    "content",
    [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", OK + b"Content-Length: 10\r\n\r\nhello"],
    ids=["chunked", "sized"],
)
def test_h1_23_a_cut_answer_is_cut_for_the_client_too(
    proxy: RunningProxy, internet: Internet, way: Way, then: Then, content: bytes
) -> None:
    answer = proxy.ask(way, answer_with(internet, content, then))

    assert not answer.is_complete or answer.status == 502  # a reset may overtake the head
    record = proxy.last_record()
    assert (record["action"], record["level"]) == ("error", "ERROR")


AMBIGUOUS: dict[str, bytes] = {
    "length and chunked": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
    "nul in a value": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a huge field": OK + b"X: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "line without a colon": OK + b"nonsense\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n",
    "status 20x": b"HTTP/1.1 20x Odd\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "an unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "endless 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40 + OK + b"Content-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in AMBIGUOUS.items()])
def test_h1_25_an_ambiguous_answer_is_a_502(proxy: RunningProxy, internet: Internet, way: Way, content: bytes) -> None:
    answer = proxy.ask(way, answer_with(internet, content))

    assert (answer.status, answer.body) == (502, b"bad gateway\n")
    assert proxy.last_record()["action"] == "error"


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_h1_27_surplus_bytes_are_never_the_next_answer(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    evil = OK + b"Content-Length: 4\r\n\r\nEVIL"
    path = answer_with(internet, OK + b"Content-Length: 2\r\n\r\nok" + evil, Then.KEEP)

    first = proxy.ask(way, path)
    second = proxy.ask(way, "/")

    assert (first.body, second.body) == (b"ok", b"ok\n")


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_hdr_08_fields_of_an_answer_arrive_as_they_were_sent(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    fields = [(b"Set-Cookie", b"c%d=%d; Path=/" % (number, number)) for number in range(300)]
    fields += [(b"WWW-Authenticate", b"Basic"), (b"wWw-aUTHENTICATE", b"Bearer"), (b"x-lAtIn", b"caf\xe9 \xff")]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)

    answer = proxy.ask(way, answer_with(internet, OK + lines + b"Content-Length: 0\r\n\r\n"))

    assert [pair for pair in answer.headers if pair[0].lower() != b"content-length"] == fields


@pytest.mark.every_split
@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_hop_by_hop_fields_of_an_answer_end_here(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    lines = (
        b"Connection: X-Own, close\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\n"
    )

    answer = proxy.ask(way, answer_with(internet, OK + lines + b"Content-Length: 0\r\n\r\n"))

    assert answer.status == 200
    assert [name.lower() for name, _ in answer.headers] == [b"content-length"]
