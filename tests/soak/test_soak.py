"""
Mixed load for a while, and nothing grows: a minute in the suite, `make soak TIME=30m` for longer.

SOAK_TIME is the time (90s, 30m, 8h); with SOAK_REPORT=soak the report is written to soak.json and soak.md.
"""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.management_client import ENVIRONMENT, MANAGEMENT, call
from tests.fakes.recorder import RawReply, Then
from tests.fakes.running_proxy import ProxyCA
from tests.fakes.waiting import wait_until
from tests.soak.counted_proxy import CountedProxy
from tests.soak.report import as_json, as_markdown, save
from tests.soak.sampling import Sampler
from tests.soak.traffic import CHANGES, KINDS, Traffic

# Enough for a line through the noise; a long run has as many, further apart.
SAMPLES = 120
CUT = RawReply(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Then.RESET)
NONSENSE = RawReply(b"What?\r\n\r\n")

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]


def seconds_of(text: str) -> float:
    """`90s`, `30m`, `8h`."""
    match = re.fullmatch(r"(\d+)([smh])", text)
    assert match is not None, f"SOAK_TIME={text}: write a number and s, m or h, such as 30m"
    return int(match[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


@pytest.fixture
def proxy(internet: Internet, proxy_ca: ProxyCA, tmp_path: Path) -> Iterator[CountedProxy]:
    internet.allowed.raw_replies.update(cut=CUT, nonsense=NONSENSE)
    configuration = base_config(internet, proxy_ca, management=MANAGEMENT, **CHANGES)
    proxy = CountedProxy(configuration, tmp_path, internet, proxy_ca, ENVIRONMENT)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.kill()


def test_nothing_grows(proxy: CountedProxy, internet: Internet) -> None:
    ending = threading.Event()
    traffic = [Traffic(kind, proxy, ending) for kind in KINDS]
    sampler = Sampler(proxy, traffic)
    run(traffic, sampler, seconds_of(os.environ.get("SOAK_TIME", "60s")), ending, internet)
    cpu = sampler.cpu_seconds()

    assert [failure for each in traffic for failure in each.failures] == []
    requests = sum(each.requests for each in traffic)
    proxy.wait_for_records(requests)
    wait_until(lambda: is_at_rest(proxy), 30.0, pause=0.1)
    report = as_json(sampler, traffic, proxy, cpu)
    if prefix := os.environ.get("SOAK_REPORT"):
        save(report, prefix)
    proxy.ask_to_stop()
    assert proxy.wait_for_exit() == 0
    assert proxy.recorded == requests
    assert list(proxy.odd) == []
    growing = [name for name, each in report["series"].items() if each["is_judged"] and not each["is_within"]]
    assert growing == [], as_markdown(report)


def run(
    traffic: list[Traffic], sampler: Sampler, seconds: float, ending: threading.Event, internet: Internet
) -> None:
    """All kinds at once for so long, looked at all the while; returns when they have ended."""
    for each in traffic:
        each.thread.start()
    deadline = monotonic() + seconds
    try:
        while monotonic() < deadline and not ending.wait(seconds / SAMPLES):
            sampler.look()
            for recorder in internet.recorders:          # they remember everything, and this may go on for hours
                recorder.requests.clear()
                recorder.connections.clear()
    finally:
        ending.set()
        for each in traffic:
            each.thread.join(60.0)
    assert not [each.kind.name for each in traffic if each.thread.is_alive()]


def is_at_rest(proxy: CountedProxy) -> bool:
    """Whether nobody is connected, and nothing goes on under a policy of before."""
    status = call(proxy, "GET", "/v1/status").json
    return (status["connections"], status["generations_closing"]) == (0, 0)
