"""Inside a tunnel: plain HTTP or TLS for the tunnel's target, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import client_context, closed, connected_streams, server_context
from tests.fakes.served import LONG, OK, Served
from tests.fakes.transforms import FakeAllowlist

from iron_proxy.errors import BadHandshake
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.proxy.inner_protocol import serve_inside
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream

REQUEST = b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n"


class Inside:
    """An open tunnel over loopback."""

    client: SocketStream

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy

    async def open(self, port: int) -> "asyncio.Future[None]":
        self.client, self._proxy_side = await connected_streams()
        tunnel = Tunnel(Target("ok.test", port))
        return self.proxy.task(serve_inside(self._proxy_side, self.proxy.services, tunnel))

    async def close(self) -> None:
        await closed(self.client, self._proxy_side)


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        inside = Inside(proxy)
        yield inside
        await inside.close()


async def test_plain_http_is_served_for_the_tunnels_target(inside: Inside) -> None:
    inside.proxy.answers(OK)
    serving = await inside.open(8080)
    await inside.client.write(REQUEST.replace(b"ok.test", b"ok.test:8080"), LONG)
    await serving

    assert (await inside.client.read(LONG)).startswith(b"HTTP/1.1 200 OK\r\n")
    [permit] = inside.proxy.dialer.permits
    assert (permit.target, permit.scheme) == (Target("ok.test", 8080), "http")
    [record] = await inside.proxy.records()
    assert record["tunnel"] == {"target": "ok.test:8080"}


async def test_tls_is_terminated_and_the_request_goes_upstream_by_https(inside: Inside) -> None:
    inside.proxy.leaves.contexts["ok.test"] = server_context("ok.test")
    inside.proxy.answers(OK)
    await inside.open(443)
    client = TLSStream(inside.client, client_context(), server_side=False, server_name="ok.test")
    await client.handshake(LONG)
    await client.write(REQUEST, LONG)

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert inside.proxy.dialer.permits[0].scheme == "https"
    [record] = await inside.proxy.records()
    assert record["sni"] == "ok.test"


async def test_a_request_for_another_host_than_the_tunnels_is_misdirected(inside: Inside) -> None:
    await inside.open(80)
    await inside.client.write(REQUEST.replace(b"ok.test", b"other.test"), LONG)

    assert (await inside.client.read(LONG)).startswith(b"HTTP/1.1 421 ")
    assert inside.proxy.dialer.permits == []


async def test_any_other_protocol_is_named_by_its_first_byte(inside: Inside) -> None:
    serving = await inside.open(22)
    inside.proxy._tasks.clear()
    await inside.client.write(b"\x00SSH", LONG)

    with pytest.raises(BadHandshake, match=r"unsupported protocol \(first byte 0x00\) for target ok\.test:22"):
        await serving


async def test_a_tunnel_that_is_not_used_ends_quietly(inside: Inside) -> None:
    serving = await inside.open(443)
    await inside.client.write_end()

    await serving

    assert await inside.proxy.records() == []
    assert inside.proxy.services.connections == set()


@pytest.mark.slow
async def test_a_tunnel_in_which_nothing_is_said_ends_quietly(inside: Inside) -> None:
    inside.proxy.limit(first_byte=0.01)

    await (await inside.open(443))

    assert await inside.proxy.records() == []
