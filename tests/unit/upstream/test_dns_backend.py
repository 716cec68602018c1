"""A cancelled lookup leaves no socket open, whichever turn of the loop it is cancelled in."""

import asyncio
import os
import socket

import pytest
import uvloop

from iron_proxy.upstream.dns_backend import CancellableBackend


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def make_and_cancel(turns: int) -> None:
    making = asyncio.get_running_loop().create_task(CancellableBackend().make_socket(socket.AF_INET, socket.SOCK_DGRAM))
    for _ in range(turns):
        await asyncio.sleep(0)
    was_running = making.cancel()
    try:
        made = await making
    except asyncio.CancelledError:
        assert was_running
    else:
        await made.close()
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_socket_that_is_being_made_is_closed_when_nobody_wants_it_any_more(
    loop_factory: type[asyncio.AbstractEventLoop], turns: int
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(make_and_cancel(turns))
        before = open_descriptors()

        for _ in range(20):
            runner.run(asyncio.wait_for(make_and_cancel(turns), 5))

        assert open_descriptors() == before
