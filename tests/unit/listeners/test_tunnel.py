"""The tunnel listener: SOCKS5 or HTTP by the first byte, and what is spoken inside."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import closed, connected_streams
from tests.fakes.served import LONG, OK, Served
from tests.fakes.transforms import FakeAllowlist
from tests.wire import socks5_messages as socks

from iron_proxy.listeners.tunnel import TunnelListener
from iron_proxy.streams.http1_reader import RequestReader
from iron_proxy.streams.socket_stream import SocketStream

REQUEST = b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n"
CONNECT = b"CONNECT ok.test:80 HTTP/1.1\r\nHost: ok.test:80\r\n\r\n"
SOCKS = socks.greeting(0) + socks.request_for_domain(b"ok.test", 80)


class Port:
    """One connection to the listener over loopback."""

    client: SocketStream
    serving: "asyncio.Task[None]"

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy

    async def open(self) -> None:
        self.client, self._proxy_side = await connected_streams()
        self.serving = self.proxy.task(TunnelListener(self.proxy.services).serve(self._proxy_side))

    async def served(self) -> None:
        async with asyncio.timeout(LONG):
            await self.serving

    async def receive_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            piece = await self.client.read(LONG)
            assert piece, received
            received += piece
        return received


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        port = Port(proxy)
        await port.open()
        yield port
        await closed(port.client, port._proxy_side)


@pytest.mark.parametrize("opening", [CONNECT, SOCKS], ids=["CONNECT", "SOCKS5"])
async def test_a_request_through_a_tunnel_is_two_records(port: Port, opening: bytes) -> None:
    port.proxy.answers(OK)
    await port.client.write(opening + REQUEST, LONG)

    await port.receive_until(b"\r\n\r\nok")
    await port.served()

    opened, inner = await port.proxy.records()
    assert (opened["method"], opened["host"], opened["action"]) == ("CONNECT", "ok.test:80", "allow")
    assert (inner["method"], inner["tunnel"]["target"]) == ("GET", "ok.test:80")
    assert inner["tunnel"]["request_transforms"][0]["name"] == "allowlist"


@pytest.mark.parametrize("opening", [CONNECT, SOCKS], ids=["CONNECT", "SOCKS5"])
async def test_a_tunnel_that_has_ended_is_not_left_to_the_collector(port: Port, opening: bytes) -> None:
    port.proxy.answers(OK)
    gc.collect()
    gc.disable()
    try:
        await port.client.write(opening + REQUEST, LONG)
        await port.receive_until(b"\r\n\r\nok")
        await port.served()

        assert [each for each in gc.get_objects() if isinstance(each, RequestReader)] == []
    finally:
        gc.enable()


async def test_a_request_without_a_tunnel_is_served(port: Port) -> None:
    port.proxy.answers(OK)
    await port.client.write(REQUEST.replace(b"/ ", b"http://ok.test/ "), LONG)

    await port.receive_until(b"\r\n\r\nok")
    assert await port.proxy.actions() == [("allow", 200)]


@pytest.mark.parametrize(
    "wire",
    [
        CONNECT.replace(b"ok.test", b"other.test"),
        socks.greeting(0) + socks.request_for_domain(b"other.test", 80),
    ],
    ids=["CONNECT", "SOCKS5"],
)
async def test_behind_a_refusal_nothing_is_served(port: Port, wire: bytes) -> None:
    await port.client.write(wire + REQUEST, LONG)
    await port.served()

    [record] = await port.proxy.records()
    assert (record["method"], record["action"]) == ("CONNECT", "reject")
    assert port.proxy.dialer.permits == []


async def test_a_protocol_that_we_cannot_look_into_leaves_an_event(port: Port) -> None:
    await port.client.write(CONNECT, LONG)
    await port.receive_until(b"\r\n\r\n")
    await port.client.write(b"\x00\x01", LONG)
    await port.served()

    _, event = await port.proxy.records()
    assert (event["event"], event["action"]) == ("tunnel", "reject")
    assert event["reason"] == "unsupported protocol (first byte 0x00) for target ok.test:80"


async def test_a_socks_handshake_that_makes_no_sense_leaves_an_event(port: Port) -> None:
    await port.client.write(socks.greeting(0) + socks.request_for_domain(b"ok.test", 80, socks.BIND), LONG)
    await port.served()

    [event] = await port.proxy.records()
    assert event["event"] == "tunnel"
    assert event["reason"].startswith("SOCKS5: ")


@pytest.mark.parametrize("ending", ["close", "reset", "silence"])
async def test_a_client_that_says_nothing_leaves_nothing(port: Port, ending: str) -> None:
    if ending == "close":
        await port.client.write_end()
    elif ending == "reset":
        port.client.abort()
    else:
        port.proxy.limit(first_byte=0.01)
        port.client.abort()
        await port.open()
    await port.served()

    assert await port.proxy.records() == []
    assert port.proxy.services.connections == set()
