"""
Clients and upstreams that do anything in any order, and the proxy between them, as a state machine of Hypothesis.

Bytes go in pieces of any size; anybody may end, close or reset at any moment; connecting fails now and then; minutes
pass. Every exchange has a number that stands all over its request and its answer, so that a byte of one in another
shows; every answer echoes the secret that the upstream was given.
"""

import asyncio
import json
import re
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.fakes.served import FarEnd, Served
from tests.fakes.virtual_time import VirtualTimeLoop
from tests.unit.transforms.secrets.building import transform_from
from tests.wire.http1_events import responses_in

from iron_proxy.errors import UpstreamUnreachable
from iron_proxy.protocols.http1.events import EndOfMessage

TOKEN, REAL = b"proxy-token-abc-0001", b"sk-real-secret-00001"  # of one length
YAML = f"""
    secrets:
      - source: {{type: env, var: KEY}}
        rules: [{{host: ok.test}}]
        replace: {{proxy_value: {TOKEN.decode()}, match_headers: [Authorization]}}
"""
NUMBERS = re.compile(rb"(?:/id/|up-|ans-)([0-9]+)\.")
# Mostly all of it: what is cut everywhere gets nowhere.
SIZES = st.sampled_from([100_000, 100_000, 100_000, 1, 20, 70, 200])
WHICH = st.integers(0, 3)
# Mostly nothing: who always leaves gets nowhere either.
ENDS = st.sampled_from(["stay", "stay", "stay", "half", "close", "reset"])
METHODS = st.sampled_from(["GET", "GET", "POST", "PUT", "HEAD"])
FRAMINGS = st.sampled_from(["none", "sized", "chunked", "old"])

# --- what is sent ---------------------------------------------------------------------------------------------------


def request(number: int, method: str, framing: str) -> bytes:
    version = "1.0" if framing == "old" else "1.1"
    head = (
        f"{method} /id/{number}. HTTP/{version}\r\nHost: ok.test\r\nAuthorization: Bearer {TOKEN.decode()}\r\n".encode()
    )
    content = b"up-%d." % number * 9
    if framing == "none" or method in ("GET", "HEAD"):
        return head + b"\r\n"
    if framing in ("sized", "old"):
        return head + b"Content-Length: %d\r\n\r\n" % len(content) + content
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


def content_of(number: int, secret: bytes) -> bytes:
    return b"ans-%d." % number * 5 + secret + b"ans-%d." % number * 5


def answer(number: int, kind: str) -> bytes:
    content = content_of(number, REAL)
    head = b"X-Answer: ans-%d.\r\nX-Echo: %b\r\nContent-Type: %b\r\n" % (
        number, REAL, b"text/event-stream" if kind == "chunked" else b"text/plain",
    )  # fmt: skip
    if kind == "hints":
        return b"HTTP/1.1 103 Early\r\nLink: ans-%d.%b\r\n\r\n" % (number, REAL) + answer(number, "sized")
    if kind == "nothing":
        return b"HTTP/1.1 204 N\r\n" + head + b"\r\n"
    if kind == "until close":
        return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + content
    if kind == "chunked":
        return b"HTTP/1.1 200 OK\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"7\r\n%b\r\n" % content[at : at + 7] if len(content) - at >= 7 else
            b"%x\r\n%b\r\n" % (len(content) - at, content[at:])
            for at in range(0, len(content), 7)
        ) + b"0\r\nX-Trailer: " + REAL + b"\r\n\r\n"  # fmt: skip
    if kind == "noise":
        return b"SSH-2.0-ans-%d.%b\r\n\r\n" % (number, REAL)
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(content) + content


KINDS = ["sized", "sized", "chunked", "chunked", "hints", "nothing", "until close", "noise"]


class Peer:
    """A client or an upstream: what it has still to send, and all it has received."""

    def __init__(self, far: FarEnd) -> None:
        self.far = far
        self.unsent = b""
        self.sent = 0
        self.in_time = 0  # of that, before the proxy had ended the connection
        self.received = b""
        self.is_over = False
        self.has_ended = False
        self.asked: list[tuple[int, str, int]] = []  # a client's: number, method, where its head ends

    def deliver(self, size: int) -> None:
        if self.unsent and not self.is_over and not self.far.stream.is_gone:
            self.in_time += 0 if self.far.stream.has_ended else len(self.unsent[:size])
            self.far.send(self.unsent[:size])
            self.sent += len(self.unsent[:size])
            self.unsent = self.unsent[size:]

    async def take(self) -> None:
        while self.far.stream.has_unread:
            self.received += await self.far.stream.read(1)

    async def end(self, how: str) -> None:
        if how == "stay":
            return
        if how == "half":
            await self.far.stream.write_end()
        elif how == "close":
            self.far.stream.close()
        else:
            self.far.stream.abort()
        self.is_over = self.is_over or how != "half"
        self.unsent, self.has_ended = b"", True


class Exchanges(RuleBasedStateMachine):
    """The rules are what others may do; the invariants are what the proxy promises whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.proxy = Served(transform_from(YAML, {"KEY": REAL.decode()}))
        self.loop.run_until_complete(self.proxy.__aenter__())
        self.clients: list[Peer] = []
        self.upstreams: list[Peer] = []
        self.number = 0
        self.answered: dict[int, str] = {}

    def turn(self, count: int = 20) -> None:
        self.loop.turn(count)
        for far in self.proxy.upstreams[len(self.upstreams) :]:
            self.upstreams.append(Peer(far))
        for peer in (*self.clients, *self.upstreams):
            self.loop.run_until_complete(peer.take())

    # --- clients ----------------------------------------------------------------------------------------------------

    def connect(self) -> Peer:
        async def connected() -> FarEnd:
            return self.proxy.open(scheme="https")

        self.clients.append(Peer(self.loop.run_until_complete(connected())))
        return self.clients[-1]

    @rule(
        which=WHICH,
        method=METHODS,
        framing=FRAMINGS,
        size=SIZES,
    )
    def a_client_asks(self, which: int, method: str, framing: str, size: int) -> None:
        self.ask(which, method, framing, size)

    def ask(self, which: int, method: str, framing: str, size: int) -> None:
        """One that is still there, or a new one."""
        client = next((each for each in self.clients[which:] if not each.has_ended), None) or self.connect()
        self.number += 1
        wire = request(self.number, method, framing)
        head_end = client.sent + len(client.unsent) + wire.index(b"\r\n\r\n") + 4
        client.asked.append((self.number, method, head_end))
        client.unsent += wire
        client.deliver(size)

    @precondition(lambda self: self.clients)
    @rule(which=WHICH, size=SIZES, turns=st.sampled_from([0, 1, 20]))
    def a_client_goes_on(self, which: int, size: int, turns: int) -> None:
        self.clients[which % len(self.clients)].deliver(size)
        self.turn(turns)

    @precondition(lambda self: self.clients)
    @rule(which=WHICH, how=ENDS)
    def a_client_ends(self, which: int, how: str) -> None:
        self.loop.run_until_complete(self.clients[which % len(self.clients)].end(how))

    # --- upstreams --------------------------------------------------------------------------------------------------

    @rule()
    def the_next_connection_fails(self) -> None:
        if not self.proxy.dialer.answers:
            self.proxy.answers(UpstreamUnreachable("no answer"))

    @rule(kind=st.sampled_from(KINDS), size=SIZES, turns=st.sampled_from([20, 20, 1]))
    def every_upstream_answers(self, kind: str, size: int, turns: int) -> None:
        self.answer_all(kind, size)
        self.turn(turns)

    def answer_all(self, kind: str, size: int) -> None:
        """Each answers what it has been asked and has not answered yet."""
        self.turn()
        for upstream in self.upstreams:
            for number in map(int, re.findall(rb"/id/([0-9]+)\. HTTP", upstream.received)):
                if number not in self.answered and not upstream.has_ended:
                    self.answered[number] = kind
                    upstream.unsent += answer(number, kind)
            upstream.deliver(size)

    @precondition(lambda self: self.upstreams)
    @rule(which=WHICH, size=SIZES, turns=st.sampled_from([0, 1, 20]))
    def an_upstream_goes_on(self, which: int, size: int, turns: int) -> None:
        self.upstreams[which % len(self.upstreams)].deliver(size)
        self.turn(turns)

    @precondition(lambda self: self.upstreams)
    @rule(which=WHICH, how=ENDS)
    def an_upstream_ends(self, which: int, how: str) -> None:
        self.loop.run_until_complete(self.upstreams[which % len(self.upstreams)].end(how))

    @rule(seconds=st.sampled_from([0.1, 1, 3, 40, 400]))
    def time_passes(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @rule(which=WHICH, method=METHODS, framing=FRAMINGS, kind=st.sampled_from(KINDS), size=SIZES)
    def an_exchange_goes_by(self, which: int, method: str, framing: str, kind: str, size: int) -> None:
        """So that the others have something to be in the way of."""
        self.ask(which, method, framing, 100_000)
        self.answer_all(kind, size)
        self.turn()

    # --- what is promised -------------------------------------------------------------------------------------------

    @invariant()
    def no_client_sees_the_secret_or_another_exchange(self) -> None:
        for client in self.clients:
            assert REAL not in client.received
            numbers = [int(each) for each in NUMBERS.findall(client.received)]
            assert numbers == sorted(numbers)
            assert set(numbers) <= {number for number, _, _ in client.asked}

    @invariant()
    def no_upstream_sees_one_request_in_another(self) -> None:
        for upstream in self.upstreams:
            for part in re.split(rb"(?=[A-Z]+ /id/[0-9]+\. HTTP)", upstream.received):
                assert len(set(NUMBERS.findall(part))) <= 1

    def check_answers(self, client: Peer) -> None:
        """What looks like a whole answer is one."""
        ended = client.far.stream.ended_cleanly and client.far.stream.has_ended
        told = responses_in([client.received], *(method for _, method, _ in client.asked), then_end=ended)
        methods = {number: method for number, method, _ in client.asked}
        number, body, is_body = 0, b"", False
        for event in told.seen:
            if isinstance(event, dict):
                named = [int(value[4:-1]) for name, value in event["pairs"] if name == b"X-Answer"]
                number, body = named[0] if named and event["status"] >= 200 else 0, b""
                is_body = event["status"] == 200
            elif isinstance(event, bytes):
                body += event
            elif isinstance(event, EndOfMessage) and number and is_body:
                self.check_body(number, methods[number], body)

    def check_body(self, number: int, method: str, body: bytes) -> None:
        whole = content_of(number, TOKEN)
        if method == "HEAD":
            assert body == b""
        elif self.answered[number] == "until close":
            assert whole.startswith(body)
        else:
            assert body == whole

    def teardown(self) -> None:
        """Everybody leaves, and nothing is left: no task, no connection, one record of each request."""
        try:
            self.check_leaving()
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.turn()
            self.loop.close()

    def check_leaving(self) -> None:
        self.turn()
        for client in self.clients:
            self.check_answers(client)
            self.loop.run_until_complete(client.end("reset"))
        for _ in range(20):
            self.turn()
            self.loop.advance(200)
        self.turn()
        assert all(client.far.is_served for client in self.clients)
        records = self.loop.run_until_complete(self.proxy.records())
        self.check_records(Counter(record["path"] for record in records))
        assert REAL.decode() not in json.dumps(records)
        self.loop.run_until_complete(self.proxy.__aexit__())
        assert all(far.stream.has_ended for far in self.proxy.upstreams)
        assert asyncio.all_tasks(self.loop) == set()

    def check_records(self, count: Counter[str]) -> None:
        seen = {int(each) for peer in self.upstreams for each in re.findall(rb"/id/([0-9]+)\.", peer.received)}
        for client in self.clients:
            shown = {int(each) for each in NUMBERS.findall(client.received)}
            for position, (number, _, head_end) in enumerate(client.asked):
                path = f"/id/{number}."
                is_certain = number in seen | shown or (position == 0 and client.in_time >= head_end)
                assert count[path] == 1 if is_certain else count[path] <= 1, (path, count)


TestExchanges = Exchanges.TestCase
TestExchanges.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
