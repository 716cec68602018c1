"""Bodies that a transform holds are counted, and given back however the exchange ends, without a garbage collector."""

import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.fakes.served import OK, FarEnd, Served, turns
from tests.unit.proxy.http2_served import Http2Served

from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict

SIZE = 100_000
HEAD = b"POST / HTTP/1.1\r\nHost: ok.test\r\nContent-Length: %d\r\n\r\n" % SIZE


class Holder:
    """Looks at the whole body, then says its verdict."""

    name = "holder"
    scopes = frozenset((Scope.REQUEST,))
    verdict: Verdict = CONTINUE

    async def on_request(self, exchange: Exchange) -> Verdict:
        await exchange.request.body.peek(10 * SIZE)
        return self.verdict


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
async def proxy(holder: Holder) -> AsyncIterator[Served]:
    async with Served(holder) as served:
        yield served


def held(proxy: Served) -> int:
    return proxy.services.process.body_memory.total


async def waiting(proxy: Served) -> FarEnd:
    """A client whose body is half here."""
    client = proxy.open()
    client.send(HEAD + b"x" * (SIZE // 2))
    await turns()
    assert held(proxy) == SIZE // 2
    return client


async def test_while_it_is_forwarded_it_counts_and_then_no_more(proxy: Served) -> None:
    client = await waiting(proxy)
    client.send(b"x" * (SIZE // 2))
    upstream = await proxy.upstream()
    assert held(proxy) == SIZE

    upstream.send(OK)
    await client.receive_until(b"ok")
    await turns()

    assert held(proxy) == 0


@pytest.mark.parametrize("ending", ["refused", "no upstream", "gone", "cancelled"])
async def test_whatever_ends_the_exchange(proxy: Served, holder: Holder, ending: str) -> None:
    holder.verdict = Reject("no", plain_text(403, "no")) if ending == "refused" else CONTINUE
    proxy.answers(UpstreamUnreachable("not there"))
    client = await waiting(proxy)
    if ending == "gone":
        client.stream.abort()
        await client.served()
    elif ending == "cancelled":
        client.cancel()
        await turns()
    else:
        client.send(b"x" * (SIZE // 2))
        await client.receive_until(b"\r\n\r\n")
    await turns()

    assert held(proxy) == 0


async def test_what_finds_no_room_is_503_with_a_record_and_nothing_is_dialled(proxy: Served) -> None:
    proxy.services.process.body_memory.limit = SIZE
    client = proxy.open()
    client.send(HEAD + b"x" * SIZE)

    answer = await client.receive_until(b"\r\n\r\n")
    await turns()

    assert answer.startswith(b"HTTP/1.1 503 ")
    [record] = await proxy.records()
    assert (record["action"], record["status_code"]) == ("reject", 503)
    assert record["reason"] == "too much of request bodies is held at the moment"
    assert proxy.upstreams == []
    assert held(proxy) == 0


async def test_over_http2_the_stream_is_answered_and_the_connection_goes_on(holder: Holder) -> None:
    async with Http2Served(holder) as proxy:
        proxy.services.process.body_memory.limit = SIZE
        client = await proxy.call().greeted()
        stream = client.core.send_head("POST", "https", b"ok.test", b"/", [], end=False)
        client.core.send_data(stream, b"x" * 60_000, end=False)
        client.flush()
        await turns()
        assert held(proxy) > 0
        client.core.send_data(stream, b"x" * 60_000, end=True)
        client.flush()

        status, _ = await client.answer_to(stream)
        await turns()

        assert status == 503
        assert not client.serving.done()
        assert held(proxy) == 0
