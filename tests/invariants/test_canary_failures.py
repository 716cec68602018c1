"""
Whatever goes wrong while the marked secrets are in the proxy's hands: nobody is told them.

An upstream that sends them back in answers that break the rules, one that cannot be reached, a client that is refused
or leaves, a user's transform that fails with them, a stop in the middle.
"""

import signal

import pytest
from tests.conftest import Fresh
from tests.fakes.canary_world import CANARIES, TOKENS, CanaryWorld, carrying_fields
from tests.fakes.configurations import base_config
from tests.fakes.echo_replies import BROKEN
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.running_proxy import request
from tests.fakes.wire_client import TLS_WAYS, Answer, Way, way_id

# What every client takes for an answer.
GOOD = {"to-the-end", "http-1.0", "behind-the-body"}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_breaks_the_rules_with_all_of_them_in_it(canaries: CanaryWorld, name: str) -> None:
    answer = canaries.ask(f"/broken/{name}", headers=[(b"Connection", b"close")])

    assert canaries.finder.is_in(canaries.origin(Way.HTTPS).sent[-1])
    assert answer.status in ((200,) if name in GOOD else (0, 200, 502))


@pytest.mark.parametrize("path", ["/goaway", "/bad-field", "/half"])
def test_the_same_in_http2(canaries: CanaryWorld, path: str) -> None:
    canaries.ask(path, version=2, headers=[(b"x-note", b"1")])

    assert canaries.last_arrived(Way.HTTPS).texts


@pytest.mark.parametrize("version", [1, 2])
def test_an_upstream_that_has_them_and_says_nothing(canaries: CanaryWorld, version: int) -> None:
    assert canaries.ask("/stall", version=version).status == 502


@pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)
@pytest.mark.parametrize("host", ["nx.test", "lo.test"])
def test_an_upstream_that_cannot_be_dialled(canaries: CanaryWorld, way: Way, host: str) -> None:
    assert canaries.ask("/", way, host=host).status == 502


def test_an_upstream_that_refuses_the_connection(canaries: CanaryWorld) -> None:
    assert canaries.ask("/", port=1).status == 502


def test_an_upstream_whose_certificate_is_not_good(canaries: CanaryWorld, internet: Internet) -> None:
    origin = internet.add_recorder(ALLOWED, internet.server_context("elsewhere.test"))

    assert canaries.ask("/", port=origin.port).status == 502


# --- WebSockets -----------------------------------------------------------------------------------------------------

UPGRADE = [
    (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


def open_websocket(canaries: CanaryWorld, path: str) -> bytes:
    """The whole session, as the client gets it."""
    port = canaries.origin(Way.HTTPS).port
    lines = b"".join(b"%b: %b\r\n" % pair for pair in (*carrying_fields(), *UPGRADE)).decode()
    canaries.proxy.started += 1
    with canaries.proxy.open(Way.HTTPS, "inject.test", port) as session:
        session.send(request(path, f"inject.test:{port}", headers=lines))
        return session.read_to_end()


def head_of(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[0]


def test_the_head_of_a_websocket_that_holds_them(canaries: CanaryWorld) -> None:
    received = open_websocket(canaries, "/ws")

    assert received.startswith(b"HTTP/1.1 101")
    assert canaries.finder.find(head_of(received)) == []
    # What is said behind the head passes as it is, unless the entry says otherwise (`match_websocket`).
    canaries.forgive_received()


@pytest.mark.parametrize("name", ["fields", "json", "page-401", "hints"])
def test_an_answer_in_place_of_a_websocket(canaries: CanaryWorld, name: str) -> None:
    received = open_websocket(canaries, f"/reply/{name}")

    assert b" 101 " not in received.partition(b"\r\n")[0]


# --- clients --------------------------------------------------------------------------------------------------------


def raw_request(start: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    """With every token; `%b` in a line is the authority."""
    fields = b"".join(b"%b: %b\r\n" % pair for pair in carrying_fields())
    return start + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + fields + b"\r\n" + body


HOST = b"Host: HERE"
REFUSED: dict[str, tuple[bytes, set[int]]] = {
    "400": (raw_request(b"GET /", HOST, HOST), {400}),
    "400 for a control character": (raw_request(b"GET /", HOST, b"X-A: \x01"), {400}),
    "403": (raw_request(b"GET /", b"Host: other.test"), {400, 403, 421}),
    "405": (raw_request(b"TRACE /", HOST), {405}),
    "405 for CONNECT": (raw_request(b"CONNECT inject.test:443", HOST), {405, 400}),
    "413": (raw_request(b"GET /" + b"a" * 70_000, HOST), {414, 431}),
    "417": (raw_request(b"POST /", HOST, b"Expect: x", b"Content-Length: 0"), {417}),
    "421": (raw_request(b"GET /", b"Host: ok.test"), {421, 400}),
    "431": (raw_request(b"GET /", HOST, b"X-A: " + b"a" * 1_100_000), {431}),
    "501": (raw_request(b"POST /", HOST, b"Transfer-Encoding: gzip, chunked"), {501, 400}),
    "502 for a secret with newlines": (raw_request(b"GET /", HOST, b"X-Secret-Other: " + TOKENS["PEM"]), {502}),
    "a cut body": (raw_request(b"POST /", HOST, b"Content-Length: 99", body=TOKENS["PEM"]), {0, 400}),
    "a cut chunk": (raw_request(b"POST /", HOST, b"Transfer-Encoding: chunked", body=b"5\r\nab"), {0, 400}),
    "no chunk": (raw_request(b"POST /", HOST, b"Transfer-Encoding: chunked", body=b"zz\r\n"), {0, 400}),
}


@pytest.mark.parametrize(("raw", "statuses"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
def test_a_request_that_is_refused(canaries: CanaryWorld, raw: bytes, statuses: set[int]) -> None:
    port = canaries.origin(Way.HTTPS).port
    with canaries.proxy.open(Way.HTTPS, "inject.test", port) as session:
        canaries.proxy.started += 1
        session.send(raw.replace(b"HERE", b"inject.test:%d" % port))
        session.end()
        answer = session.read_answer()
        canaries.note(answer)

    assert answer.status in statuses
    assert canaries.proxy.last_record()["action"] != "allow"


@pytest.mark.parametrize("path", ["/stall", "/half"])
def test_a_client_that_leaves(canaries: CanaryWorld, path: str) -> None:
    port = canaries.origin(Way.HTTPS).port
    lines = b"".join(b"%b: %b\r\n" % pair for pair in carrying_fields()).decode()
    with canaries.proxy.open(Way.HTTPS, "inject.test", port) as session:
        canaries.proxy.started += 1
        session.send(request(path, f"inject.test:{port}", headers=lines))
        if path == "/half":
            session.read()
        else:  # not before the proxy has read it: a reset takes with it what still lies in the socket
            canaries.wait_for_arrival(path)
        session.reset()

    assert canaries.proxy.last_record()["action"] in ("client_cancel", "error")


def test_a_cut_in_the_middle_of_one_is_a_cut_for_the_client_too(canaries: CanaryWorld) -> None:
    answer: Answer = canaries.ask("/broken/cut-in-a-body")

    assert not answer.is_complete
    assert canaries.proxy.last_record()["action"] == "error"


# --- the process ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/half", "/stall"])
def test_a_stop_in_the_middle(canaries: CanaryWorld, fresh_proxy: Fresh, internet: Internet, path: str) -> None:
    port = canaries.origin(Way.HTTPS).port
    shared = canaries.proxy
    configuration = base_config(internet, shared.ca, transforms=canaries.transforms, log={"level": "debug"})
    proxy = fresh_proxy(configuration, env=canaries.environment)
    lines = b"".join(b"%b: %b\r\n" % pair for pair in carrying_fields()).decode()
    with proxy.open(Way.HTTPS, "inject.test", port) as session:
        proxy.started += 1
        session.send(request(path, f"inject.test:{port}", headers=lines))
        canaries.wait_for_arrival(path)
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for(lambda line: line["msg"] == "received signal, shutting down")
        proxy.process.send_signal(signal.SIGTERM)  # a second one does not wait for what is under way
        received = session.read_to_end()

    assert proxy.wait_for_exit() == 0
    assert canaries.finder.find(received) == []
    assert canaries.finder.find("".join(proxy.lines).encode()) == []
    assert set(CANARIES) - canaries.finder.names_in(canaries.last_arrived(Way.HTTPS).everything()) == {"PEM"}
