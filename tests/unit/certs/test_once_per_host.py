"""One value a host. What is kept for how long is tested with contexts, in `test_leaf_cache.py`."""

import asyncio

import pytest

from iron_proxy.certs.once_per_host import DENIED_SIZE, Kept, OncePerHost


class Maker:
    """Makes values that differ, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> Kept[int]:
        self.made += 1
        number = self.made
        await asyncio.sleep(0)
        return Kept(number, 0.0, 100.0)


def kept_at(moment: list[float], size: int = 3) -> OncePerHost[int]:
    return OncePerHost(size, lambda: moment[0], lambda value: value == 13)


async def test_many_who_ask_at_once_get_the_same() -> None:
    values, make = kept_at([1.0]), Maker()

    assert await asyncio.gather(*(values.get("a", True, make) for _ in range(20))) == [1] * 20
    assert (values.find("a"), len(values), values.being_made) == (1, 1, 0)


async def test_it_is_made_again_when_its_time_is_over_and_before_it_began() -> None:
    moment, make = [1.0], Maker()
    values = kept_at(moment)
    await values.get("a", True, make)

    for moment[0] in (100.0, -1.0):
        assert values.find("a") is None
    moment[0] = 99.9
    assert await values.get("a", True, make) == 2


async def test_a_worn_out_value_is_not_found() -> None:
    values, make = kept_at([1.0]), Maker()
    make.made = 12

    assert await values.get("a", True, make) == 13
    assert values.find("a") is None


async def test_denied_hosts_are_apart_and_the_oldest_admitted_one_goes() -> None:
    values, make = kept_at([1.0], size=-1), Maker()
    for number in range(DENIED_SIZE + 5):
        await values.get(f"denied-{number}", False, make)
    await values.get("a", True, make)

    assert len(values) == DENIED_SIZE + 1
    few = kept_at([1.0], size=2)
    for host in ("a", "b", "c"):
        await few.get(host, True, make)
    assert [few.find(host) is None for host in ("a", "b", "c")] == [True, False, False]


async def test_who_could_not_be_made_is_tried_again() -> None:
    values = kept_at([1.0])

    async def fail() -> Kept[int]:
        raise LookupError

    with pytest.raises(LookupError):
        await values.get("a", True, fail)
    assert await values.get("a", True, Maker()) == 1
