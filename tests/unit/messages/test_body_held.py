"""What a body holds because somebody looked at it is counted, and given back with it."""

import pytest
from tests.fakes.body_source import FakeBodySource

from iron_proxy.errors import TooMuchHeld
from iron_proxy.messages.body import UNCOUNTED_BYTES, Body
from iron_proxy.messages.body_memory import BodyMemory

HALF = UNCOUNTED_BYTES // 2 + 1


def counted(source: FakeBodySource, memory: BodyMemory) -> Body:
    source.memory = memory
    return Body(source, None, source.hold_body)


async def test_what_a_look_holds_is_counted_until_the_body_is_dropped() -> None:
    memory = BodyMemory(10 * UNCOUNTED_BYTES)
    body = counted(FakeBodySource([b"x" * HALF] * 4), memory)

    await body.peek(10 * UNCOUNTED_BYTES)
    assert memory.total == 4 * HALF
    while await body.read():
        pass
    assert memory.total == 4 * HALF              # it could be rewound
    del body

    assert memory.total == 0


async def test_little_is_not_counted_nor_is_what_streams_by() -> None:
    memory = BodyMemory(0)
    looked_at = counted(FakeBodySource([b"x" * (UNCOUNTED_BYTES - 1), b"x"]), memory)
    streamed = counted(FakeBodySource([b"x" * HALF] * 4), memory)

    await looked_at.peek(10 * UNCOUNTED_BYTES)
    while await streamed.read():
        pass

    assert memory.total == 0


async def test_where_there_is_no_room_the_look_fails_and_nothing_stays() -> None:
    memory = BodyMemory(4 * HALF)
    body = counted(FakeBodySource([b"x" * HALF] * 9), memory)

    with pytest.raises(TooMuchHeld):
        await body.peek(10 * UNCOUNTED_BYTES)
    assert memory.total == 3 * HALF              # three quarters
    del body

    assert memory.total == 0


async def test_what_was_held_before_a_body_is_wrapped_is_still_counted() -> None:
    memory = BodyMemory(10 * UNCOUNTED_BYTES)
    body = counted(FakeBodySource([b"x" * HALF] * 3), memory)
    await body.peek(10 * UNCOUNTED_BYTES)

    body.stream_through(lambda source: source, None)
    assert memory.total == 3 * HALF
    await body.peek(10 * UNCOUNTED_BYTES)        # and what a later transform holds of it comes to it
    assert memory.total > 5 * HALF
    body.let_go()

    assert memory.total == 0
