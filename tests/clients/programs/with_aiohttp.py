"""aiohttp: `trust_env` finds HTTPS_PROXY; SOCKS5 is the connector of the package aiohttp-socks."""

import asyncio
import os
from collections.abc import AsyncIterator

import aiohttp
from aiohttp_socks import ProxyConnector
from tests.clients.programs import payload


async def pieces() -> AsyncIterator[bytes]:
    for piece in payload.in_pieces():
        yield piece


async def main() -> None:
    connector = None
    if "ALL_PROXY" in os.environ:
        connector = ProxyConnector.from_url(os.environ["ALL_PROXY"].replace("socks5h", "socks5"), rdns=True)
    async with aiohttp.ClientSession(headers=payload.HEADERS, trust_env=True, connector=connector) as session:
        async with session.get(payload.SEEN) as response:
            seen = await response.json()
        async with session.put(payload.UPLOAD, data=payload.CONTENT) as response:
            sized = await response.json()
        async with session.put(payload.UPLOAD, data=pieces()) as response:
            chunked = await response.json()
        async with session.get(payload.FILE) as response:
            file = payload.digest_of([piece async for piece in response.content.iter_chunked(65_536)])
    payload.report(seen, sized, chunked, file)


asyncio.run(main())
