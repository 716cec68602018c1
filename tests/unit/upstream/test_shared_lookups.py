"""Who asks at the same time shares one lookup; nothing is kept; and a client that leaves takes nobody along."""

import asyncio

import pytest

from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.upstream.resolver import NoSuchHost
from iron_proxy.upstream.shared_lookups import SharedLookups

HOST = "ok.test"


class Asking:
    """A lookup that ends when it is told how."""

    def __init__(self) -> None:
        self.times = 0
        self._answers: asyncio.Queue[list[str] | Exception] = asyncio.Queue()

    async def __call__(self) -> list[str]:
        self.times += 1
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, answer: list[str] | Exception) -> None:
        self._answers.put_nowait(answer)


async def several(shared: SharedLookups, asking: Asking, count: int) -> "list[asyncio.Task[list[str]]]":
    """So many who ask, all of them waiting."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(shared.addresses(HOST, asking)) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_all_who_ask_meanwhile_get_the_one_answer() -> None:
    shared, asking = SharedLookups(), Asking()
    tasks = await several(shared, asking, 100)

    asking.answer(["10.0.0.1"])

    assert await asyncio.gather(*tasks) == [["10.0.0.1"]] * 100
    assert asking.times == 1


async def test_each_gets_a_list_of_its_own() -> None:
    shared, asking = SharedLookups(), Asking()
    tasks = await several(shared, asking, 2)
    asking.answer(["10.0.0.1"])
    first, second = await asyncio.gather(*tasks)

    first.clear()

    assert second == ["10.0.0.1"]


async def test_nothing_is_kept() -> None:
    shared, asking = SharedLookups(), Asking()
    asking.answer(["10.0.0.1"])
    asking.answer(["10.0.0.2"])

    assert await shared.addresses(HOST, asking) == ["10.0.0.1"]
    assert await shared.addresses(HOST, asking) == ["10.0.0.2"]


async def test_hosts_do_not_wait_for_each_other() -> None:
    shared, dead, asking = SharedLookups(), Asking(), Asking()
    (stuck,) = await several(shared, dead, 1)
    asking.answer(["10.0.0.1"])

    assert await shared.addresses("other.test", asking) == ["10.0.0.1"]
    stuck.cancel()


async def test_a_failure_is_everybodys_and_each_has_one_of_its_own() -> None:
    shared, asking = SharedLookups(), Asking()
    tasks = await several(shared, asking, 3)
    asking.answer(NoSuchHost("lookup ok.test: no such host"))

    failures = await asyncio.gather(*tasks, return_exceptions=True)

    assert [(type(each), str(each)) for each in failures] == [(NoSuchHost, "lookup ok.test: no such host")] * 3
    assert len({id(each) for each in failures}) == 3


@pytest.mark.parametrize("leaving", [0, 1])
async def test_one_that_leaves_takes_nobody_along(leaving: int) -> None:
    shared, asking = SharedLookups(), Asking()
    tasks = await several(shared, asking, 4)

    tasks.pop(leaving).cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    asking.answer(["10.0.0.1"])

    assert await asyncio.gather(*tasks) == [["10.0.0.1"]] * 3
    assert asking.times == (2 if leaving == 0 else 1)


async def test_a_bug_is_seen_once_and_the_next_asks_again() -> None:
    shared, asking = SharedLookups(), Asking()
    tasks = await several(shared, asking, 2)
    asking.answer(ZeroDivisionError())
    asking.answer(["10.0.0.1"])

    first, second = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(first, ZeroDivisionError)
    assert second == ["10.0.0.1"]


async def test_a_timeout_of_one_who_waits_is_its_own() -> None:
    shared, asking = SharedLookups(), Asking()
    (leader,) = await several(shared, asking, 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shared.addresses(HOST, asking)
    asking.answer(UpstreamUnreachable("lookup ok.test: timed out"))

    with pytest.raises(UpstreamUnreachable, match="timed out"):
        await leader
