"""TLS that was intercepted: without a name the address that the client connected to counts, with its port."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from tests.fakes.loopback import closed, connected_streams, server_context
from tests.fakes.served import LONG, Served
from tests.wire.client_hellos import openssl_client_hello

from iron_proxy.errors import BadHandshake
from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.matching.rule import Rule
from iron_proxy.messages.authority import Target
from iron_proxy.proxy.client_tls import serve_tls
from iron_proxy.streams.socket_stream import SocketStream
from iron_proxy.transforms.allowlist import Allowlist

ORIGINAL = Target("192.0.2.7", 8443, True)


@pytest.fixture
async def streams() -> AsyncIterator[tuple[SocketStream, SocketStream]]:
    client, accepted = await connected_streams()
    yield client, accepted
    await closed(client, accepted)


async def leaf_asked_for(proxy: Served, streams: tuple[SocketStream, SocketStream], name: str | None) -> object:
    client, accepted = streams
    proxy.leaves.make = server_context
    serving = asyncio.get_running_loop().create_task(serve_tls(accepted, proxy.services, None, ORIGINAL))
    await client.write(openssl_client_hello(name), LONG)
    async with asyncio.timeout(LONG):
        while not proxy.leaves.asked and not serving.done():
            await asyncio.sleep(0)
    client.abort()
    with pytest.raises(BadHandshake) as failure:
        await serving
    return proxy.leaves.asked[0] if proxy.leaves.asked else str(failure.value)


def rule(*, ports: frozenset[int] = frozenset()) -> Rule:
    return dataclasses.replace(Rule.for_cidr("192.0.2.0/24"), ports=ports)


async def test_an_address_that_is_allowed_is_served_as_itself(streams: tuple[SocketStream, SocketStream]) -> None:
    async with Served(Allowlist([rule()])) as proxy:
        assert await leaf_asked_for(proxy, streams, None) == ("192.0.2.7", True, True)


async def test_it_is_asked_for_on_the_port_that_it_was_for(streams: tuple[SocketStream, SocketStream]) -> None:
    async with Served(Allowlist([rule(ports=frozenset([443]))])) as proxy:
        assert "the address it connected to is not allowed" in str(await leaf_asked_for(proxy, streams, None))


async def test_a_name_comes_before_the_address(streams: tuple[SocketStream, SocketStream]) -> None:
    async with Served(Allowlist([rule()])) as proxy:
        assert await leaf_asked_for(proxy, streams, "ok.test") == ("ok.test", False, False)


async def test_tls_to_an_address_may_be_passed_through(streams: tuple[SocketStream, SocketStream]) -> None:
    async with Served(Allowlist([rule()])) as proxy:
        proxy.services.snapshot = dataclasses.replace(
            proxy.services.snapshot, passthrough=(HostPattern.parse("192.0.2.7"),)
        )
        client, accepted = streams
        proxy.task(serve_tls(accepted, proxy.services, None, ORIGINAL))
        hello = openssl_client_hello(None)
        await client.write(hello, LONG)

        upstream = await proxy.upstream()

        assert await upstream.receive_until(hello) == hello
        assert [permit.target for permit in proxy.dialer.raw_permits] == [ORIGINAL]
