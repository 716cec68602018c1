"""TLS that is intercepted and passed through: by its name, else by its address, to the port that it was for."""

import dataclasses
from typing import cast

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import FarEnd, Served
from tests.fakes.transforms import FakeAllowlist
from tests.wire.client_hellos import client_hello

from iron_proxy.messages.authority import Target
from iron_proxy.protocols.client_hello import ClientHello
from iron_proxy.proxy.sni_passthrough import serve_passthrough
from iron_proxy.streams.socket_stream import SocketStream

HELLO_BYTES = client_hello()
ORIGINAL = Target("192.0.2.7", 8443, True)


def served(*allowed: str) -> Served:
    proxy = Served(FakeAllowlist(*allowed))
    proxy.services.snapshot = dataclasses.replace(proxy.services.snapshot, tls_mode="sni-only")
    return proxy


def opened(proxy: Served, name: str | None) -> FarEnd:
    async def serve(stream: MemoryStream) -> None:
        stream.push_back(HELLO_BYTES)
        hello = ClientHello(name, (), True, 0x0303)
        await serve_passthrough(cast(SocketStream, stream), proxy.services, hello, None, ORIGINAL)

    return proxy.run(serve)


@pytest.mark.parametrize(
    ("name", "target"),
    [("ok.test", Target("ok.test", 8443)), (None, ORIGINAL)],
    ids=["by name", "by address"],
)
async def test_it_goes_to_the_name_or_else_the_address_at_the_original_port(name: str | None, target: Target) -> None:
    async with served("ok.test", "192.0.2.7") as proxy:
        client = opened(proxy, name)
        upstream = await proxy.upstream()
        await upstream.receive_until(HELLO_BYTES)
        await client.stream.write_end()
        await upstream.stream.write_end()
        await client.served()

        assert [permit.target for permit in proxy.dialer.raw_permits] == [target]
        [record] = await proxy.records()
        assert (record["host"], record["sni"]) == (target.host, name or "")
        assert record["original_destination"] == "192.0.2.7:8443"


@pytest.mark.parametrize(("name", "host"), [("other.test", "other.test"), (None, "192.0.2.7")])
async def test_what_is_not_allowed_is_refused_though_the_other_of_the_two_is(name: str | None, host: str) -> None:
    async with served("192.0.2.7" if name else "ok.test") as proxy:
        client = opened(proxy, name)
        await client.served()

        assert proxy.dialer.permits == []
        [record] = await proxy.records()
        assert (record["host"], record["action"], record["status_code"]) == (host, "reject", 403)
        assert record["original_destination"] == "192.0.2.7:8443"
