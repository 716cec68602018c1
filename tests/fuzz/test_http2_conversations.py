"""Random conversations between our two roles: however bytes are cut and windows run dry, bodies arrive whole."""

import random

import pytest

from iron_proxy.protocols.http2.client import Http2Client
from iron_proxy.protocols.http2.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamFailed,
    StreamRefused,
)  # fmt: skip
from iron_proxy.protocols.http2.server import Http2Server

Side = Http2Client | Http2Server
SIZES = (0, 10, 30_000, 400_000)  # the last is more than a stream's window
CUTS = (1, 9, 100, 5_000, 70_000, 1_000_000)


class Conversation:
    """A client that asks, a server that answers, and what each has still to send, to take and to give back."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.client, self.server = Http2Client(), Http2Server("https")
        self.wires: dict[Side, bytes] = {self.client: b"", self.server: b""}
        self.unsent: dict[tuple[Side, int], bytes] = {}
        self.expected: dict[tuple[Side, int], bytes] = {}  # by who is to receive it
        self.received: dict[tuple[Side, int], bytes] = {}
        self.ended: set[tuple[Side, int]] = set()
        self.uncredited: list[tuple[Side, int, int]] = []
        self.now = 0.0

    def other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def add_body(self, side: Side, stream: int) -> None:
        body = self.random.randbytes(self.random.choice(SIZES))
        self.unsent[side, stream] = self.expected[self.other(side), stream] = body

    def ask(self) -> None:
        stream = self.client.send_head("POST", "https", b"ok.test", b"/", [], end=False)
        self.add_body(self.client, stream)

    def carry(self, side: Side, cut: int) -> None:
        """Some of what one side has written reaches the other."""
        self.now += 1
        wire = self.wires[side] + side.take_outgoing()
        self.wires[side] = wire[cut:]
        for event in self.other(side).receive(wire[:cut], self.now):
            self.take(self.other(side), event)

    def take(self, side: Side, event: Event) -> None:
        assert not isinstance(event, ConnectionFailed | StreamFailed | StreamRefused), event
        if isinstance(event, RequestReceived):
            self.server.send_head(event.stream_id, 200, [(b"x-a", b"b")], end=False)
            self.add_body(self.server, event.stream_id)
        elif isinstance(event, DataReceived):
            key = side, event.stream_id
            self.received[key] = self.received.get(key, b"") + event.data
            self.uncredited.append((*key, event.credit))
        elif isinstance(event, StreamEnded):
            self.ended.add((side, event.stream_id))

    def send(self, limit: int) -> None:
        """Everybody sends a piece of everything; what is left goes on later."""
        for (side, stream), body in list(self.unsent.items()):
            piece = body[:limit]
            taken = side.send_data(stream, piece, end=len(piece) == len(body))
            if taken == len(body):
                del self.unsent[side, stream]
            else:
                self.unsent[side, stream] = body[taken:]

    def give_back(self, count: int) -> None:
        self.random.shuffle(self.uncredited)
        for side, stream, credit in self.uncredited[:count]:
            side.give_credit(stream, credit)
        del self.uncredited[:count]

    def step(self) -> None:
        """One thing happens."""
        dice = self.random.random()
        if dice < 0.03 and self.client.can_open_stream and len(self.expected) < 30:
            self.ask()
        elif dice < 0.8:
            self.carry(self.random.choice((self.client, self.server)), self.random.choice(CUTS))
        elif dice < 0.9:
            self.send(self.random.choice((1, 1_000, 100_000, 1_000_000)))
        else:
            self.give_back(self.random.randrange(20))

    def finish(self) -> None:
        for _ in range(2_000):
            self.give_back(len(self.uncredited))
            self.send(1_000_000)
            for side in (self.client, self.server):
                self.carry(side, 1_000_000)
            if not self.unsent and not self.client.open_streams and not self.server.open_streams:
                return
        pytest.fail("the conversation is stuck")


@pytest.mark.parametrize("seed", range(4))
def test_every_body_arrives_whole(seed: int) -> None:
    conversation = Conversation(seed)
    for _ in range(1_500):
        conversation.step()
    conversation.finish()

    assert len(conversation.expected) > 10
    for key, body in conversation.expected.items():
        assert conversation.received.get(key, b"") == body
    assert conversation.ended == set(conversation.expected)
