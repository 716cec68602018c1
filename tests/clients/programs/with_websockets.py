"""The `websockets` library: it finds HTTPS_PROXY and SOCKS_PROXY in its environment."""

import asyncio
import json

from tests.clients.programs import payload
from websockets.asyncio.client import connect

MESSAGES: list[str | bytes] = ["", "é" * 1000, b"\xff" * 65_536, "x" * (1 << 20)]


async def main() -> None:
    async with connect("wss://ws.test/", additional_headers=payload.HEADERS, max_size=None) as connection:
        same = []
        for message in MESSAGES:
            await connection.send(message)
            same.append(await connection.recv() == message)
        extensions = [extension.name for extension in connection.protocol.extensions]
    print(json.dumps({"same": same, "extensions": extensions}))


asyncio.run(main())
