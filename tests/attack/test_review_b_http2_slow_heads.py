"""A head has one deadline over HTTP/2 too, as has what comes before the first: a trickle does not stretch it."""

import asyncio

import pytest
from tests.fakes.transforms import FakeAllowlist
from tests.unit.proxy.http2_served import Http2Caller, Http2Served
from tests.wire.http2_frames import GET, OPENING, POST, block, data, frame, headers, settings

HEAD = headers(1, GET)


async def trickle(caller: Http2Caller, wire: bytes) -> None:
    for index in range(len(wire)):
        caller.stream.write_nowait(wire[index : index + 1])
        await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    ("at_once", "slowly"),
    [
        (b"", OPENING),
        (OPENING[:24], settings((3, 100), (4, 65_535)) + HEAD),
        (OPENING, HEAD),
        (OPENING + frame(1, 0x1, 1, block(GET)), frame(9, 0x4, 1) + HEAD),
        (OPENING + HEAD, HEAD[:5] + headers(3, GET)[5:]),
        (OPENING, frame(0, 0, 1, bytes(100))),
        (OPENING, frame(0xBE, 0, 0, bytes(100))),
    ],
    ids=["preface", "settings", "a head", "the rest of a head", "a second head", "data of no stream", "no head"],
)
async def test_what_trickles_ends_the_connection(at_once: bytes, slowly: bytes) -> None:
    async with Http2Served(FakeAllowlist("ok.test")) as proxy:
        proxy.limit(request_head=0.3)             # all other deadlines are long
        caller = proxy.call(greets=False)
        caller.stream.write_nowait(at_once)
        sending = asyncio.ensure_future(trickle(caller, slowly))
        try:
            await caller.served()

            assert not sending.done()
        finally:
            sending.cancel()
        (event,) = [record for record in await proxy.records() if record.get("event") == "connection"]
        assert (event["action"], event["reason"]) == ("reject", "a request head was not complete in time")


async def test_a_body_may_come_slowly() -> None:
    async with Http2Served(FakeAllowlist("ok.test")) as proxy:
        proxy.limit(request_head=0.3)             # all other deadlines are long
        caller = proxy.call(greets=False)
        body = data(1, b"1234567890123456789", end=True)
        caller.stream.write_nowait(OPENING + headers(1, POST, end=False) + body[:9])
        await trickle(caller, body[9:])

        assert not caller.serving.done()


async def test_heads_that_come_one_behind_the_other_are_no_trickle() -> None:
    """Each read ends within a head, but never within the same."""
    async with Http2Served(FakeAllowlist("ok.test")) as proxy:
        proxy.limit(request_head=1.5)             # shorter than all of it, and far longer than one
        caller = proxy.call(greets=False)
        wire = OPENING + b"".join(headers(stream, GET) for stream in range(1, 41, 2))
        for start in range(0, len(wire) - len(HEAD), len(HEAD)):
            caller.stream.write_nowait(wire[start : start + len(HEAD)])
            await asyncio.sleep(0.1)

        assert not caller.serving.done()
