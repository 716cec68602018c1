"""A reader that does not read stops its sender, memory stays bounded, and whoever reads is served meanwhile."""

from collections.abc import Callable, Iterator

import pytest
from tests.end_to_end.version_lanes import http1_request
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import Http2Peer, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import RunningProxy
from tests.fakes.wire_client import Way

pytestmark = pytest.mark.end_to_end

MEBIBYTE = 1 << 20
SIZE = 64 * MEBIBYTE
MAX_UNDER_WAY = 4 * MEBIBYTE
MAX_GROWTH_KILOBYTES = 32 * 1024


@pytest.fixture(scope="module")
def serving_origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture
def origin(serving_origin: Http2Origin, proxy: RunningProxy) -> Iterator[Http2Origin]:
    serving_origin.begin_test()
    yield serving_origin
    assert serving_origin.violations == []


def settled(count: Callable[[], int], serve_others: Callable[[], None]) -> int:
    """What a count stays at while others are served, three times in a row."""
    last, same = -1, 0
    while same < 3:
        for _ in range(10):
            serve_others()
        now = count()
        assert now <= MAX_UNDER_WAY
        last, same = now, same + 1 if now == last else 0
    return last


def others_on(peer: Http2Peer) -> Callable[[], None]:
    """Another stream of the same connection, served to its end."""

    def ask() -> None:
        peer.session.sock.settimeout(5)
        answer = peer.ask("/")
        assert (answer.status, answer.body) == (200, b"ok\n")

    return ask


def test_a_client_that_grants_nothing_stops_the_origin(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = resident_kilobytes(proxy)
    with speak(proxy, port=origin.port, window=65_535, grants=False) as peer:
        stream = peer.begin(f"/big/{SIZE}")
        seen = origin.wait_for(f"/big/{SIZE}")
        rounds = Counted(others_on(peer))
        sent = settled(lambda: seen.sent, rounds)
        grown = resident_kilobytes(proxy) - before
        proxy.started += 1 + rounds.count

        assert peer.answers[stream].size == 65_535
        assert sent >= 65_535
        peer.cancel(stream)
        origin.wait_until(lambda: seen.reset is not None)
    assert grown < MAX_GROWTH_KILOBYTES


def test_an_origin_that_grants_nothing_stops_the_client(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = resident_kilobytes(proxy)
    with speak(proxy, port=origin.port) as peer:
        stream = peer.begin("/unread", "POST", end=False)
        total = 0

        def push() -> int:
            nonlocal total
            while count := peer.send_now(stream, b"x" * 16_384):
                total += count
                assert total <= MAX_UNDER_WAY
            return total

        rounds = Counted(others_on(peer))
        settled(push, rounds)
        grown = resident_kilobytes(proxy) - before
        proxy.started += 1 + rounds.count

        assert len(origin.wait_for("/unread").body) == 65_535
        peer.cancel(stream)
    assert grown < MAX_GROWTH_KILOBYTES


def test_many_streams_that_are_not_read_stay_within_bounds(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = resident_kilobytes(proxy)
    with speak(proxy, port=origin.port, window=1024, grants=False) as peer:
        streams = [peer.begin(f"/big/{SIZE}?{number}") for number in range(40)]
        for number in range(40):
            origin.wait_for(f"/big/{SIZE}?{number}")
        rounds = Counted(others_on(peer))
        settled(lambda: max(each.sent for each in origin.requests), rounds)
        grown = resident_kilobytes(proxy) - before
        proxy.started += len(streams) + rounds.count
    assert grown < MAX_GROWTH_KILOBYTES


def test_an_http1_client_that_does_not_read_stops_an_http2_origin(proxy: RunningProxy, origin: Http2Origin) -> None:
    before = resident_kilobytes(proxy)
    raw = http1_request(f"/big/{SIZE}", b"ok.test:%d" % origin.port, "GET", [], None, sized=True, trailers=[])
    with proxy.open(Way.HTTPS, "ok.test", origin.port) as session, speak(proxy, port=origin.port) as peer:
        session.send(raw)
        session.read_exactly(1000)
        seen = origin.wait_for(f"/big/{SIZE}")
        rounds = Counted(others_on(peer))
        last, same = -1, 0
        while same < 3:  # the kernel's buffers are between: how much they take is theirs to say
            for _ in range(10):
                rounds()
            last, same = seen.sent, same + 1 if seen.sent == last else 0
        grown = resident_kilobytes(proxy) - before
        proxy.started += 1 + rounds.count
    assert last < SIZE // 2
    assert grown < MAX_GROWTH_KILOBYTES


def test_an_http2_client_that_grants_nothing_stops_an_http1_origin(proxy: RunningProxy, internet: Internet) -> None:
    before = resident_kilobytes(proxy)
    with speak(proxy, window=65_535, grants=False) as peer:
        stream = peer.begin(f"/big/{SIZE}")
        peer.until(lambda: peer.answers[stream].size == 65_535)
        proxy.started += 21
        for _ in range(20):
            assert peer.ask("/").body == b"ok\n"
        grown = resident_kilobytes(proxy) - before

        assert peer.answers[stream].size == 65_535
    assert grown < MAX_GROWTH_KILOBYTES


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_a_small_window_makes_small_pieces_of_the_same_body(
    proxy: RunningProxy, origin: Http2Origin, window: int
) -> None:
    size = min(200 * window, 70_000)
    with speak(proxy, port=origin.port, window=window) as peer:
        proxy.started += 1
        answer = peer.ask(f"/big/{size}")

    assert (answer.size, answer.is_complete) == (size, True)


def test_a_window_that_opens_late_lets_the_rest_pass(proxy: RunningProxy, origin: Http2Origin) -> None:
    with speak(proxy, port=origin.port, window=0, grants=False) as peer:
        proxy.started += 2
        stream = peer.begin("/big/300000")
        peer.until(lambda: bool(peer.answers[stream].status))
        assert peer.ask("/code/204").status == 204
        assert peer.answers[stream].size == 0
        peer.h2.increment_flow_control_window(300_000, stream)
        peer.flush()

        answer = peer.answer(stream)
    assert (answer.size, answer.is_complete) == (300_000, True)


class Counted:
    """Counts its calls: each is a request that owes a record."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.count = 0
        self._call = call

    def __call__(self) -> None:
        self.count += 1
        self._call()


def resident_kilobytes(proxy: RunningProxy) -> int:
    with open(f"/proc/{proxy.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])
