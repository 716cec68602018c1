"""From the upstream's answer on: transforms that look at it, failures behind its head, and its connection's fate."""

from collections.abc import Callable

import pytest
from tests.fakes.served import GET, OK, Served, turns
from tests.fakes.transforms import FakeResponseTransform

from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Stub, Verdict

POST = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\n\r\n"


# --- response transforms --------------------------------------------------------------------------------------------


def on_response(verdict: Verdict, change: Callable[[Exchange], None] = lambda exchange: None) -> FakeResponseTransform:
    def look(exchange: Exchange) -> Verdict:
        assert exchange.response is not None
        change(exchange)
        return verdict

    return FakeResponseTransform("guard", look)


@pytest.mark.parametrize(
    ("verdict", "action", "status"),
    [
        (Reject("leaks"), "reject", 403),
        (Reject("leaks", plain_text(451, "no")), "reject", 451),
        (Stub(plain_text(200, "instead")), "stub", 200),
    ],
    ids=["reject", "reject with an answer", "stub"],
)
async def test_a_response_transform_puts_its_own_answer_in_place(verdict: Verdict, action: str, status: int) -> None:
    async with Served(on_response(verdict)) as proxy:
        proxy.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        client = proxy.open()
        client.send(b"GET / HTTP/1.1\r\nHost: ok.test\r\nConnection: close\r\n\r\n")

        received = await client.receive_to_end()

        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert b"secret" not in received
        assert await proxy.actions() == [(action, status)]


async def test_an_upstream_whose_body_was_not_wanted_is_not_used_again() -> None:
    async with Served(on_response(Reject("leaks"))) as proxy:
        proxy.answers(
            b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nthe beginning", b"HTTP/1.1 204 No Content\r\n\r\n"
        )
        client = proxy.open()
        for _ in range(2):
            client.send(GET)
            await client.receive_until(b"\r\n\r\n")

        assert len(proxy.upstreams) == 2
        assert await proxy.actions() == [("reject", 403)] * 2


async def test_a_response_transform_may_replace_the_response() -> None:
    def replace(exchange: Exchange) -> None:
        exchange.response = plain_text(203, "changed")

    async with Served(on_response(CONTINUE, replace)) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(GET)

        assert (await client.receive_until(b"changed\n")).startswith(b"HTTP/1.1 203 ")
        [record] = await proxy.records()
        assert (record["action"], record["status_code"]) == ("allow", 203)
        assert record["response_transforms"][0]["name"] == "guard"


async def test_a_response_transform_that_raises_fails_the_exchange() -> None:
    def fail(exchange: Exchange) -> Verdict:
        raise KeyError("sk-real")

    async with Served(FakeResponseTransform("guard", fail)) as proxy:
        proxy.answers(OK)
        client = proxy.open()
        client.send(GET)

        assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
        assert await proxy.upstreams[0].is_reset()
        [record] = await proxy.records()
        assert record["error"] == "transform guard response: KeyError"


async def test_a_response_transform_sees_the_answer_to_an_upload_too() -> None:
    async with Served(on_response(Reject("leaks"))) as proxy:
        client = proxy.open()
        client.send(POST)
        upstream = await proxy.upstream()
        client.send(b"hello")
        await upstream.receive_until(b"hello")
        upstream.send(OK)

        assert (await client.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
        assert await proxy.actions() == [("reject", 403)]


# --- after the answer has begun -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ],
    ids=["sized", "chunked", "malformed chunk"],
)
async def test_an_upstream_that_fails_in_the_middle_of_its_body_breaks_the_clients_connection(answer: bytes) -> None:
    async with Served() as proxy:
        client = proxy.open()
        client.send(GET)
        upstream = await proxy.upstream()
        await upstream.receive_until(b"\r\n\r\n")
        upstream.send(answer)
        upstream.stream.close()

        assert await client.is_reset()

        [record] = await proxy.records()
        assert (record["action"], record["status_code"]) == ("error", 502)


async def test_an_upstream_that_fails_before_its_body_is_a_502() -> None:
    async with Served() as proxy:
        proxy.answers(b"HTTP/9 what\r\n\r\n")
        client = proxy.open()
        client.send(GET)

        assert (await client.receive_until(b"bad gateway\n")).startswith(b"HTTP/1.1 502 ")
        assert await proxy.upstreams[0].is_reset()


# --- what happens to the upstream's connection ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "dialled"),
    [
        (OK, 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2),
    ],
    ids=["kept", "Connection: close", "HTTP/1.0"],
)
async def test_an_upstream_is_used_again_when_both_sides_agree(answer: bytes, dialled: int) -> None:
    async with Served() as proxy:
        proxy.answers(answer, OK)
        client = proxy.open()
        client.send(GET)
        await client.receive_until(b"ok")
        await turns()
        client.send(GET)
        if dialled == 1:
            await turns()
            proxy.upstreams[0].send(OK)
        await client.receive_until(b"ok")

        assert len(proxy.upstreams) == dialled
