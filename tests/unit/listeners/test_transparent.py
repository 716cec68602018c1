"""Intercepted connections: TLS and HTTP by the first byte, everything else refused; straight ones served as ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import client_context, closed, connected_streams, server_context
from tests.fakes.served import LONG, OK, Served
from tests.fakes.transforms import FakeAllowlist
from tests.wire.client_hellos import openssl_client_hello

from iron_proxy.listeners.transparent import TransparentListener
from iron_proxy.messages.authority import Target
from iron_proxy.streams import deadlines
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream
from iron_proxy.upstream.recent_dials import RecentDials

ORIGINAL = Target("192.0.2.7", 8080, True)


class Port:
    """One connection to the listener over loopback; `original` is what the kernel says that it was for."""

    client: SocketStream
    serving: "asyncio.Task[None]"

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy
        self.original: Target | None = ORIGINAL
        self.own: set[tuple[str, int]] = set()
        self.dials = RecentDials()
        self.straight = 0

    async def open(self) -> None:
        self.client, self.proxy_side = await connected_streams()
        listener = TransparentListener(
            self.proxy.services,
            lambda stream: self.original,
            lambda host, port: (host, port) in self.own,
            self.dials,
            self._serve_straight,
        )
        self.serving = self.proxy.task(listener.serve(self.proxy_side))

    async def _serve_straight(self, stream: SocketStream) -> None:
        self.straight += 1

    async def served(self) -> None:
        async with asyncio.timeout(LONG):
            await self.serving

    async def event(self) -> dict[str, object]:
        await self.served()
        [record] = await self.proxy.records()
        return {key: record[key] for key in ("event", "action", "reason", "original_destination")}

    async def is_reset(self) -> bool:
        try:
            while await self.client.read(LONG):
                pass
        except StreamReset:
            return True
        return False


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Served(FakeAllowlist("ok.test", "192.0.2.7")) as proxy:
        port = Port(proxy)
        yield port
        await closed(port.client, port.proxy_side)


async def test_http_is_served_on_any_port_and_goes_to_the_port_that_it_was_for(port: Port) -> None:
    port.proxy.answers(OK)
    await port.open()

    await port.client.write(b"GET /x HTTP/1.1\r\nHost: ok.test:8080\r\nConnection: close\r\n\r\n", LONG)

    assert (await port.client.read(LONG)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [(permit.scheme, permit.target) for permit in port.proxy.dialer.permits] == [
        ("http", Target("ok.test", 8080))
    ]
    [record] = await port.proxy.records()
    assert (record["host"], record["original_destination"]) == ("ok.test:8080", "192.0.2.7:8080")


async def test_tls_is_served_on_any_port(port: Port) -> None:
    port.proxy.leaves.contexts["ok.test"] = server_context("ok.test")
    port.proxy.answers(OK)
    await port.open()
    client = TLSStream(port.client, client_context(), server_side=False, server_name="ok.test")
    await client.handshake(LONG)

    await client.write(b"GET /x HTTP/1.1\r\nHost: ok.test:8080\r\nConnection: close\r\n\r\n", LONG)

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [(permit.scheme, permit.target) for permit in port.proxy.dialer.permits] == [
        ("https", Target("ok.test", 8080))
    ]
    [record] = await port.proxy.records()
    assert (record["sni"], record["original_destination"]) == ("ok.test", "192.0.2.7:8080")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x00\x01", "unsupported protocol (first byte 0x00)"),
        (b"SSH-2.0-x\r\n", "unsupported protocol (the first line is no HTTP request)"),
        (b"", "the client closed the connection before it sent anything"),
    ],
    ids=["binary", "SSH", "nothing"],
)
async def test_another_protocol_is_cut_off_with_a_record(port: Port, wire: bytes, reason: str) -> None:
    await port.open()
    if wire:
        await port.client.write(wire, LONG)
    else:
        await port.client.write_end()

    assert await port.event() == {
        "event": "connection", "action": "reject", "reason": reason, "original_destination": "192.0.2.7:8080",
    }  # fmt: skip
    assert await port.is_reset()
    assert port.proxy.dialer.permits == []


async def test_a_client_that_waits_for_the_server_to_speak_is_told_apart(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.proxy.limit(first_byte=0.01)
    monkeypatch.setattr(deadlines, "SWEEP_SECONDS", 0.002)
    await port.open()

    event = await port.event()

    assert event["reason"] == "the client sent nothing: protocols in which the server speaks first are not served"


async def test_a_client_that_resets_at_once_leaves_a_record(port: Port) -> None:
    await port.open()
    port.client.abort()

    assert (await port.event())["event"] == "connection"


async def test_a_stop_is_not_the_clients_fault(port: Port) -> None:
    port.proxy.services.draining = True
    await port.open()

    assert (await port.event())["reason"] == "the proxy is shutting down"


async def test_tls_without_a_name_to_an_address_that_is_not_allowed_leaves_a_handshake_event(port: Port) -> None:
    port.original = Target("198.51.100.1", 443, True)
    await port.open()
    await port.client.write(openssl_client_hello(None), LONG)

    event = await port.event()

    assert (event["event"], event["original_destination"]) == ("handshake", "198.51.100.1:443")
    assert str(event["reason"]).endswith("the address it connected to is not allowed")


@pytest.mark.parametrize("original", [None, Target("192.0.2.1", 80, True)], ids=["no redirection", "our own listener"])
async def test_a_connection_that_was_for_us_is_served_straight(port: Port, original: Target | None) -> None:
    port.original = original
    port.own.add(("192.0.2.1", 80))
    await port.open()
    await port.served()

    assert port.straight == 1
    assert await port.proxy.records() == []


async def test_a_connection_of_our_own_that_comes_back_is_cut_off(port: Port) -> None:
    await port.open()
    own = port.client                            # as the dialer would have noted it, had it opened it to ORIGINAL
    port.dials._ends[(*own.extra("sockname"), ORIGINAL.host, ORIGINAL.port)] = None
    await port.client.write(b"GET /x HTTP/1.1\r\nHost: ok.test:8080\r\n\r\n", LONG)

    event = await port.event()

    assert "came back to it" in str(event["reason"])
    assert await port.is_reset()
    assert port.proxy.dialer.permits == []
