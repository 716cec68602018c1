"""A body is forwarded whole, or the request fails visibly; the same for answers."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.internet import Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Way, way_id

PIECES = st.lists(st.binary(min_size=1, max_size=200), max_size=6)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=PIECES, way=st.sampled_from(ALL_WAYS), chunked=st.booleans(), cuts=st.lists(st.integers(0, 2000), max_size=4)
)
def test_an_upload_arrives_byte_for_byte_however_it_is_cut(
    proxy: RunningProxy, pieces: list[bytes], way: Way, chunked: bool, cuts: list[int]
) -> None:
    body = b"".join(pieces)
    if chunked:
        framing = "Transfer-Encoding: chunked\r\n"
        wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        framing, wire = f"Content-Length: {len(body)}\r\n", body
    raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", headers=framing) + wire
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]

    with proxy.open(way, "ok.test") as session:
        proxy.started += 1
        for start, end in pairwise(edges):
            session.send(raw[start:end])
        answer = session.read_answer("POST")

    assert answer.body.decode() == f"{len(body)} {hashlib.sha256(body).hexdigest()}"


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=PIECES,
    way=st.sampled_from(ALL_WAYS),
    framing=st.sampled_from(["chunked", "sized", "close"]),
    cut=st.integers(0, 1000),
)
def test_an_answer_arrives_whole_or_is_seen_to_be_cut(
    proxy: RunningProxy, internet: Internet, pieces: list[bytes], way: Way, framing: str, cut: int
) -> None:
    body = b"".join(pieces)
    match framing:
        case "chunked":
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        case "sized":
            head, wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body
        case _:
            head, wire = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body
    is_cut = cut < len(wire) and framing != "close"
    for recorder in (internet.allowed, internet.allowed_tls):
        recorder.raw_replies["body"] = RawReply(head + (wire[:cut] if is_cut else wire), Then.CLOSE)

    answer = proxy.ask(way, "/raw/body")

    if is_cut:
        assert not answer.is_complete or answer.status == 502
    else:
        assert (answer.status, answer.body, answer.is_complete) == (200, body, True)


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_an_upload_that_is_cut_short_is_whole_for_nobody(proxy: RunningProxy, way: Way) -> None:
    for framing in ("Content-Length: 300000\r\n", "Transfer-Encoding: chunked\r\n"):
        raw = request("/upload", proxy.authority(way, "ok.test"), method="POST", headers=framing)
        body = b"x" * 200_000
        with proxy.open(way, "ok.test") as session:
            proxy.started += 1
            session.send(raw + (b"30d40\r\n%b\r\n" % body if "chunked" in framing else body))
            session.end()
            session.read_to_end()

        assert proxy.last_record()["action"] in ("client_cancel", "error")
    assert not [seen for seen in proxy.arrived() if seen.is_complete]
