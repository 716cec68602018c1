"""Negotiate and NTLM (RFC 4559) authenticate a connection, not a request: one client's must never serve another."""

import pytest
from tests.fakes.served import GET, OK, FarEnd, Served
from tests.fakes.transforms import FakeAllowlist

CHALLENGE = b"HTTP/1.1 401 no\r\nWWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\nContent-Length: 0\r\n\r\n"
WITH_CREDENTIALS = GET[:-2] + b"Authorization: %b\r\n\r\n"


async def exchange(client: FarEnd, upstream: FarEnd, asked: bytes, answer: bytes = OK) -> None:
    """One request that must come to this upstream."""
    client.send(asked)
    assert b"GET / " in await upstream.receive_until(b"\r\n\r\n")
    upstream.send(answer)
    await client.receive_until(answer[-4:])


@pytest.mark.parametrize("credentials", [b"Negotiate YII", b"NTLM TlRMTVNTUAADAAAA", b"ntlm x", b"NEGOTIATE x"])
async def test_a_connection_that_one_client_has_authenticated_serves_no_other(credentials: bytes) -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        one, other = proxy.open(), proxy.open()
        one.send(WITH_CREDENTIALS % credentials)
        first = await proxy.upstream(0)
        await exchange_answered(one, first)

        other.send(GET)
        second = await proxy.upstream(1)
        await exchange_answered(other, second)

        assert not first.stream.has_unread


async def exchange_answered(client: FarEnd, upstream: FarEnd, answer: bytes = OK) -> None:
    """Answer the request that has come to this upstream."""
    assert b"GET / " in await upstream.receive_until(b"\r\n\r\n")
    upstream.send(answer)
    await client.receive_until(b"ok" if answer is OK else b"\r\n\r\n")


async def test_its_own_client_finds_it_again() -> None:
    """NTLM takes three messages on one connection, and what follows needs none."""
    async with Served(FakeAllowlist("ok.test")) as proxy:
        client = proxy.open()
        client.send(WITH_CREDENTIALS % b"NTLM TlRMTVNTUAABAAAA")
        upstream = await proxy.upstream(0)
        await exchange_answered(client, upstream, CHALLENGE)
        for asked in (WITH_CREDENTIALS % b"NTLM TlRMTVNTUAADAAAA", GET, GET):
            client.send(asked)
            await exchange_answered(client, upstream)

        assert len(proxy.upstreams) == 1


@pytest.mark.parametrize("credentials", [b"Basic dTpw", b"Bearer ntlm", b"Negotiator x"])
async def test_other_credentials_bind_nothing(credentials: bytes) -> None:
    async with Served(FakeAllowlist("ok.test")) as proxy:
        one, other = proxy.open(), proxy.open()
        one.send(WITH_CREDENTIALS % credentials)
        upstream = await proxy.upstream(0)
        await exchange_answered(one, upstream)
        other.send(GET)
        await exchange_answered(other, upstream)

        assert len(proxy.upstreams) == 1
