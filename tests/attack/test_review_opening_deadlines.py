"""What comes before a request has one deadline for all of it: a trickle does not stretch it."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair

from iron_proxy.config.schema import LimitsConfig
from iron_proxy.errors import BadHandshake
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy import client_tls, socks5_tunnel
from iron_proxy.proxy.snapshot import Snapshot


async def trickle(stream: MemoryStream, data: bytes) -> None:
    for index in range(len(data)):
        stream.write_nowait(data[index : index + 1])
        await asyncio.sleep(0.02)


async def ends_early(opening: Any, sender: MemoryStream, data: bytes) -> bool:
    """Whether the opening was refused while its bytes were still coming."""
    sending = asyncio.ensure_future(trickle(sender, data))
    try:
        with pytest.raises(BadHandshake):
            await opening
        return not sending.done()
    finally:
        sending.cancel()


async def test_a_client_hello_that_trickles_is_given_up() -> None:
    async with MemoryStreamPair() as pair:
        opening = client_tls._read_client_hello(pair.right, 0.1)  # type: ignore[arg-type]  # the fake in a stream's place

        assert await ends_early(opening, pair.left, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))


async def test_a_socks_handshake_that_trickles_is_given_up() -> None:
    async with MemoryStreamPair() as pair:
        snapshot = Snapshot(Pipeline([]))
        services = SimpleNamespace(
            opening=lambda stream: nullcontext(), in_use=nullcontext, snapshot=snapshot,
            limits=LimitsConfig(request_head=0.1),
        )  # fmt: skip
        client: Any = SimpleNamespace(stream=pair.right, services=services, client_name="")

        assert await ends_early(socks5_tunnel.open_tunnel(client), pair.left, b"\x05\xff" + bytes(255))
