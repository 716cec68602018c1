"""
Two streams joined by a relay, whose far ends do anything in any order, as a state machine of Hypothesis.

They send, read or do not, end one direction, close, reset; minutes pass. Each direction has bytes of its own, so that
what is lost, doubled, out of order or in the wrong direction shows.
"""

import asyncio
from itertools import count, islice

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.fakes.memory_stream import MemoryStream, MemoryStreamPair
from tests.fakes.virtual_time import VirtualTimeLoop

from iron_proxy.errors import IronProxyError
from iron_proxy.streams import relay as relay_module
from iron_proxy.streams.byte_stream import StreamReset
from iron_proxy.streams.relay import Relay, RelayIdle

IDLE, WRITE = 100.0, 20.0
SIDES = st.sampled_from([0, 1])


class Side:
    """A far end: what it has sent and received."""

    def __init__(self, stream: MemoryStream, first: int) -> None:
        self.stream = stream
        self.sent = self.received = b""
        self.has_ended = False
        self._bytes = (number % 120 + first for number in count())

    def send(self, size: int) -> None:
        piece = bytes(islice(self._bytes, size))
        self.stream.write_nowait(piece)
        self.sent += piece

    async def take(self) -> None:
        while self.stream.has_unread:
            self.received += await self.stream.read(1)


class Relaying(RuleBasedStateMachine):
    """`failure` is what the relay ended with."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(relay_module, "monotonic", self.loop.time)
        self.pairs = MemoryStreamPair(), MemoryStreamPair()
        self.sides = Side(self.pairs[0].left, 0), Side(self.pairs[1].left, 120)
        self.near = self.pairs[0].right, self.pairs[1].right
        self.relay = Relay(*self.near, idle_timeout=IDLE, write_timeout=WRITE)
        self.failure: IronProxyError | StreamReset | None = None
        self.quiet = 0.0  # for how long nothing can have moved
        self.is_broken = False  # somebody has closed or reset
        self.task = self.loop.create_task(self.run())

    async def run(self) -> None:
        """As the callers of a relay do: both streams are closed, and reset where it broke."""
        try:
            await self.relay.run()
        except (IronProxyError, StreamReset) as error:
            self.failure = error
            for stream in self.near:
                stream.abort()
        for stream in self.near:
            stream.close()

    @precondition(lambda self: not self.is_broken and not self.task.done())
    @rule(side=SIDES, size=st.sampled_from([1, 2, 100, 70_000, 300_000]))
    def a_side_sends(self, side: int, size: int) -> None:
        if not self.sides[side].has_ended:
            self.sides[side].send(size)
            self.quiet = 0.0

    @rule(side=SIDES)
    def a_side_reads(self, side: int) -> None:
        self.loop.turn()
        this, other = self.sides[side], self.sides[1 - side]
        self.quiet = 0.0 if this.stream.has_unread else self.quiet  # what has waited for room goes on
        self.loop.run_until_complete(this.take())
        self.loop.turn()
        if other.has_ended and this.received == other.sent:
            assert this.stream.has_ended or this.stream.is_closed, "an end was not passed on"

    @rule(side=SIDES)
    def a_side_ends_its_direction(self, side: int) -> None:
        self.loop.run_until_complete(self.sides[side].stream.write_end())
        self.quiet = self.quiet if self.sides[side].has_ended else 0.0  # an end is something that moves, once
        self.sides[side].has_ended = True

    @rule(side=SIDES, resets=st.booleans())
    def a_side_leaves(self, side: int, resets: bool) -> None:
        stream = self.sides[side].stream
        (stream.abort if resets else stream.close)()
        self.sides[side].has_ended = self.is_broken = True

    @rule(seconds=st.sampled_from([1.0, 15.0, 60.0, 150.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.turn()
        self.loop.advance(seconds)
        self.quiet += seconds

    @rule(turns=st.integers(1, 5))
    def some_turns_pass(self, turns: int) -> None:
        self.loop.turn(turns)

    # --- what is promised -------------------------------------------------------------------------------------------

    @invariant()
    def what_arrives_is_what_was_sent_and_in_order(self) -> None:
        one, other = self.sides
        assert one.sent.startswith(other.received)
        assert other.sent.startswith(one.received)
        assert len(other.received) <= self.relay.forth.size <= len(one.sent)
        assert len(one.received) <= self.relay.back.size <= len(other.sent)

    @invariant()
    def an_idle_relay_ends(self) -> None:
        assert self.quiet <= IDLE or self.task.done()

    def teardown(self) -> None:
        try:
            self.check_end()
        finally:
            self.patch.undo()
            self.loop.close()

    def check_end(self) -> None:
        """Both end their directions and read on: everything arrives. Or it broke, and both know."""
        for _ in range(30):
            for side in (0, 1):
                self.a_side_ends_its_direction(side)
                self.a_side_reads(side)
        assert self.task.done()
        self.task.result()
        if self.failure is None and not self.is_broken:
            assert [side.received for side in self.sides] == [side.sent for side in reversed(self.sides)]
        if self.failure is not None:
            assert self.is_broken or isinstance(self.failure, RelayIdle) or "in time" in str(self.failure)
        for each in self.sides:
            assert each.stream.has_ended or each.stream.is_closed
        assert asyncio.all_tasks(self.loop) == set()


TestRelaying = Relaying.TestCase
TestRelaying.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
