"""
A marked secret in every source and of every shape, and an upstream that sends them all back: none comes through.

The searcher (tests/fakes/canary.py) decodes what it reads and knows none of our spellings. What fails on the way is
test_canary_failures.py; what the process itself shows is test_canary_process.py.
"""

import pytest
from tests.fakes.canary_world import CANARIES, TOKENS, CanaryWorld
from tests.fakes.echo_replies import REPLIES
from tests.fakes.http2_peer import speak
from tests.fakes.running_proxy import request
from tests.fakes.wire_client import ALL_WAYS, TLS_WAYS, Way, way_id

VERSIONS = (1, 2)


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
def test_the_origin_really_gets_them_all(canaries: CanaryWorld, way: Way) -> None:
    assert canaries.ask("/", way).status == 200

    assert canaries.finder.names_in(canaries.last_arrived(way).everything()) == set(CANARIES)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REPLIES)
def test_a_response_that_holds_them_all_comes_without(canaries: CanaryWorld, name: str, version: int) -> None:
    if version == 2 and name == "reason":
        pytest.skip("HTTP/2 has no reason phrases")

    answer = canaries.ask(f"/reply/{name}", version=version)

    assert answer.is_complete
    assert any(canaries.finder.is_in(text) for text in canaries.origin(Way.HTTPS).sent)
    assert answer.status == REPLIES[name]([b"x"]).status


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("name", ["fields", "hints", "trailers", "json", "in-single-bytes", "gzip", "page-500"])
def test_by_whichever_way_it_was_asked_for(canaries: CanaryWorld, name: str, way: Way) -> None:
    assert canaries.ask(f"/reply/{name}", way).is_complete


@pytest.mark.parametrize("way", [way for way in TLS_WAYS if way is not Way.HTTPS], ids=way_id)
@pytest.mark.parametrize("name", ["fields", "trailers", "json"])
def test_by_whichever_way_in_http2(canaries: CanaryWorld, name: str, way: Way) -> None:
    assert canaries.ask(f"/reply/{name}", way, version=2).is_complete


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["fields", "json", "gzip", "fields-of-a-redirect"])
def test_a_head_alone(canaries: CanaryWorld, name: str, version: int) -> None:
    assert canaries.ask(f"/reply/{name}", method="HEAD", version=version).is_complete


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [8, 11, 20])
def test_a_page_asked_for_part_by_part_does_not_give_away_what_it_may_not_as_a_whole(
    canaries: CanaryWorld, version: int, size: int
) -> None:
    parts = []
    for begin in range(0, 40, size):
        asked = [(b"Range", b"bytes=%d-%d" % (begin, begin + size - 1))]
        parts.append(canaries.ask("/page", method="GET", headers=asked, version=version).body)
        if len(parts[-1]) > size:
            break  # the whole page: ranges are not passed on, which is as good

    assert canaries.finder.find(b"".join(parts)) == []


def test_a_client_that_asks_for_codings_gets_none_of_them(canaries: CanaryWorld) -> None:
    asked = [(b"Accept-Encoding", b"gzip, br, zstd"), (b"TE", b"trailers, gzip")]

    canaries.ask("/reply/plain", headers=asked)

    assert canaries.last_arrived(Way.HTTPS).get(b"accept-encoding") in (b"identity", b"")


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_origin_has_kept_comes_back_without_those_that_go_into_every_request(
    canaries: CanaryWorld, version: int
) -> None:
    """Injected ones, that is: the others are looked for in answers to requests that held their tokens."""
    canaries.ask("/", version=version)

    answer = canaries.ask("/kept", version=version, method="GET", with_tokens=False)

    assert answer.status == 200
    assert canaries.finder.names_in(answer.body) & {"ENV", "BASIC", "QUERY", "FILE"} == set()
    canaries.forgive_received()


def test_a_secret_that_is_put_in_while_the_answer_is_on_its_way(canaries: CanaryWorld) -> None:
    canaries.ask("/")  # a secret that has never been fetched would be refused by then
    port = canaries.origin(Way.HTTPS).port
    canaries.proxy.started += 1
    with canaries.proxy.open(Way.HTTPS, "inject.test", port) as session:
        session.send(
            request("/mirror", f"inject.test:{port}", method="POST", headers="Transfer-Encoding: chunked\r\n")
            + b"4\r\none!\r\n"  # no secret begins with its end: it is passed on whole
        )
        while b"one!" not in session.received:
            assert session.read()
        token = b"before " + TOKENS["PEM"] + b" behind"
        session.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(token), token))
        session.read_to_end()

    assert "PEM" in canaries.finder.names_in(b"".join(canaries.origin(Way.HTTPS).sent))


def test_the_same_in_http2(canaries: CanaryWorld) -> None:
    canaries.ask("/")
    canaries.proxy.started += 1
    with speak(canaries.proxy, Way.HTTPS, "inject.test", canaries.origin(Way.HTTPS).port) as peer:
        stream = peer.begin("/mirror", "POST", end=False)
        peer.send(stream, b"one!")  # no secret begins with its end: it is passed on whole
        peer.until(lambda: peer.answers[stream].size >= 4)
        peer.send(stream, b"before " + TOKENS["PEM"] + b" behind", end=True)
        canaries.note(peer.answer(stream))

    assert "PEM" in canaries.finder.names_in(b"".join(canaries.origin(Way.HTTPS).sent))
