"""Questions and news between two processes, with both ends in one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.errors import IronProxyError
from iron_proxy.workers import channel as channel_module
from iron_proxy.workers.channel import Answer, Channel, ChannelClosed, Hear

LONG = 20.0


async def double(body: msgspec.Raw) -> int:
    return 2 * msgspec.msgpack.decode(body, type=int)


async def refuse(body: msgspec.Raw) -> None:
    raise IronProxyError("not today")


async def fail(body: msgspec.Raw) -> None:
    raise ValueError("a secret")


async def never(body: msgspec.Raw) -> None:
    await asyncio.Event().wait()


ANSWERS: dict[str, Answer] = {"double": double, "refuse": refuse, "fail": fail, "never": never}


@asynccontextmanager
async def pair(hears: dict[str, Hear] | None = None) -> AsyncIterator[tuple[Channel, Channel]]:
    """An end that asks and one that answers."""
    ours, theirs = socket.socketpair()
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        asking, answering = Channel(group, {}, {}), Channel(group, ANSWERS, hears or {})
        await asking.open(ours)
        await answering.open(theirs)
        try:
            yield asking, answering
        finally:
            asking.close()
            answering.close()
            await asking.closed.wait()
            await answering.closed.wait()
            for task in asyncio.all_tasks():
                if task.get_name().startswith("answer "):
                    task.cancel()


async def test_questions_are_answered_each_its_own() -> None:
    async with pair() as (asking, _):
        answers = await asyncio.gather(*(asking.ask("double", number, int) for number in range(50)))

    assert answers == [2 * number for number in range(50)]


async def test_a_large_question_arrives_whole() -> None:
    heard: list[Any] = []
    async with pair({"news": lambda body: heard.append(msgspec.msgpack.decode(body))}) as (asking, _):
        assert asking.tell("news", b"x" * 5_000_000)
        assert await asking.ask("double", 1, int) == 2

    assert heard == [b"x" * 5_000_000]


async def test_what_is_refused_is_told_and_a_bug_by_its_type_alone(process_log: LogLines) -> None:
    async with pair() as (asking, _):
        with pytest.raises(IronProxyError, match=r"^not today$"):
            await asking.ask("refuse", None, type(None))
        with pytest.raises(IronProxyError, match=r"^internal error \(ValueError\)$"):
            await asking.ask("fail", None, type(None))

    assert process_log.messages == ["internal error"]


async def test_nobody_waits_for_one_that_does_not_answer_or_is_gone() -> None:
    async with pair() as (asking, answering):
        with pytest.raises(ChannelClosed):
            await asking.ask("never", None, type(None), 0.01)
        waiting = asyncio.ensure_future(asking.ask("never", None, type(None)))
        assert await asking.ask("double", 2, int) == 4
        answering.close()
        with pytest.raises(ChannelClosed):
            await waiting
        with pytest.raises(ChannelClosed):
            await asking.ask("double", 2, int)
        assert not asking.tell("news", 1)


@pytest.mark.parametrize(
    "frame", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x05\x94\x03\x00\xa1x"],
    ids=["too large", "not MessagePack", "unknown news"],
)  # fmt: skip
async def test_what_makes_no_sense_ends_the_channel(frame: bytes, process_log: LogLines) -> None:
    ours, theirs = socket.socketpair()
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
        channel = Channel(group, {}, {})
        await channel.open(ours)
        theirs.sendall(frame + b"\xc0")
        await channel.closed.wait()
    theirs.close()

    assert process_log.messages == ["a process of ours makes no sense"]


async def test_news_that_nobody_reads_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "MAX_UNSENT", 100_000)
    ours, theirs = socket.socketpair()
    async with asyncio.TaskGroup() as group:
        channel = Channel(group, {}, {})
        await channel.open(ours)
        told = [channel.tell("news", b"x" * 10_000) for _ in range(200)]
        channel._transport.abort()  # type: ignore[union-attr]
        await channel.closed.wait()
    theirs.close()

    assert told[0]
    assert not told[-1]
