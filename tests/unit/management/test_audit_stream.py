"""The stream begins at once, sends what arrives, beats when nothing does, and ends with whoever watches."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.record import EventRecord
from iron_proxy.management import audit_stream as module
from iron_proxy.management.audit_feed import AuditFeed
from iron_proxy.management.audit_stream import AuditStream

LONG = 5.0


class Watching:
    """A watcher's side of ASGI."""

    def __init__(self) -> None:
        self.audit = AuditEmitter(seed_envelope, lambda line: None)
        self.feed = AuditFeed(self.audit)
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.left = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        stream = AuditStream(self.feed, self.feed.open())
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(stream({}, self._receive, self._send))

    async def _receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.takes.wait()
        self.sent.put_nowait(message)

    async def next(self) -> Any:
        async with asyncio.timeout(LONG):
            return await self.sent.get()

    async def ended(self) -> None:
        async with asyncio.timeout(LONG):
            await self.task


async def test_it_begins_at_once_and_sends_what_arrives() -> None:
    watching = Watching()
    start, first = await watching.next(), await watching.next()
    watching.audit.emit(EventRecord(time="t", level="INFO", event="dns", action="allow"))
    event = await watching.next()
    watching.left.set()
    await watching.ended()

    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert first["body"].startswith(b": ")
    assert event["body"].startswith(b"id: 1\ndata: {")
    assert not watching.audit._sinks


async def test_it_beats_while_nothing_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.001)
    watching = Watching()
    bodies = [(await watching.next()).get("body") for _ in range(4)]
    watching.left.set()
    await watching.ended()

    assert bodies[2:] == [b": nothing new\n\n"] * 2


async def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.001)
    watching = Watching()
    await watching.next()
    await watching.next()
    watching.takes.clear()
    watching.audit.emit(EventRecord(time="t", level="INFO", event="dns", action="allow"))
    await watching.ended()

    assert not watching.audit._sinks
