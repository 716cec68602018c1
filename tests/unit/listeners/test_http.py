"""The plain listener speaks HTTP, in origin form and in absolute form."""

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import OK, Served

from iron_proxy.listeners.http import HTTPListener
from iron_proxy.messages.authority import Target


@pytest.mark.parametrize("target", [b"/a", b"http://ok.test/a"], ids=["origin form", "absolute form"])
async def test_a_connection_is_served_as_plain_http(target: bytes) -> None:
    async with Served() as proxy:
        proxy.answers(OK)

        async def serve(stream: MemoryStream) -> None:
            await HTTPListener(proxy.services).serve(stream)  # type: ignore[arg-type]  # a stream all the same

        client = proxy.run(serve)
        client.send(b"GET " + target + b" HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n")

        assert (await client.receive_to_end()).endswith(b"ok")
        [permit] = proxy.dialer.permits
        assert (permit.target, permit.scheme) == (Target("ok.test", 80), "http")
        [record] = await proxy.records()
        assert record["path"] == "/a"
