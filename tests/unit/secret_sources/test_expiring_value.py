"""How long a fetched secret counts, and what concurrent and failing fetches mean."""

import asyncio
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


async def refreshed(value: ExpiringValue) -> None:
    """Wait for the refresh that is going on, if any."""
    if value._refreshing is not None:
        await value._refreshing


def last() -> float:
    """The chance by which a value lives its whole `ttl`."""
    return 0.0


async def test_without_ttl_a_value_is_fetched_once() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, clock=clock)

    texts = [await text_of(value)]
    clock.now += 10_000_000
    texts.append(await text_of(value))

    assert texts == ["one", "one"]
    assert store.fetches == 1


async def test_after_its_ttl_a_value_is_served_once_more_and_fetched_behind_the_scenes() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock, chance=last)

    texts = [await text_of(value)]
    clock.now += 59.9
    texts.append(await text_of(value))
    clock.now += 0.1
    texts.append(await text_of(value))
    await refreshed(value)
    texts.append(await text_of(value))

    assert texts == ["one", "one", "one", "two"]
    assert store.fetches == 2


async def test_a_refresh_holds_nobody_up() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    await value.get()
    clock.now += 60
    store.gate.clear()

    texts = [await text_of(value) for _ in range(5)]

    assert texts == ["one"] * 5
    await asyncio.sleep(0)
    assert store.fetches == 2
    await value.aclose()


async def test_a_value_is_refreshed_up_to_a_tenth_earlier_so_that_not_all_are_at_once() -> None:
    clock = Clock()
    expiries = []
    for chances in ([0.0], [0.5], [1.0]):
        value = ExpiringValue("K", Store("one").fetch, ttl=100, clock=clock, chance=chances.pop)
        await value.get()
        expiries.append(value._expires - clock.now)

    assert expiries == pytest.approx([100, 95, 90])


async def test_closing_ends_a_refresh_and_the_value_can_be_asked_again() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    await value.get()
    clock.now += 60
    store.gate.clear()
    await value.get()
    task = value._refreshing
    assert task is not None
    await asyncio.sleep(0)

    await value.aclose()
    await value.aclose()

    assert task.cancelled()
    store.gate.set()
    assert await text_of(value) == "one"
    await refreshed(value)
    assert await text_of(value) == "two"


async def test_what_a_source_did_not_foresee_is_a_failure_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> Secret:
        raise KeyError("sk-real")

    value = ExpiringValue("K", fetch=fail)

    with pytest.raises(SecretUnavailable, match='fetching secret "K" raised KeyError'):
        await value.get()
    assert "sk-real" not in caplog.text


async def test_it_is_known_when_the_value_was_fetched() -> None:
    store, clock = Store("one", None), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    before = value.fetched_at
    await value.get()
    clock.now += 60
    await value.get()
    await refreshed(value)

    assert (before, value.fetched_at) == (None, 1000.0)


async def test_a_negative_ttl_fetches_every_time() -> None:
    store = Store("one", "two", "three")
    value = ExpiringValue("K", store.fetch, ttl=-1, clock=Clock())

    assert [await text_of(value) for _ in range(3)] == ["one", "two", "three"]


async def test_a_failed_refresh_keeps_the_last_value_and_waits_half_a_ttl(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store("good", None, None, "better"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock, chance=last)
    await value.get()

    texts, fetches = [], []
    for seconds in (60, 29, 1, 30, 0):
        clock.now += seconds
        texts.append(await text_of(value))
        await refreshed(value)
        fetches.append(store.fetches)

    assert texts == ["good", "good", "good", "good", "better"]
    assert fetches == [2, 2, 3, 4, 4]
    first = caplog.records[0]
    assert first.message == "failed to refresh secret, serving stale value"
    assert vars(first)["fields"] == {"secret": "K", "error": "store is down (2)"}


async def test_a_store_that_stays_down_is_told_once_per_failure_ttl(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store("good", *[None] * 100), Clock()
    value = ExpiringValue("K", store.fetch, ttl=2, failure_ttl=30, clock=clock)
    await value.get()

    for _ in range(65):
        clock.now += 1
        await value.get()
        await refreshed(value)

    assert store.fetches > 50
    assert len(caplog.records) == 3


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


async def test_while_one_caller_fetches_on_every_call_the_others_get_the_last_value() -> None:
    store = Store("old", "new")
    value = ExpiringValue("K", store.fetch, ttl=-1, clock=Clock())
    await value.get()
    store.gate.clear()

    async with asyncio.TaskGroup() as group:
        fetching = group.create_task(text_of(value))
        await asyncio.sleep(0)
        meanwhile = await text_of(value)
        store.gate.set()

    assert meanwhile == "old"
    assert fetching.result() == "new"


async def test_a_caller_that_is_cancelled_does_not_take_the_refresh_with_it() -> None:
    store, clock = Store("one", "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    await value.get()
    clock.now += 60
    store.gate.clear()

    async with asyncio.TaskGroup() as group:
        caller = group.create_task(text_of(value))
        await asyncio.sleep(0)
        caller.cancel()
    store.gate.set()
    await refreshed(value)

    assert await text_of(value) == "two"


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["ask", "wait", "pass"]), max_size=40), st.booleans())
def test_however_callers_come_there_is_one_fetch_per_lifetime(steps: list[str], is_down: bool) -> None:
    async def play() -> None:
        store, clock = Store("one", None if is_down else "two"), Clock()
        value = ExpiringValue("K", store.fetch, ttl=10, clock=clock, chance=last)
        lifetimes = 1
        async with asyncio.TaskGroup() as group:
            group.create_task(text_of(value))
            for step in steps:
                if step == "ask":
                    for _ in range(3):
                        group.create_task(text_of(value))
                elif step == "pass":
                    clock.now += 10
                    lifetimes += 2 if is_down else 1      # a failure is tried again after half of it
                await asyncio.sleep(0)
        await refreshed(value)

        assert 1 <= store.fetches <= lifetimes

    asyncio.run(play())


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


async def test_fetches_are_counted_by_how_they_ended() -> None:
    store, clock = Store("one", None, "two"), Clock()
    value = ExpiringValue("K", store.fetch, ttl=60, clock=clock)
    counted = [value.fetches]
    for _ in range(3):
        await value.get()
        await refreshed(value)
        counted.append(value.fetches)
        clock.now += 60

    assert counted == [(0, 0), (1, 0), (1, 1), (2, 1)]
