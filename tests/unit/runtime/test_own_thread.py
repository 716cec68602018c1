"""Work in a thread that nothing waits for longer than it wants."""

import asyncio
import threading

import pytest

from iron_proxy.runtime.own_thread import Busy, OwnThread


async def test_it_gives_the_result_or_raises_what_was_raised() -> None:
    thread = OwnThread("t")

    assert await thread.run(lambda: threading.current_thread().name, 5) == "t"
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0, 5)


async def test_the_loop_goes_on_meanwhile() -> None:
    done = threading.Event()
    asyncio.get_running_loop().call_soon(done.set)

    assert await OwnThread("t").run(lambda: done.wait(5), 5)


async def test_what_does_not_come_back_is_left_behind_and_keeps_others_out() -> None:
    thread, end, ended = OwnThread("t"), threading.Event(), threading.Event()

    def wait() -> None:
        end.wait(10)
        ended.set()

    with pytest.raises(TimeoutError):
        await thread.run(wait, 0.01)
    with pytest.raises(Busy):
        await thread.run(lambda: 1, 5)
    end.set()
    assert await asyncio.to_thread(ended.wait, 5)
    while thread._thread is not None and thread._thread.is_alive():
        await asyncio.sleep(0)
    assert await thread.run(lambda: 1, 5) == 1
