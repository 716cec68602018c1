"""Whatever ends a connection, nothing of it stays: descriptors of the process are back to what they were."""

import pytest
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import ALL_WAYS, Way, way_id


def check_descriptors(proxy: RunningProxy, before: int) -> None:
    """Closing takes a few turns of the loop, and each request is one: ask until it is so, a bounded number of times."""
    for _ in range(200):
        if proxy.descriptors() <= before:
            return
        proxy.get_page("/healthz")
    raise AssertionError(f"{proxy.descriptors()} descriptors, {before} before")


def settled(proxy: RunningProxy) -> int:
    """How many descriptors there are once every way has been used and the pool is warm."""
    for way in ALL_WAYS:
        proxy.ask(way)
    proxy.settle()
    proxy.get_page("/healthz")
    return proxy.descriptors() + 2  # a page's connection may linger, and one more pooled


def test_a_thousand_tunnels_leave_nothing_behind(proxy: RunningProxy) -> None:
    before = settled(proxy)

    for number in range(1000):
        way = (Way.CONNECT_PLAIN, Way.SOCKS_PLAIN)[number % 2]
        session = proxy.open(way, "ok.test")
        if number % 10 == 0:
            proxy.started += 1
            session.send(request("/", proxy.authority(way, "ok.test")))
            assert session.read_answer().status == 200
        if number % 3 == 0:
            session.reset()
        else:
            session.close()
        proxy.sessions.clear()

    check_descriptors(proxy, before)


@pytest.mark.parametrize("way", ALL_WAYS, ids=way_id)
@pytest.mark.parametrize("path", ["/", "/slow", "/code/500", "/../x", "/ws"])
def test_a_client_that_breaks_off_leaves_nothing_behind(proxy: RunningProxy, way: Way, path: str) -> None:
    before = settled(proxy)

    for number in range(10):
        session = proxy.open(way, "ok.test")
        proxy.started += 1
        session.send(request(f"{path}?{number}", proxy.authority(way, "ok.test")))
        if path == "/slow":
            proxy.wait_for_arrival(way, f"{path}?{number}")
        else:
            session.read()
        session.reset()
    proxy.settle()

    check_descriptors(proxy, before)


@pytest.mark.parametrize("way", [Way.HTTP, Way.CONNECT_PLAIN, Way.SOCKS_PLAIN], ids=way_id)
def test_a_client_that_breaks_off_while_its_name_is_looked_up_leaves_nothing_behind(
    proxy: RunningProxy, way: Way
) -> None:
    before = settled(proxy)

    for _ in range(50):
        session = proxy.open(way, "ok.test")
        proxy.started += 1
        session.send(request("/slow", proxy.authority(way, "ok.test")))
        session.reset()
    proxy.settle()

    check_descriptors(proxy, before)


def test_half_a_handshake_leaves_nothing_behind(proxy: RunningProxy) -> None:
    before = settled(proxy)

    for number in range(100):
        with proxy.raw("https" if number % 2 else "tunnel") as session:
            session.send(b"\x16\x03\x01\x02\x00\x01" if number % 2 else b"\x05\x01")

    check_descriptors(proxy, before)


@pytest.mark.parametrize("host", ["nx.test", "lo.test", "other.test"])
def test_requests_that_fail_leave_nothing_behind(proxy: RunningProxy, host: str) -> None:
    before = settled(proxy)

    for _ in range(50):
        proxy.ask(Way.CONNECT_TLS, host=host)

    check_descriptors(proxy, before)
