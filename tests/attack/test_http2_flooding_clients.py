"""
Floods against the running proxy: the connection ends with the right code and one event; others are served.

Where each budget ends is tested on the protocol core in `test_http2_floods.py`.
"""

from collections.abc import Callable, Iterator

import pytest
from tests.attack.http2_heads import Pairs, get, with_port
from tests.conftest import Processes
from tests.fakes.configurations import base_config
from tests.fakes.http2_frames import (
    END_HEADERS,
    END_STREAM,
    Code,
    Kind,
    block,
    data,
    frame,
    headers,
    hpack_integer,
    reset,
    settings,
    window_update,
)
from tests.fakes.http2_origin import Http2Origin, serving
from tests.fakes.http2_peer import break_rules, speak
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy

pytestmark = pytest.mark.end_to_end

CALM = Code.ENHANCE_YOUR_CALM
STREAMS = range(3, 4003, 2)
LARGE_FIELD = b"\x40\x03x-a" + hpack_integer(4000, 7) + b"v" * 4000
NAME_IT = b"\xbe"  # the newest field of the table
WHOLE = END_HEADERS | END_STREAM


def stall(port: int, *more: tuple[bytes, bytes], method: bytes = b"GET") -> Pairs:
    """A request that is not answered."""
    return with_port(get(*more, method=method, path=b"/stall"), port)


FLOODS: dict[str, Callable[[int], bytes]] = {
    "PING": lambda _: frame(Kind.PING, 0, 0, bytes(8)) * 20_000,
    "SETTINGS": lambda _: settings() * 20_000,
    "SETTINGS that change windows": lambda _: (settings({4: 1}) + settings({4: 65_535})) * 10_000,
    "PRIORITY": lambda _: frame(Kind.PRIORITY, 0, 1, b"\0\0\0\0\x10") * 20_000,
    "unknown frames": lambda _: frame(Kind.UNKNOWN, 0, 0) * 20_000,
    "WINDOW_UPDATE": lambda _: window_update(0, 1) * 50_000,
    "WINDOW_UPDATE of a stream": lambda _: window_update(1, 1) * 50_000,
    "empty DATA": lambda _: data(1, b"") * 20_000,
    "CONTINUATION": lambda port: frame(Kind.HEADERS, 0, 3, block(stall(port))) + frame(9, 0, 3) * 10_000,
    "CONTINUATION with fields": lambda port: (
        frame(Kind.HEADERS, 0, 3, block(stall(port))) + frame(9, 0, 3, block([(b"x", b"y" * 4000)])) * 1000
    ),
    "a few bytes that name a large field": lambda port: (
        frame(Kind.HEADERS, WHOLE, 3, block(stall(port)) + LARGE_FIELD)
        + frame(Kind.HEADERS, WHOLE, 5, block(stall(port)) + NAME_IT * 16_000)
        + frame(Kind.HEADERS, WHOLE, 7, block(stall(port)) + NAME_IT * 16_000)
    ),
    "rapid reset": lambda port: b"".join(headers(stream, stall(port)) + reset(stream) for stream in STREAMS),
    "rapid reset of uploads": lambda port: b"".join(
        headers(stream, stall(port, method=b"POST"), end=False) + data(stream, b"x") + reset(stream)
        for stream in STREAMS
    ),
    "resets that we are made to send": lambda port: b"".join(
        headers(stream, stall(port)) + window_update(stream, 0) for stream in STREAMS
    ),
    "malformed requests": lambda port: b"".join(
        headers(stream, stall(port, (b"upgrade", b"h2c"))) for stream in STREAMS
    ),
    "streams beyond the limit": lambda port: b"".join(headers(stream, stall(port)) for stream in STREAMS),
}  # fmt: skip


@pytest.fixture(scope="module")
def origin(internet: Internet) -> Iterator[Http2Origin]:
    with serving(internet, "ok.test") as running:
        yield running


@pytest.fixture(scope="module")
def flooded(processes: Processes, internet: Internet, proxy_ca: ProxyCA) -> Iterator[RunningProxy]:
    """How many requests of a flood are begun is not known beforehand: its records are counted by no oracle."""
    proxy = processes.start(base_config(internet, proxy_ca), {})
    yield proxy
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert not [
        line for line in proxy.parsed() if line["msg"] in ("connection failed", "event loop error", "stream failed")
    ]


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_the_connection(flooded: RunningProxy, origin: Http2Origin, name: str) -> None:
    flooded.begin_test()
    origin.begin_test()
    before = resident_kilobytes(flooded)
    with break_rules(flooded, port=origin.port) as wire:
        wire.send(headers(1, with_port(get(method=b"POST", path=b"/stall"), origin.port), end=False))
        origin.wait_for("/stall")
        wire.send(FLOODS[name](origin.port))

        assert wire.read_to_end() == CALM
    event = flooded.wait_for_event("connection")
    assert (event["action"], event["level"]) == ("reject", "WARN")
    origin.wait_until(lambda: all(each.reset is not None for each in origin.requests))
    assert len(flooded.events()) == 1
    assert resident_kilobytes(flooded) - before < 16 * 1024
    with speak(flooded, port=origin.port) as peer:
        assert peer.ask("/").status == 200
    assert origin.most_open <= 100
    assert origin.violations == []


@pytest.mark.parametrize("name", ["rapid reset", "rapid reset of uploads"])
def test_every_request_of_a_rapid_reset_has_its_record(flooded: RunningProxy, origin: Http2Origin, name: str) -> None:
    flooded.begin_test()
    with break_rules(flooded, port=origin.port) as wire:
        wire.send(FLOODS[name](origin.port))
        assert wire.read_to_end() == CALM
        last = wire.last_stream or 0
    begun = (last - STREAMS[0]) // 2 + 1
    with speak(flooded, port=origin.port) as peer:
        peer.ask(f"/behind/{name}".replace(" ", "-"))
    flooded.wait_for(lambda line: line.get("path") == f"/behind/{name}".replace(" ", "-"))

    records = [line for line in flooded.new_records() if line["path"] == "/stall"]
    assert 0 < begun <= 400
    assert len(records) >= begun - 100
    assert {line["action"] for line in records} <= {"client_cancel", "reject", "error"}


def test_a_window_of_nothing_holds_bounded_memory(flooded: RunningProxy, origin: Http2Origin) -> None:
    """Slow read: a hundred large answers that are never taken."""
    before = resident_kilobytes(flooded)
    with break_rules(flooded, port=origin.port) as wire:
        wire.send(settings({4: 0}))
        for stream in range(1, 201, 2):
            wire.send(headers(stream, with_port(get(path=b"/big/50000000"), origin.port)))
        wire.until(lambda: sum(1 for answer in wire.answers.values() if answer.status == 200) == 100)
        with speak(flooded, port=origin.port) as peer:
            for _ in range(20):
                assert peer.ask("/code/204").status in (204, 502)
        grown = resident_kilobytes(flooded) - before
    assert grown < 64 * 1024


def resident_kilobytes(proxy: RunningProxy) -> int:
    with open(f"/proc/{proxy.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])
