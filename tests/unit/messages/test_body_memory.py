"""What bodies make us hold: bounded in all and for one client, and given back with the bytes themselves."""

import pytest

from iron_proxy.errors import TooMuchHeld
from iron_proxy.messages.body_memory import BodyMemory, HeldBody


def test_one_client_has_three_quarters_and_another_finds_room() -> None:
    memory = BodyMemory(100)
    memory.take("a", 75)

    with pytest.raises(TooMuchHeld):
        memory.take("a", 1)
    memory.take("b", 25)
    with pytest.raises(TooMuchHeld):
        memory.take("b", 1)

    assert memory.total == 100


def test_what_did_not_fit_is_not_counted() -> None:
    memory = BodyMemory(100)
    held = HeldBody(memory, "a")
    held.grow(70)
    with pytest.raises(TooMuchHeld):
        held.grow(10)

    assert (held.size, memory.total) == (70, 70)


def test_what_is_dropped_is_given_back_and_the_client_forgotten() -> None:
    memory = BodyMemory(100)
    held, other = HeldBody(memory, "a"), HeldBody(memory, "a")
    held.grow(30)
    held.grow(10)
    other.grow(10)

    del held
    assert memory.total == 10
    del other

    assert memory.total == 0
    assert memory._by_client == {}


def test_what_never_held_anything_gives_nothing_back() -> None:
    memory = BodyMemory(100)
    held = HeldBody(memory, "a")
    del held

    assert memory.total == 0


def test_a_smaller_limit_leaves_what_is_held() -> None:
    memory = BodyMemory(100)
    held = HeldBody(memory, "a")
    held.grow(70)

    memory.limit = 50

    with pytest.raises(TooMuchHeld):
        memory.take("b", 1)
    del held
    memory.take("b", 1)
