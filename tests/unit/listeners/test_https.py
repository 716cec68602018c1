"""The TLS listener: requests behind a handshake, and one event record for each handshake that fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import client_context, closed, connected_streams, server_context
from tests.fakes.served import LONG, OK, Served
from tests.fakes.transforms import FakeAllowlist

from iron_proxy.listeners.https import HTTPSListener, refused_handshake
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream


class Port:
    """One connection to the listener over loopback."""

    client: SocketStream
    serving: "asyncio.Task[None]"

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy

    async def open(self) -> None:
        self.client, self._proxy_side = await connected_streams()
        self.serving = self.proxy.task(HTTPSListener(self.proxy.services).serve(self._proxy_side))

    async def served(self) -> None:
        async with asyncio.timeout(LONG):
            await self.serving


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        port = Port(proxy)
        await port.open()
        yield port
        await closed(port.client, port._proxy_side)


async def test_requests_are_served_behind_the_handshake(port: Port) -> None:
    port.proxy.leaves.contexts["ok.test"] = server_context("ok.test")
    port.proxy.answers(OK)
    client = TLSStream(port.client, client_context(), server_side=False, server_name="ok.test")
    await client.handshake(LONG)
    await client.write(b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n", LONG)

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 200 OK\r\n")
    [record] = await port.proxy.records()
    assert (record["sni"], record["host"], record["action"]) == ("ok.test", "ok.test", "allow")
    assert port.proxy.dialer.permits[0].scheme == "https"


async def test_a_request_for_another_host_than_the_name_is_refused(port: Port) -> None:
    port.proxy.leaves.contexts["ok.test"] = server_context("ok.test")
    client = TLSStream(port.client, client_context(), server_side=False, server_name="ok.test")
    await client.handshake(LONG)
    await client.write(b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", LONG)

    assert (await client.read(LONG)).startswith(b"HTTP/1.1 400 ")
    assert port.proxy.dialer.permits == []


async def test_plain_http_is_told_so_and_recorded(port: Port) -> None:
    await port.client.write(b"GET / HTTP/1.1\r\n\r\n", LONG)
    await port.served()

    assert await port.client.read(LONG) == (
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    )
    [record] = await port.proxy.records()
    facts = {key: record[key] for key in ("level", "msg", "event", "action", "reason")}
    assert facts == {
        "level": "WARN",
        "msg": "event",
        "event": "handshake",
        "action": "reject",
        "reason": "the client sent an HTTP request where TLS is spoken",
    }


async def test_plain_http_of_a_client_that_has_left_is_recorded_all_the_same(port: Port) -> None:
    await port.client.write(b"GET / HTTP/1.1\r\n\r\n", LONG)
    port.client.abort()
    await port.served()

    assert len(await port.proxy.records()) == 1


async def test_bytes_that_are_no_tls_get_no_answer_and_a_record(port: Port) -> None:
    await port.client.write(b"\x00\x01\x02", LONG)
    await port.served()

    [record] = await port.proxy.records()
    assert record["reason"] == "not a TLS handshake record"


async def test_the_record_of_a_refusal_names_the_client(port: Port) -> None:
    record = refused_handshake(port.client, "a reason", "tunnel")

    assert (record.event, record.reason, record.remote_addr) == ("tunnel", "a reason", port.client.peer)
