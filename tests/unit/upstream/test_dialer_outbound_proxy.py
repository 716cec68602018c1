"""Through an outbound proxy: which bytes it sees, what is judged here all the same, and what a failure says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from ipaddress import ip_network

import pytest
import trustme
from tests.fakes.loopback import RecordingServer, client_context, closed, server_context
from tests.fakes.outbound_proxy import FakeHTTPProxy, FakeSOCKSProxy
from tests.fakes.resolver import Addresses, FakeResolver

from iron_proxy.config.schema import LimitsConfig
from iron_proxy.errors import (
    UpstreamDenied,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTLSError,
    UpstreamUnreachable,
)
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Admission
from iron_proxy.pipeline.pipeline import Permit
from iron_proxy.streams import tls_stream
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.deny_list import DenyList
from iron_proxy.upstream.dialer import Dialer
from iron_proxy.upstream.nested_tls import NestedTLSStream
from iron_proxy.upstream.outbound_proxy import OutboundProxies, RouteKind

LONG = 5.0
ORIGIN, DENIED_HOST = "127.0.1.1", "127.0.0.5"
NONE = DenyList([])
LOGIN = ("alice", "hunter2canary")

AnyProxy = FakeHTTPProxy | FakeSOCKSProxy
PROXIES: dict[str, Callable[[], AnyProxy]] = {
    "http": FakeHTTPProxy,
    "http with a login": lambda: FakeHTTPProxy(login=LOGIN),
    "https": lambda: FakeHTTPProxy(tls=server_context("127.0.0.1")),
    "https with a login": lambda: FakeHTTPProxy(tls=server_context("127.0.0.1"), login=LOGIN),
    "socks5h": FakeSOCKSProxy,
    "socks5h with a login": lambda: FakeSOCKSProxy(login=LOGIN),
}


@pytest.fixture(params=PROXIES.values(), ids=list(PROXIES))
async def proxy(request: pytest.FixtureRequest) -> AsyncIterator[AnyProxy]:
    async with request.param() as proxy:
        proxy.leads_to["ok.test"] = ORIGIN
        yield proxy


@pytest.fixture
async def http_proxy() -> AsyncIterator[FakeHTTPProxy]:
    async with FakeHTTPProxy() as proxy:
        proxy.leads_to["ok.test"] = ORIGIN
        yield proxy


@pytest.fixture
async def origin() -> AsyncIterator[RecordingServer]:
    async with RecordingServer(ORIGIN) as server:
        yield server


@pytest.fixture
async def tls_origin() -> AsyncIterator[RecordingServer]:
    async with RecordingServer(ORIGIN, tls=server_context("ok.test")) as server:
        yield server


def build(
    url: str,
    *,
    names: Mapping[str, Addresses] | None = None,
    deny_list: DenyList | None = None,
    context: ssl.SSLContext | None = None,
    no_proxy: str = "",
    is_own_listener: Callable[[str, int], bool] = lambda address, port: False,
    connect: float = 30.0,
) -> tuple[Dialer, FakeResolver]:
    """A dialer with one proxy for both schemes. Numeric hosts resolve to themselves, as they really do."""
    known = {"127.0.0.1": ["127.0.0.1"], ORIGIN: [ORIGIN], DENIED_HOST: [DENIED_HOST], **(names or {})}
    resolver = FakeResolver(known)
    proxies = OutboundProxies.from_texts(url, url, no_proxy)
    deny_list = DenyList() if deny_list is None else deny_list
    limits = LimitsConfig(connect=connect)
    context = context or client_context()
    return Dialer(resolver, deny_list, context, is_own_listener, proxies, limits=limits), resolver


def permit(port: int, scheme: str = "https", host: str = "ok.test", *, named: bool = False) -> Permit:
    return Permit(Target(host, port, host[0].isdigit()), scheme, Admission("a rule", named))


# --- the ways -------------------------------------------------------------------------------------------------------


async def test_https_goes_through_a_tunnel_that_sees_no_plain_byte(
    proxy: AnyProxy, tls_origin: RecordingServer
) -> None:
    dialer, resolver = build(proxy.url)

    stream, accepted = await asyncio.gather(dialer.dial(permit(tls_origin.port)), tls_origin.accepted())
    await stream.write(b"secret", LONG)
    await accepted.write(b"x" * 500_000, LONG)

    assert await accepted.read(LONG) == b"secret"
    assert len(await read_exactly(stream, 500_000)) == 500_000
    assert proxy.asked == [f"ok.test:{tls_origin.port}"]
    assert proxy.logins == ([LOGIN] if proxy.login else [])
    assert "ok.test" not in resolver.asked
    assert isinstance(stream, NestedTLSStream) == proxy.url.startswith("https")
    await closed(stream)


async def read_exactly(stream: SocketStream | TLSStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.read(LONG)
    return data


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_relayed_bytes_go_through_a_tunnel_without_tls_of_ours(
    proxy: AnyProxy, origin: RecordingServer, scheme: str
) -> None:
    dialer, _ = build(proxy.url)
    way = permit(origin.port, scheme)

    dialling = dialer.dial(way, tunnel=True) if scheme == "http" else dialer.dial_raw(way)
    stream, accepted = await asyncio.gather(dialling, origin.accepted())
    await stream.write(b"hello", LONG)

    assert await accepted.read(LONG) == b"hello"
    assert proxy.asked == [f"ok.test:{origin.port}"]
    await closed(stream)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_plain_http_goes_to_the_proxy_itself(tls: bool, origin: RecordingServer) -> None:
    async with FakeHTTPProxy(tls=server_context("127.0.0.1") if tls else None, login=LOGIN) as proxy:
        dialer, _ = build(proxy.url)
        way = permit(origin.port, "http")
        route = dialer.route(way)
        stream = await dialer.dial(way)
        target = route.request_target(way.target, b"/a")
        await stream.write(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (target, route.proxy_fields("GET")), LONG)

        assert b"by proxy" in await read_exactly(stream, 40)
        assert route.kind is RouteKind.ABSOLUTE_FORM
        assert proxy.asked == [f"http://ok.test:{origin.port}/a"]
        assert origin.count == 0
        await closed(stream)


async def test_what_no_proxy_covers_is_connected_to_directly(
    http_proxy: FakeHTTPProxy, tls_origin: RecordingServer
) -> None:
    dialer, _ = build(
        http_proxy.url, names={"ok.test": [ORIGIN]}, no_proxy=f"ok.test:{tls_origin.port}", deny_list=NONE
    )

    stream, _ = await asyncio.gather(dialer.dial(permit(tls_origin.port)), tls_origin.accepted())

    assert stream.peer == f"{ORIGIN}:{tls_origin.port}"
    assert http_proxy.accepted == 0
    await closed(stream)


async def test_with_socks5_the_name_is_resolved_here_and_the_address_sent(tls_origin: RecordingServer) -> None:
    async with FakeSOCKSProxy() as proxy:
        dialer, resolver = build(
            proxy.url.replace("socks5h", "socks5"), names={"ok.test": ["127.0.1.2", ORIGIN]}, deny_list=NONE
        )
        stream, _ = await asyncio.gather(dialer.dial(permit(tls_origin.port)), tls_origin.accepted())

        assert proxy.asked == [f"127.0.1.2:{tls_origin.port}", f"{ORIGIN}:{tls_origin.port}"]
        assert "ok.test" in resolver.asked
        await closed(stream)


async def test_bytes_in_one_piece_with_the_proxys_reply_are_the_tunnels(origin: RecordingServer) -> None:
    async with FakeHTTPProxy() as proxy:
        proxy.leads_to["ok.test"], proxy.early = ORIGIN, b"220 hello\r\n"
        dialer, _ = build(proxy.url)
        stream, _ = await asyncio.gather(dialer.dial_raw(permit(origin.port)), origin.accepted())

        assert await stream.read(LONG) == b"220 hello\r\n"
        await closed(stream)


# --- what is judged here --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"])
async def test_a_denied_address_is_not_asked_for(proxy: AnyProxy, scheme: str, host: str) -> None:
    dialer, _ = build(proxy.url)

    with pytest.raises(UpstreamDenied, match="denied by upstream_deny_cidrs"):
        await dialer.dial(permit(80, scheme, host))

    assert proxy.accepted == 0


async def test_an_address_that_the_operator_named_is_asked_for(http_proxy: FakeHTTPProxy) -> None:
    dialer, _ = build(http_proxy.url)

    with pytest.raises(UpstreamUnreachable, match="answered 502"):
        await dialer.dial(permit(1, "https", "0.0.0.0", named=True))

    assert http_proxy.asked == ["0.0.0.0:1"]


async def test_our_own_listener_is_not_asked_for(http_proxy: FakeHTTPProxy) -> None:
    dialer, _ = build(http_proxy.url, is_own_listener=lambda address, port: (address, port) == ("192.0.2.9", 443))

    with pytest.raises(UpstreamDenied, match="listener of this proxy"):
        await dialer.dial(permit(443, "https", "192.0.2.9", named=True))

    assert http_proxy.accepted == 0


async def test_localhost_is_judged_here_whatever_proxy_there_is(http_proxy: FakeHTTPProxy) -> None:
    dialer, _ = build(http_proxy.url, names={"localhost": ["127.0.0.1"]})

    with pytest.raises(UpstreamDenied, match=r"127\.0\.0\.1 in 127\.0\.0\.0/8"):
        await dialer.dial(permit(443, "https", "localhost"))

    assert http_proxy.accepted == 0


async def test_with_socks5_every_address_of_a_name_is_judged() -> None:
    async with FakeSOCKSProxy() as proxy:
        dialer, _ = build(proxy.url.replace("socks5h", "socks5"), names={"inward.test": ["169.254.169.254"]})

        with pytest.raises(UpstreamDenied, match=r"169\.254\.169\.254 in"):
            await dialer.dial(permit(443, "https", "inward.test"))

        assert proxy.accepted == 0


async def test_a_configured_deny_list_holds_for_the_proxy_too(http_proxy: FakeHTTPProxy) -> None:
    dialer, _ = build(http_proxy.url, deny_list=DenyList([ip_network("127.0.0.0/24")]))

    with pytest.raises(UpstreamDenied, match=r"outbound proxy 127\.0\.0\.1:\d+: dial tcp .* in 127\.0\.0\.0/24"):
        await dialer.dial(permit(443))

    assert http_proxy.accepted == 0


async def test_a_proxy_that_is_our_own_listener_is_never_dialled(http_proxy: FakeHTTPProxy) -> None:
    own = ("127.0.0.1", http_proxy.port)
    dialer, _ = build(http_proxy.url, is_own_listener=lambda *address: address == own)

    with pytest.raises(UpstreamDenied, match=r"outbound proxy .* it is a listener of this proxy"):
        await dialer.dial(permit(443))

    assert http_proxy.accepted == 0


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"HTTP/1.1 407 hunter2canary\r\n\r\n", UpstreamUnreachable, "answered 407"),
        (b"HTTP/1.1 403 hunter2canary\r\nContent-Length: 13\r\n\r\nhunter2canary", UpstreamUnreachable, "answered 403"),
        (b"hunter2canary\r\n\r\n", UpstreamProtocolError, "not valid"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: hunter2canary\r\n" * 2000, UpstreamProtocolError, "too large"),
    ],
    ids=["407", "403", "garbage", "huge"],
)
async def test_a_refusal_names_the_proxy_and_neither_its_words_nor_the_login(
    reply: bytes, kind: type[UpstreamError], words: str
) -> None:
    async with FakeHTTPProxy(login=LOGIN) as proxy:
        proxy.raw_reply = reply
        dialer, _ = build(proxy.url)

        with pytest.raises(kind, match=f"outbound proxy 127.0.0.1:{proxy.port}: .*{words}") as caught:
            await dialer.dial(permit(443))

    assert "hunter2" not in str(caught.value)
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize("login", [None, ("user", "wrong")], ids=["no login", "a wrong one"])
@pytest.mark.parametrize("fake", [FakeHTTPProxy, FakeSOCKSProxy], ids=["CONNECT", "SOCKS5"])
async def test_a_login_that_does_not_fit_is_told(
    fake: type[FakeHTTPProxy] | type[FakeSOCKSProxy], login: tuple[str, str] | None
) -> None:
    async with fake(login=login) as proxy:
        url, proxy.login = proxy.url, LOGIN
        dialer, _ = build(url)

        with pytest.raises(UpstreamError, match=r"credentials|authenticate|password") as caught:
            await dialer.dial(permit(443))

    assert "wrong" not in str(caught.value)


async def test_a_proxy_that_is_not_there_is_named() -> None:
    async with FakeHTTPProxy() as gone:
        url = gone.url
    dialer, _ = build(url)

    with pytest.raises(UpstreamUnreachable, match=r"outbound proxy 127\.0\.0\.1:\d+: dial tcp .*: connection refused"):
        await dialer.dial(permit(443))


async def test_a_proxy_that_does_not_answer_times_out_and_is_closed() -> None:
    async with RecordingServer() as silent:
        dialer, _ = build(f"http://127.0.0.1:{silent.port}", connect=0.03)

        with pytest.raises(UpstreamTimeout, match=r"connecting to ok\.test:443 through outbound proxy 127\.0\.0\.1:"):
            await dialer.dial(permit(443))

        stream = await silent.accepted()
        with pytest.raises(StreamReset):
            await read_exactly(stream, 1000)


async def test_a_proxy_that_sends_a_byte_now_and_then_does_not_stretch_the_time() -> None:
    async def trickle(server: RecordingServer) -> None:
        stream = await server.accepted()
        while True:
            await stream.write(b"X", LONG)
            await asyncio.sleep(0.002)

    async with RecordingServer() as slow:
        dialer, _ = build(f"http://127.0.0.1:{slow.port}", connect=0.05)
        dialled, trickled = await asyncio.gather(dialer.dial(permit(443)), trickle(slow), return_exceptions=True)

    assert isinstance(dialled, UpstreamTimeout)
    assert isinstance(trickled, StreamReset)


async def test_with_socks5_a_refused_login_is_not_tried_with_every_address() -> None:
    async with FakeSOCKSProxy(login=("alice", "wrong")) as proxy:
        url, proxy.login = proxy.url.replace("socks5h", "socks5"), LOGIN
        dialer, _ = build(url, names={"ok.test": ["127.0.1.2", ORIGIN]}, deny_list=NONE)

        with pytest.raises(UpstreamError, match="refused the user and password"):
            await dialer.dial(permit(443))

        assert proxy.accepted == 1


async def test_a_proxy_over_tls_must_prove_its_name() -> None:
    async with FakeHTTPProxy(tls=server_context("127.0.0.1", ca=trustme.CA()), login=LOGIN) as proxy:
        dialer, _ = build(proxy.url)

        with pytest.raises(UpstreamTLSError, match=r"outbound proxy .* the TLS handshake with 127\.0\.0\.1 failed"):
            await dialer.dial(permit(443))
        with pytest.raises(UpstreamTLSError, match="outbound proxy"):
            await dialer.dial(permit(80, "http"))

        assert proxy.heads == []


async def test_an_origin_behind_a_proxy_must_prove_its_name(proxy: AnyProxy) -> None:
    async with RecordingServer(ORIGIN, tls=server_context("other.test")) as origin:
        dialer, _ = build(proxy.url)

        dialled, _ = await asyncio.gather(dialer.dial(permit(origin.port)), origin.accepted(), return_exceptions=True)

    assert isinstance(dialled, UpstreamTLSError)
    assert str(dialled).lower().startswith("the tls handshake with ok.test failed: hostname mismatch")


async def test_a_session_of_another_context_is_not_resumed_and_does_no_harm(
    tls_origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_stream, "SESSIONS_LEAK", False)
    first, _ = build("", names={"ok.test": [ORIGIN]}, deny_list=NONE)
    stream, accepted = await asyncio.gather(first.dial(permit(tls_origin.port)), tls_origin.accepted())
    await accepted.write(b"x", LONG)
    assert isinstance(stream, TLSStream)
    await stream.read(LONG)
    session = stream.session
    assert session is not None
    second, _ = build("", names={"ok.test": [ORIGIN]}, deny_list=NONE)

    again, _ = await asyncio.gather(second.dial(permit(tls_origin.port), session), tls_origin.accepted())

    assert isinstance(again, TLSStream)
    assert again.peer_certificate() is not None
    await closed(stream, again)
