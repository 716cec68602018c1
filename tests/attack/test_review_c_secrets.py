"""What a hostile review of the secrets found: ways around the scrubbing, the injection, and the bounds of a swap."""

import asyncio

import pytest
from tests.conftest import Running
from tests.fakes.configurations import allowlist, replacement, secrets_of
from tests.fakes.internet import ALLOWED, Internet
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, RunningProxy, request
from tests.fakes.wire_client import TLS_WAYS, Way, way_id

REAL = SECRETS["SEC_REP"]
TOKEN_HEADER = f"X-Api-Key: {PROXY_TOKEN}\r\n"
tunnelled = pytest.mark.parametrize("way", [way for way in TLS_WAYS if way.is_tunnel], ids=way_id)
encrypted = pytest.mark.parametrize("way", TLS_WAYS, ids=way_id)


def reply(internet: Internet, head: str, body: bytes) -> None:
    """What the origin answers to `/raw/review`."""
    content = f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    internet.allowed_tls.raw_replies["review"] = RawReply(content, Then.KEEP)


# --- coming back ----------------------------------------------------------------------------------------------------


@encrypted
@pytest.mark.parametrize("order", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["text/plain; charset=utf-16", "application/octet-stream"])
def test_an_echo_in_utf_16_holds_no_secret(
    proxy: RunningProxy, internet: Internet, way: Way, order: str, kind: str
) -> None:
    reply(internet, f"Content-Type: {kind}\r\n", f"no such key: {REAL}!".encode(order))

    answer = proxy.ask(way, "/raw/review", host="swap.test", headers=TOKEN_HEADER)

    text = answer.body.decode(order)
    assert REAL not in text
    assert text.startswith("no such key: proxy-token-")
    assert text.endswith("!")


@encrypted
def test_compressed_messages_of_connect_are_refused(proxy: RunningProxy, internet: Internet, way: Way) -> None:
    """Its messages are compressed one by one, as gRPC's, and the field has another name."""
    reply(internet, "Content-Type: application/connect+json\r\nConnect-Content-Encoding: gzip\r\n", b"\1\0\0\0\1x")

    answer = proxy.ask(
        way, "/raw/review", host="swap.test", headers=TOKEN_HEADER + "Connect-Accept-Encoding: gzip\r\n"
    )

    assert answer.status == 502
    assert proxy.arrived()[-1].get_all(b"connect-accept-encoding") == [b"identity"]
    assert proxy.last_record()["response_transforms"][0]["annotations"]["reject_reason"] == "coded_response"


@encrypted
def test_nothing_is_asked_for_in_parts_or_in_another_character_set(proxy: RunningProxy, way: Way) -> None:
    asked = ["Range", "If-Range", "X-MS-Range", "A-IM", "Accept-Charset"]
    headers = TOKEN_HEADER + "".join(f"{name}: bytes=0-9\r\n" for name in asked)

    proxy.ask(way, "/echo", host="swap.test", headers=headers)

    assert not {name.lower().encode() for name in asked} & {*proxy.arrived()[-1].names()}


class Broadcast:
    """An origin that sends what one connection's request holds to all that listen to `/events`."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b" /events " in head:
            kind = b"Content-Type: text/event-stream\r\nConnection: close\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"\r\ndata: hello\n\n")
            self._listeners.append(writer)
            return
        key = head.partition(b"X-Api-Key: ")[2].partition(b"\r\n")[0]
        for listener in self._listeners:
            listener.write(b"data: " + key + b"\n\n")
            listener.close()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()


@tunnelled
async def test_a_stream_opened_before_does_not_bring_what_is_sent_later(
    running: Running, tmp_path_factory: pytest.TempPathFactory, way: Way
) -> None:
    """The workload listens first, with a coding that it hopes is not looked into, and uses its token then."""
    file = tmp_path_factory.mktemp("secret") / "key"
    file.write_text(REAL)
    entry = replacement("") | {"source": {"type": "file", "path": str(file)}}
    proxy = await asyncio.to_thread(running, transforms=[allowlist(), secrets_of(entry)])
    context = proxy.internet.server_context("swap.test")
    server = await asyncio.start_server(Broadcast().serve, ALLOWED, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    def attack() -> bytes:
        with proxy.open(way, "swap.test", port) as listening, proxy.open(way, "swap.test", port) as using:
            proxy.started += 2
            host = f"swap.test:{port}"
            listening.send(request("/events", host, headers="Accept-Encoding: gzip\r\n"))
            while b"hello" not in listening.received:
                assert listening.read()
            using.send(request("/", host, headers=TOKEN_HEADER))
            assert using.read_answer().status == 204
            while not listening.received.endswith(b"0\r\n\r\n"):
                assert listening.read()
            return bytes(listening.received)

    async with server:
        received = await asyncio.to_thread(attack)

    assert REAL.encode() not in received
    assert PROXY_TOKEN.encode() in received


# --- what the client has sent beside what is injected ---------------------------------------------------------------


@pytest.fixture
def injecting(running: Running) -> RunningProxy:
    entry = {
        "source": {"type": "env", "var": "SEC_INJ"},
        "inject": {"header": "X-Api-Key"},
        "rules": [{"host": "inject.test"}],
    }
    return running(transforms=[allowlist(), secrets_of(entry)])


@encrypted
def test_a_field_that_cgi_takes_for_the_injected_one_goes(injecting: RunningProxy, way: Way) -> None:
    headers = "X_Api_Key: mine\r\nx-api_KEY: mine\r\nX-Api-Keys: other\r\n"

    injecting.ask(way, host="inject.test", headers=headers)

    seen = injecting.arrived()[-1]
    assert [name for name in seen.names() if name.startswith(b"x")] == [b"x-api-keys", b"x-api-key"]
    assert seen.get_all(b"x-api-key") == [SECRETS["SEC_INJ"].encode()]


@encrypted
def test_a_trailer_of_the_injected_name_goes(injecting: RunningProxy, way: Way) -> None:
    body = b"1\r\nx\r\n0\r\nX-Api-Key: mine\r\nX_api_key: mine\r\nX-Sum: 7\r\n\r\n"
    with injecting.open(way, "inject.test") as session:
        injecting.started += 1
        head = request(
            "/upload", injecting.authority(way, "inject.test"), method="POST", headers="Transfer-Encoding: chunked\r\n"
        )
        session.send(head + body)
        assert session.read_answer("POST").status == 200

    assert injecting.arrived()[-1].trailers == b"X-Sum: 7\r\n"


# --- bodies made to be expensive ------------------------------------------------------------------------------------


@encrypted
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_made_of_tokens_is_refused(proxy: RunningProxy, way: Way, kind: str) -> None:
    """Swapping fifty thousand of them would hold everybody up."""
    body = PROXY_TOKEN.encode() * 5000

    answer = proxy.ask(
        way, "/upload", host="swap.test", method="POST", headers=f"Content-Type: {kind}\r\n", body=body
    )

    assert answer.status == 413
    assert proxy.last_record()["request_transforms"][-1]["annotations"]["reject_reason"] == "too_many_tokens"


@encrypted
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_secret_does_not_make_a_small_body_huge(
    running: Running, tmp_path_factory: pytest.TempPathFactory, way: Way, chunked: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "large-secret"
    file.write_text("REAL-large-" + "x" * 900_000)
    entry = replacement("", match_body=True, headers=("X-None",)) | {"source": {"type": "file", "path": str(file)}}
    proxy = running(transforms=[allowlist(), secrets_of(entry)])
    proxy.leftovers.allow(40 * 1024)              # what such a secret is searched by, in all its spellings: built once
    before = len(proxy.arrived())

    with proxy.open(way, "swap.test") as session:
        proxy.started += 1
        host = proxy.authority(way, "swap.test")
        if chunked:
            session.send(request("/upload", host, method="POST", headers="Transfer-Encoding: chunked\r\n"))
            proxy_sees = b"%x\r\n%b\r\n" % (30 * len(PROXY_TOKEN), PROXY_TOKEN.encode() * 30)
            session.send(proxy_sees + b"0\r\n\r\n")
        else:
            session.send(request("/upload", host, method="POST", body=PROXY_TOKEN.encode() * 30))
        answer = session.read_answer("POST")

    assert answer.status == 502
    assert not any(seen.is_complete for seen in proxy.arrived()[before:])
