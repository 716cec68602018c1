"""SOCKS5 on the tunnel port: replies, refusals, and the bytes behind the handshake."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import LONG, FarEnd, Served, turns
from tests.fakes.transforms import FakeAllowlist, FakeTransform
from tests.wire import socks5_messages as socks
from tests.wire.pieces import in_pieces

from iron_proxy.errors import BadHandshake
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Exchange, Tunnel
from iron_proxy.pipeline.verdict import CONTINUE, Verdict
from iron_proxy.proxy.socks5_tunnel import open_tunnel

GREETING = socks.greeting(socks.NO_AUTHENTICATION)
REQUEST = socks.request_for_domain(b"ok.test", 443)
ACCEPTED, SUCCEEDED, NOT_ALLOWED = b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6), b"\x05\x02\x00\x01" + bytes(6)


class Port:
    """Where a client asks; `result` is what came of it, once it is served."""

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy
        self.result: Tunnel | BadHandshake | None = None
        self.proxy_side = MemoryStream()

    def open(self) -> FarEnd:
        async def serve(stream: MemoryStream) -> None:
            self.proxy_side = stream
            try:
                self.result = await open_tunnel(self.proxy.connection(stream))
            except BadHandshake as error:
                self.result = error

        return self.proxy.run(serve)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Served(FakeAllowlist("ok.test", "192.0.2.7", "2001:db8::7")) as proxy:
        yield Port(proxy)


@pytest.mark.parametrize(
    ("request_wire", "target"),
    [
        (REQUEST, Target("ok.test", 443)),
        (socks.request_for_address("192.0.2.7", 80), Target("192.0.2.7", 80, True)),
        (socks.request_for_address("2001:db8::7", 80), Target("2001:db8::7", 80, True)),
    ],
    ids=["name", "IPv4", "IPv6"],
)
async def test_an_admitted_target_is_opened(port: Port, request_wire: bytes, target: Target) -> None:
    client = port.open()
    client.send(GREETING)
    assert await client.receive_until(ACCEPTED) == ACCEPTED
    client.send(request_wire)

    assert await client.receive_until(SUCCEEDED) == SUCCEEDED
    await client.served()

    assert isinstance(port.result, Tunnel)
    assert port.result.target == target
    [record] = await port.proxy.records()
    assert (record["method"], record["host"], record["action"]) == ("CONNECT", str(target), "allow")


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_bytes_behind_the_handshake_are_kept(port: Port, size: int) -> None:
    client = port.open()
    for piece in in_pieces(GREETING + REQUEST + b"\x16", size):
        client.send(piece)
    await client.served()

    assert await port.proxy_side.read(LONG) == b"\x16"


async def test_a_target_that_nothing_admits_is_not_allowed(port: Port) -> None:
    client = port.open()
    client.send(GREETING + socks.request_for_domain(b"other.test", 443))
    await client.served()

    assert await client.receive_until(NOT_ALLOWED) == ACCEPTED + NOT_ALLOWED
    assert port.result is None
    [record] = await port.proxy.records()
    assert (record["action"], record["rejected_by"], record["host"]) == ("reject", "default_deny", "other.test:443")


@pytest.mark.parametrize(
    ("wire", "answer"),
    [
        (socks.greeting(socks.USERNAME_AND_PASSWORD), b"\x05\xff"),
        (GREETING + socks.request_for_domain(b"ok.test", 443, socks.BIND), ACCEPTED + b"\x05\x07\x00\x01" + bytes(6)),
        (
            GREETING + socks.request_for_domain(b"ok.test", 443, socks.UDP_ASSOCIATE),
            ACCEPTED + b"\x05\x07\x00\x01" + bytes(6),
        ),
        (GREETING + socks.request(9, b"ok.test", 443), ACCEPTED + b"\x05\x08\x00\x01" + bytes(6)),
        (socks.greeting(0, version=4), b""),
    ],
    ids=["no method", "BIND", "UDP", "address type", "version 4"],
)
async def test_what_we_do_not_do_is_answered_and_ends(port: Port, wire: bytes, answer: bytes) -> None:
    client = port.open()
    client.send(wire)
    await client.served()

    assert isinstance(port.result, BadHandshake)
    assert str(port.result).startswith("SOCKS5: ")
    assert port.proxy_side.written == answer
    assert await port.proxy.records() == []


async def test_a_client_that_closes_in_the_handshake(port: Port) -> None:
    client = port.open()
    client.send(GREETING)
    await client.stream.write_end()
    await client.served()

    assert str(port.result) == "the client closed the connection during the SOCKS5 handshake"


async def test_a_client_that_resets_in_the_handshake(port: Port) -> None:
    client = port.open()
    client.send(GREETING)
    await turns()
    client.stream.abort()
    await client.served()

    assert str(port.result) == "the client did not complete the SOCKS5 handshake"


async def test_a_handshake_that_does_not_come_to_its_end_is_given_up(port: Port) -> None:
    port.proxy.limit(request_head=0.01)
    client = port.open()
    client.send(GREETING)
    await client.served()

    assert str(port.result) == "the client did not complete the SOCKS5 handshake"


async def test_a_client_that_leaves_during_the_decision() -> None:
    def leave(exchange: Exchange) -> Verdict:
        client.stream.abort()
        return CONTINUE

    async with Served(FakeTransform("rule", leave)) as proxy:
        port = Port(proxy)
        client = port.open()
        client.send(GREETING + REQUEST)
        await client.served()

        assert str(port.result) == "the client left during the SOCKS5 handshake"
        assert await proxy.actions() == [("allow", 200)]
