"""
Whatever ends an exchange half-way, nothing that it held stays, and least of all until the collector of cycles comes.

Errors know the frames that they went through, frames of task groups know their errors, parsers know their state: in
each of these cycles hung tens or hundreds of KiB of every connection, and the collector comes after thousands of them.
"""

import itertools
from collections.abc import Callable

import pytest
from tests.attack.test_upgrades import UPGRADE
from tests.fakes.http2_frames import data, headers
from tests.fakes.http2_peer import break_rules, speak
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way

ROUNDS = 120
# Each of these kept 60 KiB and more of every round, which is 7 MiB and more.
MOST_KIB = 4 * 1024
LARGE = b"y" * 150_000

CHUNKED = "Transfer-Encoding: chunked\r\n"

End = Callable[[RunningProxy], None]

numbers = itertools.count()


def answered(proxy: RunningProxy, content: bytes, then: Then) -> None:
    """A request to an origin that answers with these bytes."""
    proxy.internet.allowed_tls.raw_replies["end"] = RawReply(content, then)
    proxy.ask(Way.HTTPS, "/raw/end")


def malformed_chunk(proxy: RunningProxy) -> None:
    head = request("/upload", proxy.authority(Way.HTTPS, "ok.test"), method="POST", headers=CHUNKED)
    with proxy.open(Way.HTTPS, "ok.test") as session:
        proxy.started += 1
        session.send(head + b"%x\r\n%b\r\nZZ\r\n%b" % (len(LARGE), LARGE, LARGE))
        session.read_answer("POST")


def half_an_upload(proxy: RunningProxy) -> None:
    path = f"/upload?{next(numbers)}"
    head = request(path, proxy.authority(Way.HTTPS, "ok.test"), method="POST", headers="Content-Length: 900000\r\n")
    with proxy.open(Way.HTTPS, "ok.test") as session:
        proxy.started += 1
        session.send(head + LARGE)
        proxy.wait_for_arrival(Way.HTTPS, path)  # a reset takes with it what has not been read
        session.reset()


def ambiguous_answer(proxy: RunningProxy) -> None:
    answered(proxy, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n" + LARGE, Then.CLOSE)


def answer_with_more_behind_it(proxy: RunningProxy) -> None:
    answered(proxy, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + LARGE, Then.KEEP)


def websocket_that_is_reset(proxy: RunningProxy) -> None:
    with proxy.open(Way.HTTPS, "ok.test") as session:
        proxy.started += 1
        session.send(request("/ws", proxy.authority(Way.HTTPS, "ok.test"), headers=UPGRADE))
        session.read()
        session.send(LARGE)
        session.read_exactly(len(LARGE))
        session.reset()


def http2_connection(proxy: RunningProxy) -> None:
    with speak(proxy) as peer:
        proxy.started += 1
        peer.ask("/upload", "POST", (), LARGE)


def http2_violation(proxy: RunningProxy) -> None:
    authority = (b":authority", b"ok.test:%d" % proxy.internet.tls_port)
    head = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/upload"), authority]
    with break_rules(proxy) as wire:
        proxy.started += 1
        wire.send(headers(1, head, end=False) + data(1, b"x" * 16_000) + data(1, b"x" * 16_000) + b"\xff" * 100_000)
        wire.session.read_to_end()


@pytest.mark.parametrize(
    "end",
    [
        malformed_chunk, half_an_upload, ambiguous_answer, answer_with_more_behind_it, websocket_that_is_reset,
        http2_connection, http2_violation,
    ],
    ids=lambda end: end.__name__.replace("_", " "),
)  # fmt: skip
def test_what_an_exchange_held_goes_with_it(proxy: RunningProxy, end: End) -> None:
    for _ in range(10):
        end(proxy)                               # what is built once is built, and the allocator has what it keeps
    proxy.settle()
    proxy.leftovers.begin()
    proxy.leftovers.allow(MOST_KIB)

    for _ in range(ROUNDS):
        end(proxy)
    proxy.settle()

    proxy.leftovers.check()
