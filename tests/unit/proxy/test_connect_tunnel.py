"""CONNECT on the tunnel port: opened, refused or malformed, each with one record and the bytes behind it kept."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.memory_stream import MemoryStream
from tests.fakes.served import LONG, OK, FarEnd, Served
from tests.fakes.transforms import FakeAllowlist, FakeTransform

from iron_proxy.messages.authority import Target
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict
from iron_proxy.proxy.connect_tunnel import ConnectHandler

CONNECT = b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test:443\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"


class Port:
    """The tunnel port; `proxy_side` is the stream that an opened tunnel goes on with."""

    def __init__(self, proxy: Served) -> None:
        self.proxy = proxy
        self.handler = ConnectHandler()
        self.proxy_side: MemoryStream | None = None

    def open(self) -> FarEnd:
        async def serve(stream: MemoryStream) -> None:
            self.proxy_side = stream
            await self.proxy.connection(stream).serve(self.handler)

        return self.proxy.run(serve)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        yield Port(proxy)


async def test_an_admitted_target_is_opened_and_recorded(port: Port) -> None:
    client = port.open()
    client.send(CONNECT)

    assert await client.receive_until(b"\r\n\r\n") == ESTABLISHED
    await client.served()

    assert port.handler.opened is not None
    assert port.handler.opened.target == Target("ok.test", 443)
    assert port.handler.opened.traces[0]["name"] == "allowlist"
    [record] = await port.proxy.records()
    facts = [record[key] for key in ("method", "host", "path", "action", "status_code")]
    assert facts == ["CONNECT", "ok.test:443", "", "allow", 200]
    assert port.proxy.dialer.permits == []
    assert not client.stream.has_ended


async def test_a_client_hello_that_was_sent_without_waiting_is_kept(port: Port) -> None:
    client = port.open()
    client.send(CONNECT + b"\x16\x03\x01")
    await client.served()

    assert port.proxy_side is not None
    assert await port.proxy_side.read(LONG) == b"\x16\x03\x01"


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (
            b"CONNECT ok.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
            "request target and Host header mismatch",
        ),
        (b"CONNECT ok.test:443 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than one Host header"),
        (b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test\r\nContent-Length: 5\r\n\r\nhello", "CONNECT with a body"),
        (b"CONNECT ok.test:443 HTTP/1.1\r\nHost: ok.test\r\nTransfer-Encoding: chunked\r\n\r\n", "CONNECT with a body"),
    ],
    ids=["another host", "two hosts", "sized body", "chunked body"],
)
async def test_a_malformed_connect_is_refused(port: Port, wire: bytes, reason: str) -> None:
    client = port.open()
    client.send(wire)
    await client.stream.write_end()

    received = await client.receive_to_end()

    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert port.handler.opened is None
    [record] = await port.proxy.records()
    assert (record["action"], record["reason"], record["method"]) == ("reject", reason, "CONNECT")
    assert record["host"] == "ok.test:443"


@pytest.mark.parametrize("target", [b"ok.test:0x1bb", b"http://ok.test/", b"ok.test:99999", b"/"])
async def test_a_target_that_is_no_authority_is_refused(port: Port, target: bytes) -> None:
    client = port.open()
    client.send(b"CONNECT " + target + b" HTTP/1.1\r\nHost: ok.test\r\n\r\n")
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 400 ")
    assert len(await port.proxy.records()) == 1


@pytest.mark.parametrize("host", [b"", b"Host: ok.test\r\n", b"Host: OK.test:443\r\n"], ids=["none", "no port", "case"])
async def test_the_host_field_may_leave_out_what_the_target_says(port: Port, host: bytes) -> None:
    client = port.open()
    client.send(b"CONNECT ok.test:443 HTTP/1.1\r\n" + host + b"\r\n")

    assert await client.receive_until(b"\r\n\r\n") == ESTABLISHED


async def test_a_target_that_nothing_admits_is_refused(port: Port) -> None:
    client = port.open()
    client.send(b"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n")

    received = await client.receive_to_end()

    assert received.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"\r\nConnection: close\r\n" in received
    assert port.handler.opened is None
    [record] = await port.proxy.records()
    assert (record["action"], record["rejected_by"]) == ("reject", "default_deny")


async def test_a_refusal_that_the_client_does_not_take_ends_its_connection_only() -> None:
    refuse = FakeTransform("rule", lambda exchange: Reject("no", plain_text(403, "x" * 600_000)))
    async with Served(refuse) as proxy:
        proxy.limit(write=0.01)
        client = Port(proxy).open()
        client.send(CONNECT)

        await client.served()

        assert await proxy.actions() == [("reject", 403)]


async def test_transforms_see_the_fields_of_the_opening() -> None:
    seen: list[bytes | None] = []

    def look(exchange: Exchange) -> Verdict:
        seen.append(exchange.request.headers.get(b"proxy-authorization"))
        return CONTINUE

    async with Served(FakeTransform("auth", look)) as proxy:
        client = Port(proxy).open()
        client.send(CONNECT[:-2] + b"Proxy-Authorization: Basic eA==\r\n\r\n")
        await client.receive_until(b"\r\n\r\n")

    assert seen == [b"Basic eA=="]


async def test_other_requests_are_served_as_by_a_forward_proxy(port: Port) -> None:
    port.proxy.answers(OK)
    client = port.open()
    client.send(b"GET http://ok.test/a HTTP/1.1\r\nHost: ok.test\r\n\r\n")
    assert (await client.receive_until(b"ok")).startswith(b"HTTP/1.1 200 ")

    client.send(CONNECT)
    assert await client.receive_until(b"\r\n\r\n") == ESTABLISHED

    assert [record["method"] for record in await port.proxy.records()] == ["GET", "CONNECT"]


async def test_what_is_no_request_is_answered(port: Port) -> None:
    client = port.open()
    client.send(b"nonsense\r\n\r\n")
    await client.stream.write_end()

    assert (await client.receive_to_end()).startswith(b"HTTP/1.1 400 ")
    assert len(await port.proxy.records()) == 1
