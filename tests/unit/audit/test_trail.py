"""Strict or relaxed, one output or two: what cannot be written is waited for, refused or counted, and never silent."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.audit.destinations import FakeDestination
from tests.unit.audit.test_verification import verified

from iron_proxy.audit import outlet as outlet_module
from iron_proxy.audit.chain import Chain
from iron_proxy.audit.outlet import CONGESTED_BYTES, MAX_QUEUED_BYTES, Outlet
from iron_proxy.audit.signing import Signer, Verifier
from iron_proxy.audit.trail import Branch, Trail
from iron_proxy.errors import AuditUnavailable

KEY = Ed25519PrivateKey.generate()


class World:
    """Destinations and the trails that were made of them."""

    def __init__(self) -> None:
        self.trails: list[Trail] = []

    def trail(self, *destinations: FakeDestination, chained: bool = False, **options: Any) -> Trail:
        branches = [Branch(Outlet(each), Chain() if chained else None, owns=True) for each in destinations]
        trail = Trail(branches, **options)
        trail.attach(asyncio.get_running_loop())
        self.trails.append(trail)
        return trail


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World()
    yield world
    for trail in world.trails:
        for branch in trail.branches:
            branch.outlet.detach(0)


def lines(destination: FakeDestination) -> list[dict[str, Any]]:
    return [json.loads(line) for line in destination.content.splitlines()]


async def test_every_output_gets_every_line(world: World) -> None:
    one, other = FakeDestination(), FakeDestination()

    world.trail(one, other).write(b'{"a":1}\n')

    assert one.content == other.content == b'{"a":1}\n'


async def test_what_finds_no_room_is_counted_and_told_when_there_is_some(world: World) -> None:
    destination = FakeDestination(room=0)
    trail = world.trail(destination)
    big = b'{"x":"' + b"x" * (MAX_QUEUED_BYTES - 20) + b'"}\n'
    trail.write(big)
    trail.write(b'{"lost":1}\n{"lost":2}\n' * 10)
    assert trail.branches[0].lost_total == 20

    destination.room = None
    while trail.branches[0].outlet.queued:
        await trail._change(1)
    trail.write(b'{"a":1}\n')

    told = lines(destination)[1:]
    assert [(line.get("event"), line.get("reason"), line.get("audit")) for line in told] == [
        ("audit", "20 audit records could not be written", {"lost": 20}),
        (None, None, None),
    ]


async def test_one_output_that_takes_nothing_does_not_cost_the_other_a_line(world: World) -> None:
    dead, living = FakeDestination(room=0), FakeDestination()
    trail = world.trail(dead, living)
    for _ in range(9):
        trail.write(b'{"x":"' + b"x" * 1024 * 1024 + b'"}\n')

    assert len(lines(living)) == 9
    assert [branch.lost_total for branch in trail.branches] == [2, 0]


# --- waiting --------------------------------------------------------------------------------------------------------


async def test_traffic_waits_for_a_slow_reader_and_goes_on(world: World) -> None:
    destination = FakeDestination(room=0)
    trail = world.trail(destination)
    trail.write(b"x" * CONGESTED_BYTES + b"\n")
    assert trail.must_wait

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(trail.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        destination.room = None

    assert not trail.must_wait


async def test_relaxed_traffic_does_not_wait_for_a_dead_reader(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "STALL_SECONDS", 0.05)
    trail = world.trail(FakeDestination(room=0))
    trail.write(b"x" * CONGESTED_BYTES + b"\n")

    await trail.room()
    await trail.room()

    assert trail.refused == 0


async def test_strict_traffic_is_refused_when_the_reader_is_dead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "STALL_SECONDS", 0.05)
    trail = world.trail(FakeDestination(room=0), is_strict=True)
    trail.write(b"{}\n")
    assert trail.must_wait                                      # the very first line that does not go out

    for _ in range(2):
        with pytest.raises(AuditUnavailable, match="the audit log cannot be written"):
            await trail.room()

    assert trail.refused == 2


async def test_strict_waits_until_the_line_is_there(world: World) -> None:
    destination = FakeDestination(room=1)
    trail = world.trail(destination, is_strict=True)
    trail.write(b"{}\n")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(trail.written())
        await asyncio.sleep(0)
        assert not waiting.done()
        destination.room = None

    assert destination.content == b"{}\n"


async def test_strict_does_not_wait_when_the_line_is_there_already(world: World) -> None:
    trail = world.trail(FakeDestination(), is_strict=True)
    trail.write(b"{}\n")

    await trail.written()


async def test_strict_refuses_what_found_no_room(world: World) -> None:
    trail = world.trail(FakeDestination(room=0), is_strict=True)
    trail.write(b"x" * MAX_QUEUED_BYTES)
    trail.write(b"{}\n")

    with pytest.raises(AuditUnavailable):
        await trail.written()


@pytest.mark.slow
async def test_strict_needs_every_output(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "STALL_SECONDS", 0.05)
    full = FakeDestination()
    full.is_full = True
    trail = world.trail(FakeDestination(), full, is_strict=True)
    trail.write(b"{}\n")

    with pytest.raises(AuditUnavailable):
        await trail.written()


# --- chain and signatures -------------------------------------------------------------------------------------------


async def test_a_chain_goes_from_start_to_stop(world: World) -> None:
    destination = FakeDestination()
    trail = world.trail(destination, chained=True, torn_bytes=7)
    trail.write(b'{"a":1}\n')

    assert trail.close() == 0

    assert [line.get("action") for line in lines(destination)] == ["start", None, "stop"]
    assert lines(destination)[0]["audit"] == {"torn_bytes": 7}
    assert verified(destination.content).is_whole
    assert destination.is_closed


async def test_without_a_chain_there_are_no_marks(world: World) -> None:
    destination = FakeDestination()

    world.trail(destination).close()

    assert destination.content == b""


async def test_each_output_has_a_chain_that_is_whole_whatever_the_other_lost(world: World) -> None:
    dead, living = FakeDestination(room=0), FakeDestination()
    trail = world.trail(dead, living, chained=True)
    for _ in range(9):
        trail.write(b'{"x":"' + b"x" * 1024 * 1024 + b'"}\n')
    dead.room = None
    trail.close()

    assert verified(dead.content).is_whole
    assert verified(living.content).is_whole
    assert [line.get("action") for line in lines(dead)].count("lost") == 1


async def test_lines_are_signed_when_their_time_has_come_and_at_the_end(world: World) -> None:
    destination = FakeDestination()
    trail = world.trail(destination, chained=True, signer=Signer(KEY), sign_interval=0.01)
    trail.write(b'{"a":1}\n')
    async with asyncio.timeout(5):
        while len(lines(destination)) < 3:
            await asyncio.sleep(0.01)
    trail.write(b'{"a":2}\n')
    trail.close()

    result = verified(destination.content, verifier=Verifier(KEY.public_key()))
    assert (result.findings, result.signatures, result.unsigned) == ([], 2, 0)


async def test_what_cannot_be_written_at_the_end_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iron_proxy.audit.trail.CLOSE_SECONDS", 0.02)
    trail = world.trail(FakeDestination(room=0))
    trail.write(b"{}\n{}\n")

    assert trail.close() == 2


async def test_outlets_beside_it_begin_and_end_with_it(world: World) -> None:
    beside = FakeDestination(room=0)
    outlet = Outlet(beside)
    trail = world.trail(FakeDestination(), beside=(outlet,))
    outlet.put(b"x\n")
    assert beside.waited == []                                  # it does not wait while the loop runs

    beside.room = None
    trail.close()

    assert beside.content == b"x\n"
    assert not beside.is_closed
