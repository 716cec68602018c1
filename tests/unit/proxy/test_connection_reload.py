"""A connection whose configuration is replaced between two of its requests."""

from dataclasses import replace
from ipaddress import ip_network

from tests.fakes.memory_stream import MemoryStreamPair
from tests.fakes.served import GET, OK, Served

from iron_proxy.config.schema import LimitsConfig
from iron_proxy.messages.authority import Target
from iron_proxy.pipeline.exchange import Tunnel
from iron_proxy.proxy.client_identity import Client, ClientIdentities
from iron_proxy.proxy.connection import client_name
from iron_proxy.proxy.services import Services

PEER = "192.0.2.1:5"
CI = ClientIdentities([Client("ci", (ip_network("192.0.2.0/24"),))])


def with_clients(services: Services, clients: ClientIdentities) -> Services:
    return replace(services, snapshot=replace(services.snapshot, clients=clients), process=services.process)


async def test_an_address_is_looked_up_in_the_services_of_now() -> None:
    async with Served() as proxy:
        assert client_name(proxy.services, PEER, None) == ""
        assert client_name(with_clients(proxy.services, CI), PEER, None) == "ci"


async def test_a_tunnels_client_is_who_opened_it_while_there_is_one_of_that_name() -> None:
    tunnel = Tunnel(Target("ok.test", 443), (), "ci")
    async with Served() as proxy:
        assert client_name(with_clients(proxy.services, CI), "203.0.113.9:1", tunnel) == "ci"
        assert client_name(proxy.services, PEER, tunnel) == ""


async def test_a_new_connection_takes_the_newest_services() -> None:
    async with Served() as proxy:
        new = with_clients(proxy.services, CI)
        proxy.services.retire(new)
        client = proxy.open()
        client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        await proxy.upstream()
        [connection] = new.connections

        sight = connection.sight()

        assert (proxy.services.users, new.users) == (0, 1)
        assert (sight.kind, sight.requests[0].host, sight.is_tunnel) == ("http/1.1", "a.test", False)


async def test_a_kept_connection_takes_the_newest_limits_at_its_next_request() -> None:
    async with Served() as proxy:
        proxy.answers(OK)
        client = proxy.open()
        new = replace(proxy.services, limits=LimitsConfig(idle=0.01), process=proxy.services.process)
        proxy.services.retire(new)

        client.send(GET)
        await client.receive_until(b"ok")

        assert await client.receive_to_end() == b""          # the default is two minutes
        await client.served()


async def test_the_time_for_a_body_is_of_the_newest_limits() -> None:
    async with Served() as proxy:
        stream = MemoryStreamPair().right
        connection = proxy.connection(stream)
        new = replace(proxy.services, limits=LimitsConfig(request_body_idle=7.0), process=proxy.services.process)
        proxy.services.retire(new)

        connection._take_newest()

        assert connection.reader.body_timeout == 7.0
