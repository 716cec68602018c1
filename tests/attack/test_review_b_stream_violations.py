"""A client that breaks a rule on a stream has no more use for it: its exchange ends then, and not at some deadline."""

import asyncio

import pytest
from tests.fakes.served import turns
from tests.fakes.transforms import FakeAllowlist
from tests.unit.proxy.http2_served import Http2Caller, Http2Served
from tests.wire.http2_frames import GET, POST, data, headers, window_update

from iron_proxy.protocols.http2.limits import STREAM_WINDOW

VIOLATIONS = {
    "a window that cannot be": (headers(1, GET), window_update(1, 0)),
    "data behind the end": (headers(1, GET), data(1, b"x")),
    "a second head": (headers(1, POST, end=False), headers(1, POST, end=False)),
    "more than it stated": (headers(1, [*POST, (b"content-length", b"3")], end=False), data(1, b"four")),
    "more than the window": (headers(1, POST, end=False), data(1, b"x" * 16_384) * (3 * STREAM_WINDOW // 16_384)),
}


async def asked(proxy: Http2Served, head: bytes) -> Http2Caller:
    """A client whose request has come to its upstream, which says nothing and takes nothing."""
    caller = await proxy.call().greeted()
    caller.stream.write_nowait(head)
    upstream = await proxy.http1_upstream()
    await upstream.receive_until(b"\r\n\r\n")
    return caller


@pytest.mark.parametrize(("head", "violation"), VIOLATIONS.values(), ids=VIOLATIONS)
async def test_the_exchange_ends_at_once_with_its_reason(head: bytes, violation: bytes) -> None:
    async with Http2Served(FakeAllowlist("ok.test")) as proxy:
        caller = await asked(proxy, head)
        for start in range(0, len(violation), 32_768):
            caller.stream.write_nowait(violation[start : start + 32_768])
            await turns(20)

        assert caller.connection.streams == {}
        (record,) = await proxy.records()
        assert (record["action"], record["status_code"]) == ("reject", 400)
        assert proxy.origin.near[0].was_aborted
        assert not caller.serving.done()


async def test_other_streams_go_on() -> None:
    async with Http2Served(FakeAllowlist("ok.test")) as proxy:
        caller = await asked(proxy, headers(1, GET))
        caller.stream.write_nowait(window_update(1, 0) + headers(3, GET))
        upstream = await proxy.http1_upstream(1)
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        async with asyncio.timeout(5):
            while not (records := [each for each in await proxy.records() if each["status_code"] == 200]):
                await turns()

        assert records[0]["action"] == "allow"
