"""A proxy may be slow, broken or hostile: what it says ends in a tunnel or in a sentence, and never in a hang."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import LoopbackStreamPair

from iron_proxy.config.proxy_urls import ProxyAddress, parse_proxy_url
from iron_proxy.errors import (
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from iron_proxy.messages.authority import Target
from iron_proxy.protocols.connect_reply import MAX_REPLY_BYTES
from iron_proxy.streams import deadlines
from iron_proxy.upstream import proxy_handshake
from iron_proxy.upstream.proxy_handshake import open_tunnel

LONG = 5.0
SECRET = "hunter2canary"
HTTP = parse_proxy_url(f"http://user:{SECRET}@proxy.test")
SOCKS = parse_proxy_url(f"socks5h://user:{SECRET}@proxy.test")
TARGET = Target("ok.test", 443)
SOCKS_OPEN = b"\x05\x02\x01\x00\x05\x00\x00\x01" + bytes(6)


@pytest.fixture
async def pair() -> AsyncIterator[LoopbackStreamPair]:
    async with LoopbackStreamPair() as pair:
        yield pair


@pytest.mark.parametrize(
    ("proxy", "reply"),
    [(HTTP, b"HTTP/1.1 200 OK\r\n\r\n"), (SOCKS, SOCKS_OPEN)],
    ids=["CONNECT", "SOCKS5"],
)
async def test_what_comes_behind_the_reply_belongs_to_the_tunnel(
    pair: LoopbackStreamPair, proxy: ProxyAddress, reply: bytes
) -> None:
    await pair.right.write(reply + b"early", LONG)

    await open_tunnel(pair.left, proxy, TARGET)

    assert await pair.left.read(LONG) == b"early"


@pytest.mark.parametrize(
    "proxy", [parse_proxy_url("proxy.test"), HTTP], ids=["without credentials", "with credentials"]
)
async def test_a_proxy_is_asked_with_the_credentials_it_has(pair: LoopbackStreamPair, proxy: ProxyAddress) -> None:
    await pair.right.write(b"HTTP/1.1 200 OK\r\n\r\n", LONG)

    await open_tunnel(pair.left, proxy, TARGET)

    asked = await pair.right.read(LONG)
    assert asked.startswith(b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n")
    assert (b"Proxy-Authorization: Basic " in asked) == (proxy is HTTP)


@pytest.mark.parametrize(
    ("proxy", "reply", "kind", "words"),
    [
        (HTTP, f"HTTP/1.1 407 {SECRET}\r\n\r\n{SECRET}", UpstreamUnreachable, "answered 407.*credentials"),
        (HTTP, f"HTTP/1.1 403 {SECRET}\r\nX: {SECRET}\r\n\r\n", UpstreamUnreachable, "answered 403"),
        (HTTP, "HTTP/1.1 503 no\r\n\r\n", UpstreamUnreachable, "answered 503"),
        (HTTP, "HTTP/1.1 302 there\r\n\r\n", UpstreamUnreachable, "answered 302"),
        (HTTP, f"{SECRET}\r\n\r\n", UpstreamProtocolError, "not valid"),
        (HTTP, "x" * (MAX_REPLY_BYTES + 1), UpstreamProtocolError, "too large"),
        (SOCKS, f"HTTP/1.1 400 {SECRET}\r\n\r\n", UpstreamProtocolError, "SOCKS5"),
        (SOCKS, "\x05\xff", UpstreamError, "accepts neither"),
        (SOCKS, "\x05\x02\x01\x01", UpstreamError, "refused the user and password"),
        (SOCKS, "\x05\x00\x05\x04", UpstreamUnreachable, "the host is unreachable"),
    ],
)
async def test_a_refusal_is_told_without_the_proxys_words(
    pair: LoopbackStreamPair, proxy: ProxyAddress, reply: str, kind: type[UpstreamError], words: str
) -> None:
    await pair.right.write(reply.encode("latin-1"), LONG)

    with pytest.raises(kind, match=words) as caught:
        await open_tunnel(pair.left, proxy, TARGET)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [(HTTP, b""), (HTTP, b"HTTP/1.1 200 OK\r\n"), (SOCKS, b""), (SOCKS, b"\x05\x02\x01\x00\x05\x00")],
    ids=["CONNECT, at once", "CONNECT, half-way", "SOCKS5, at once", "SOCKS5, half-way"],
)
async def test_a_proxy_that_closes_is_told(pair: LoopbackStreamPair, proxy: ProxyAddress, said: bytes) -> None:
    await pair.right.write(said, LONG)
    await pair.right.write_end()

    with pytest.raises(UpstreamDisconnected, match="closed the connection before a tunnel was open"):
        await open_tunnel(pair.left, proxy, TARGET)


@pytest.mark.parametrize("proxy", [HTTP, SOCKS], ids=["CONNECT", "SOCKS5"])
async def test_a_proxy_that_resets_is_told(pair: LoopbackStreamPair, proxy: ProxyAddress) -> None:
    async def reset() -> None:
        await pair.right.read(LONG)
        pair.right.abort()

    opened, _ = await asyncio.gather(open_tunnel(pair.left, proxy, TARGET), reset(), return_exceptions=True)

    assert isinstance(opened, UpstreamDisconnected)


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [HTTP, SOCKS], ids=["CONNECT", "SOCKS5"])
async def test_a_silent_proxy_times_out(
    pair: LoopbackStreamPair, proxy: ProxyAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)
    monkeypatch.setattr(proxy_handshake, "STEP_TIMEOUT", 0.01)

    with pytest.raises(UpstreamTimeout, match="did not answer in time"):
        await open_tunnel(pair.left, proxy, TARGET)
