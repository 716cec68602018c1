"""
`/v1/audit/stream`: the records of an `AuditFeed` as server-sent events (WHATWG HTML, section 9.2).

Each event's data is one record in the seed's form, as one line of JSON; an event `dropped` says how many did not fit. A
comment comes when nothing else does, so that both sides notice a connection that is gone.
"""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import Receive, Scope, Send

from iron_proxy.management.audit_feed import AuditFeed, Watcher

HEARTBEAT_SECONDS: Final = 15.0
# Who takes nothing for so long is gone, or as good as that.
SEND_SECONDS: Final = 30.0

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),               # proxies of the nginx kind pass it on at once
]


class AuditStream:
    """The answer to one watcher, as an ASGI application. It closes the watcher."""

    def __init__(self, feed: AuditFeed, watcher: Watcher) -> None:
        self._feed = feed
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the watcher leaves or takes nothing."""
        try:
            with suppress(TimeoutError):
                await self._send(receive, send)
        finally:
            self._feed.close(self._watcher)

    async def _send(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b": records from here on\n\n", "more_body": True})
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send_events(send))
            leaving = group.create_task(_leave(receive))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            leaving.cancel()

    async def _send_events(self, send: Send) -> None:
        watcher = self._watcher
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await watcher.arrived.wait()
            content = watcher.take() or b": nothing new\n\n"
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": content, "more_body": True})
            except TimeoutError:
                return


async def _leave(receive: Receive) -> None:
    """Returns when the watcher has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
