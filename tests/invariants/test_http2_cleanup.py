"""Whatever ends an HTTP/2 connection or stream, nothing of it stays: descriptors are back to what they were."""

from collections.abc import Iterator

import pytest
from tests.fakes.http2_frames import Kind, frame
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import break_rules, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import TLS_WAYS

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin) -> Http2Origin:
    serving_origin.begin_test()
    return serving_origin


def settled(proxy: RunningProxy, origin: Http2Origin) -> int:
    """How many descriptors there are once every way has been used and the connection upstream is up."""
    for way in TLS_WAYS:
        with speak(proxy, way, port=origin.port) as peer:
            proxy.started += 1
            peer.ask("/")
    proxy.settle()
    proxy.get_page("/healthz")
    return proxy.descriptors() + 2  # a page's connection may linger, and one more pooled


def check_descriptors(proxy: RunningProxy, before: int) -> None:
    """Closing takes a few turns of the loop, and each request is one: ask until it is so, a bounded number of times."""
    for _ in range(200):
        if proxy.descriptors() <= before:
            return
        proxy.get_page("/healthz")
    raise AssertionError(f"{proxy.descriptors()} descriptors, {before} before")


@pytest.mark.parametrize("path", ["/", "/stall", "/big/5000000", "/cut/2", "/hang-up", "/reset/2", "/../x"])
def test_clients_that_break_off_leave_nothing_behind(proxy: RunningProxy, origin: Http2Origin, path: str) -> None:
    before = settled(proxy, origin)

    for number in range(30):
        with speak(proxy, TLS_WAYS[number % 3], port=origin.port, grants=False) as peer:
            proxy.started += 3
            streams = [peer.begin(f"{path}?{number}-{each}") for each in range(3)]
            if path == "/stall":
                origin.wait_for(f"{path}?{number}-2")
            elif number % 2:
                peer.until(lambda peer=peer, last=streams[-1]: bool(peer.answers[last].status))  # type: ignore[misc]  # bound
            else:  # a reset takes with it what still lies in the proxy's socket: those requests never were
                peer.ping()
            peer.session.reset()
        proxy.sessions.clear()
    proxy.settle()

    check_descriptors(proxy, before)
    check_upstream_streams_have_ended(origin)


def test_connections_that_break_the_rules_leave_nothing_behind(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = settled(proxy, origin)

    for _ in range(50):
        with break_rules(proxy, port=origin.port) as wire:
            wire.send(frame(Kind.PING, 0, 0, bytes(7)))
            wire.read_to_end()

    check_descriptors(proxy, before)


def test_an_upstream_that_hangs_up_every_time_leaves_nothing_behind(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = settled(proxy, origin)

    with speak(proxy, port=origin.port) as peer:
        for _ in range(50):
            proxy.started += 1
            peer.ask("/hang-up")

    check_descriptors(proxy, before)


def check_upstream_streams_have_ended(origin: Http2Origin) -> None:
    """No stream goes on that nobody waits for: each was reset, or its connection has ended."""
    begun = [each for each in origin.requests if each.path.startswith(("/stall", "/big"))]
    origin.wait_until(lambda: all(each.reset is not None or each.connection in origin.ended for each in begun))
