"""How long a fetched secret counts, and what concurrent and failing fetches mean."""

import asyncio
import logging

import pytest

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources.expiring_value import ExpiringValue
from iron_proxy.secret_sources.source import Secret


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """What is fetched from: `answers` in turn, the last for ever; None fails. `gate` holds every fetch back."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self) -> Secret:
        answer = self.answers[min(self.fetches, len(self.answers) - 1)]
        self.fetches += 1
        await self.gate.wait()
        if answer is None:
            raise SecretUnavailable(f"store is down ({self.fetches})")
        return Secret("K", answer)


async def text_of(value: ExpiringValue) -> str:
    return (await value.get()).reveal()


async def test_without_ttl_a_value_is_fetched_once() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, clock=clock)

    texts = [await text_of(value)]
    clock.now += 10_000_000
    texts.append(await text_of(value))

    assert texts == ["one", "one"]
    assert store.fetches == 1


async def test_a_value_is_fetched_again_after_its_ttl() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)

    texts = [await text_of(value)]
    clock.now += 59.9
    texts.append(await text_of(value))
    clock.now += 0.1
    texts.append(await text_of(value))

    assert texts == ["one", "one", "two"]


async def test_a_negative_ttl_fetches_every_time() -> None:
    store = Store("one", "two", "three")
    value = ExpiringValue("K", store.fetch, ttl=-1, clock=Clock())

    assert [await text_of(value) for _ in range(3)] == ["one", "two", "three"]


async def test_a_failed_refresh_serves_the_last_value_and_waits_half_a_ttl(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store("good", None, None, "better"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    await value.get()

    clock.now += 60
    assert await text_of(value) == "good"
    clock.now += 29
    assert await text_of(value) == "good"
    assert store.fetches == 2
    clock.now += 1
    assert await text_of(value) == "good"
    clock.now += 30
    assert await text_of(value) == "better"

    first = caplog.records[0]
    assert first.message == "failed to refresh secret, serving stale value"
    assert vars(first)["fields"] == {"secret": "K", "error": "store is down (2)"}


async def test_a_failure_before_any_value_is_remembered_for_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store(None, "recovered"), Clock()
    value = ExpiringValue("K", store.fetch, clock=clock)

    for _ in range(5):
        with pytest.raises(SecretUnavailable, match="store is down"):
            await value.get()
    assert store.fetches == 1
    clock.now += 60
    assert await text_of(value) == "recovered"

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages == ["failed to fetch secret, caching error"]
    fields = {"secret": "K", "error": "store is down (1)", "retry_in": 60_000_000_000}
    assert vars(caplog.records[0])["fields"] == fields


@pytest.mark.parametrize(
    ("failure_ttl", "ttl", "seconds", "fetches"),
    [(30, 0, 29, 1), (30, 0, 31, 2), (5, 3600, 4, 1), (5, 3600, 6, 2), (-1, 0, 0, 2)],
    ids=["30 s, after 29", "30 s, after 31", "5 s with ttl, after 4", "5 s with ttl, after 6", "negative"],
)
async def test_failure_ttl_decides_when_to_try_again(
    failure_ttl: float, ttl: float, seconds: float, fetches: int
) -> None:
    store, clock = Store(None), Clock()
    value = ExpiringValue("K", store.fetch, ttl, failure_ttl, clock=clock)
    with pytest.raises(SecretUnavailable):
        await value.get()

    clock.now += seconds
    with pytest.raises(SecretUnavailable):
        await value.get()

    assert store.fetches == fetches


async def test_concurrent_first_calls_share_one_fetch() -> None:
    store = Store("one")
    store.gate.clear()
    value = ExpiringValue("K", store.fetch, clock=Clock())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(text_of(value)) for _ in range(20)]
        await asyncio.sleep(0)
        store.gate.set()

    assert {task.result() for task in tasks} == {"one"}
    assert store.fetches == 1


async def test_while_one_caller_refreshes_the_others_get_the_stale_value() -> None:
    store, clock = Store("old", "new"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    await value.get()
    clock.now += 60
    store.gate.clear()

    async with asyncio.TaskGroup() as group:
        refreshing = group.create_task(text_of(value))
        await asyncio.sleep(0)
        meanwhile = await text_of(value)
        store.gate.set()

    assert meanwhile == "old"
    assert refreshing.result() == "new"


async def test_a_caller_cancelled_while_fetching_leaves_the_next_one_to_fetch() -> None:
    store = Store("one", "two")
    store.gate.clear()
    value = ExpiringValue("K", store.fetch, clock=Clock())

    async with asyncio.TaskGroup() as group:
        first = group.create_task(text_of(value))
        second = group.create_task(text_of(value))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        store.gate.set()

    assert first.cancelled()
    assert second.result() == "two"


async def test_a_fetch_that_never_ends_fails_at_its_deadline() -> None:
    store = Store("never")
    store.gate.clear()
    value = ExpiringValue("K", store.fetch, fetch_timeout=0.01)

    with pytest.raises(SecretUnavailable, match=r'fetching secret "K" took longer than 0\.01 s'):
        await value.get()


async def test_the_same_value_is_the_same_object_while_fresh() -> None:
    value = ExpiringValue("K", Store("one").fetch, ttl=60, clock=Clock())

    assert await value.get() is await value.get()
