"""Which name we are for a client, what it costs us to become that, and every handshake that fails in words of ours."""

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator
from functools import cache

import pytest
from tests.fakes.loopback import client_context, closed, connected_streams, server_context
from tests.fakes.served import LONG, OK, Served, turns
from tests.fakes.transforms import FakeAllowlist
from tests.wire.client_hellos import (
    APPLICATION_DATA,
    client_hello,
    client_hello_body,
    message,
    openssl_client_hello,
    record,
    records,
    server_name,
)

from iron_proxy.errors import BadHandshake, UpstreamError
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.proxy.client_tls import PlainTextOnTLS, accept_tls, read_client_hello, serve_tls
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.streams.tls_stream import TLSStream


@cache
def context(name: str) -> ssl.SSLContext:
    return server_context(name)


class Accepting:
    """A TCP connection to the TLS port over loopback; `result` is what `accept_tls` returned."""

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy
        proxy.leaves.make = context

    async def open(self, tunnel: Tunnel | None = None) -> None:
        self.client, self.proxy_side = await connected_streams()
        self._accepting = self.proxy.task(self._accept(tunnel))

    async def _accept(self, tunnel: Tunnel | None) -> None:
        hello = await read_client_hello(self.proxy_side, self.proxy.services)
        self.result = await accept_tls(self.proxy_side, self.proxy.services, hello, tunnel)

    async def send(self, data: bytes) -> None:
        await self.client.write(data, LONG)

    async def failure(self) -> BadHandshake:
        with pytest.raises(BadHandshake) as failure:
            async with asyncio.timeout(LONG):
                await self._accepting
        self.proxy._tasks.remove(self._accepting)
        return failure.value

    async def asked(self) -> list[tuple[str, bool, bool]]:
        """The leaves that had to be signed; the client goes away meanwhile."""
        async with asyncio.timeout(LONG):
            while not self.proxy.leaves.asked and not self._accepting.done():
                await asyncio.sleep(0)
        self.client.abort()
        await self.failure()
        return self.proxy.leaves.asked

    async def close(self) -> None:
        await closed(self.client, self.proxy_side)


@pytest.fixture
async def accepting() -> AsyncIterator[Accepting]:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        accepting = Accepting(proxy)
        yield accepting
        await accepting.close()


def tunnel_to(host: str, *, is_ip: bool = False) -> Tunnel:
    return Tunnel(Target(host, 8443, is_ip))


# --- the name -------------------------------------------------------------------------------------------------------


async def test_a_client_is_served_as_the_name_it_asks_for(accepting: Accepting) -> None:
    await accepting.open()
    client = TLSStream(accepting.client, client_context(), server_side=False, server_name="ok.test")
    await client.handshake(LONG)
    await accepting._accepting
    stream, name = accepting.result
    await client.write(b"hello", LONG)

    assert name == "ok.test"
    assert await stream.read(LONG) == b"hello"
    assert accepting.proxy.leaves.asked == [("ok.test", False, True)]
    assert accepting.proxy.services.process.handshakes == {"TLSv1.3": 1}


async def test_a_leaf_that_is_here_needs_no_signing(accepting: Accepting) -> None:
    accepting.proxy.leaves.contexts["ok.test"] = context("ok.test")
    await accepting.open()

    await TLSStream(accepting.client, client_context(), server_side=False, server_name="ok.test").handshake(LONG)
    await accepting._accepting

    assert accepting.proxy.leaves.asked == []


async def test_a_name_that_nothing_admits_is_signed_for_as_a_denied_one(accepting: Accepting) -> None:
    await accepting.open()
    await accepting.send(openssl_client_hello("other.test"))

    assert await accepting.asked() == [("other.test", False, False)]


async def test_inside_a_tunnel_without_a_name_the_tunnels_target_counts(accepting: Accepting) -> None:
    await accepting.open(tunnel_to("ok.test"))
    await accepting.send(openssl_client_hello(None))

    assert await accepting.asked() == [("ok.test", False, True)]


async def test_inside_a_tunnel_to_an_address_the_address_counts(accepting: Accepting) -> None:
    await accepting.open(tunnel_to("192.0.2.7", is_ip=True))
    await accepting.send(openssl_client_hello(None))

    assert await accepting.asked() == [("192.0.2.7", True, False)]


async def test_without_a_name_the_address_connected_to_must_be_admitted(accepting: Accepting) -> None:
    await accepting.open()
    await accepting.send(openssl_client_hello(None))

    failure = await accepting.failure()

    assert str(failure) == ("the client sent no server name (SNI), and the address it connected to is not allowed")
    assert accepting.proxy.leaves.asked == []


async def test_without_a_name_an_admitted_address_is_served_as_itself() -> None:
    async with Served(FakeAllowlist("127.0.0.1")) as proxy:
        accepting = Accepting(proxy)
        await accepting.open()
        await accepting.send(openssl_client_hello(None))

        assert await accepting.asked() == [("127.0.0.1", True, True)]
        await accepting.close()


@pytest.mark.parametrize(
    ("sockname", "expected"),
    [
        (("::ffff:192.0.2.7", 443, 0, 0), "192.0.2.7"),
        (("2001:db8::7", 443, 0, 0), "2001:db8::7"),
        (("fe80::1%eth0", 443, 0, 3), "fe80::1"),
    ],
    ids=["mapped", "IPv6", "zoned"],
)
async def test_the_address_is_read_in_its_plain_form(
    sockname: tuple[object, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Served(FakeAllowlist(expected)) as proxy:
        accepting = Accepting(proxy)
        await accepting.open()
        monkeypatch.setattr(SocketStream, "extra", lambda stream, name: sockname)
        await accepting.send(openssl_client_hello(None))

        assert await accepting.asked() == [(expected, True, True)]
        await accepting.close()


@pytest.mark.parametrize("sockname", [None, (), "", ("not an address", 443)], ids=["none", "empty", "path", "odd"])
async def test_a_socket_without_an_address_is_not_served(
    accepting: Accepting, sockname: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accepting.open()
    monkeypatch.setattr(SocketStream, "extra", lambda stream, name: sockname)
    await accepting.send(openssl_client_hello(None))

    assert "no server name" in str(await accepting.failure())


# --- what fails -----------------------------------------------------------------------------------------------------


async def test_plain_http_on_the_tls_port_is_known_as_such(accepting: Accepting) -> None:
    await accepting.open()
    await accepting.send(b"GET / HTTP/1.1\r\n")

    assert isinstance(await accepting.failure(), PlainTextOnTLS)


async def test_what_is_neither_is_not(accepting: Accepting) -> None:
    await accepting.open()
    await accepting.send(b"\x80\x00")

    failure = await accepting.failure()

    assert not isinstance(failure, PlainTextOnTLS)
    assert str(failure) == "not a TLS handshake record"


@pytest.mark.slow
async def test_a_client_that_says_nothing(accepting: Accepting) -> None:
    accepting.proxy.limit(tls_handshake=0.01)
    await accepting.open()

    assert str(await accepting.failure()) == "the client did not send a ClientHello in time"
    assert accepting.proxy.services.connections == set()


async def test_a_client_that_closes_in_its_hello(accepting: Accepting) -> None:
    await accepting.open()
    await accepting.send(client_hello()[:9])
    await accepting.client.write_end()

    assert str(await accepting.failure()) == "the client closed the connection before its ClientHello was complete"


@pytest.mark.slow
async def test_a_client_that_goes_silent_behind_its_hello(accepting: Accepting) -> None:
    accepting.proxy.limit(tls_handshake=0.05)
    await accepting.open()
    await accepting.send(openssl_client_hello("ok.test"))

    assert str(await accepting.failure()) == "the client did not complete the TLS handshake"


async def test_a_client_that_does_not_trust_us(accepting: Accepting) -> None:
    await accepting.open()
    untrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = TLSStream(accepting.client, untrusting, server_side=False, server_name="ok.test")
    handshakes = await asyncio.gather(client.handshake(LONG), return_exceptions=True)
    await turns()

    assert isinstance(handshakes[0], Exception)
    assert str(await accepting.failure()).startswith("the client's TLS handshake failed: ")


async def test_a_leaf_that_cannot_be_made(accepting: Accepting) -> None:
    accepting.proxy.leaves.failure = UpstreamError("the CA's key is gone")
    await accepting.open()
    await accepting.send(openssl_client_hello("ok.test"))

    assert str(await accepting.failure()) == "the CA's key is gone"


# --- what is passed through -----------------------------------------------------------------------------------------


class Opening:
    """A connection to the TLS port, served by `serve_tls`, with a list of hosts to pass through."""

    def __init__(self, proxy: Served, *passthrough: str, mode: str = "mitm") -> None:
        self.proxy = proxy
        proxy.leaves.make = context
        patterns = tuple(map(HostPattern.parse, passthrough))
        proxy.services.snapshot = dataclasses.replace(proxy.services.snapshot, tls_mode=mode, passthrough=patterns)

    async def open(self, tunnel: Tunnel | None = None) -> None:
        self.client, self.proxy_side = await connected_streams()
        self.serving = self.proxy.task(serve_tls(self.proxy_side, self.proxy.services, tunnel))

    async def close(self) -> None:
        await closed(self.client, self.proxy_side)


@pytest.mark.parametrize(
    ("name", "tunnel"),
    [("ok.test", None), ("ok.test", tunnel_to("ok.test")), (None, tunnel_to("192.0.2.7", is_ip=True))],
    ids=["by name", "in a tunnel", "a tunnel to an address"],
)
async def test_a_host_of_the_list_is_passed_through_without_a_leaf(name: str | None, tunnel: Tunnel | None) -> None:
    async with Served(FakeAllowlist("ok.test", "192.0.2.7")) as proxy:
        opening = Opening(proxy, "ok.test", "192.0.2.7")
        await opening.open(tunnel)
        sent = openssl_client_hello(name)
        await opening.client.write(sent, LONG)

        assert await (await proxy.upstream()).receive_until(sent) == sent
        assert proxy.leaves.asked == []
        await opening.close()


async def test_a_client_hello_is_passed_on_to_the_byte_however_it_comes() -> None:
    sent = records(message(client_hello_body(server_name(b"ok.test"))), 37)
    early = record(b"early", APPLICATION_DATA)
    async with Served(FakeAllowlist("ok.test")) as proxy:
        for position, size in enumerate((1, 7, len(sent))):
            opening = Opening(proxy, mode="sni-only")
            await opening.open()
            for start in range(0, len(sent), size):
                await opening.client.write(sent[start : start + size], LONG)
                await turns(3)
            await opening.client.write(early, LONG)

            assert await (await proxy.upstream(position)).receive_until(early) == sent + early
            await opening.close()


async def test_any_other_host_is_served_as_before() -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        opening = Opening(proxy, "pinned.test")
        await opening.open()
        client = TLSStream(opening.client, client_context(), server_side=False, server_name="ok.test")
        proxy.answers(OK)

        await client.handshake(LONG)
        await client.write(b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n", LONG)

        assert (await client.read(LONG)).startswith(b"HTTP/1.1 200 ")
        assert proxy.leaves.asked == [("ok.test", False, True)]
        assert proxy.dialer.permits[0].scheme == "https"
        await opening.close()


@pytest.mark.parametrize("sent", [b"\x80\x00", b"GET / HTTP/1.1\r\n"], ids=["garbage", "HTTP"])
async def test_what_is_no_client_hello_is_no_connection_to_pass_through(sent: bytes) -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        opening = Opening(proxy, mode="sni-only")
        await opening.open()
        proxy._tasks.remove(opening.serving)
        await opening.client.write(sent, LONG)

        with pytest.raises(BadHandshake):
            await opening.serving
        assert proxy.dialer.permits == []
        await opening.close()
