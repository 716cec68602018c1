import asyncio

from iron_proxy.streams.per_loop import PerLoop


class Thing:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_open = not loop.is_closed()


def test_a_loop_has_one_and_another_loop_another() -> None:
    thing_of = PerLoop(Thing)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        assert thing_of(first) is thing_of(first)
        assert thing_of(second) is not thing_of(first)
        assert thing_of(first).is_open
    finally:
        first.close()
        second.close()
