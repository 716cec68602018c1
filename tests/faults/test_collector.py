"""AUD-15: a collector that is dead from the start and comes back costs records of its own, and nothing else."""

import os
from pathlib import Path
from time import monotonic

from tests.conftest import Fresh
from tests.fakes.otlp_collector import HTTPCollector
from tests.fakes.running_proxy import RunningProxy, request
from tests.fakes.wire_client import Way

REQUESTS = int(os.environ.get("FAULT_REQUESTS", "1500"))
QUEUE = 200
MEGABYTE = 1 << 20


def test_aud_15_a_collector_that_is_dead_from_the_start_and_comes_back(fresh_proxy: Fresh) -> None:
    with HTTPCollector() as collector:
        pass
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BLRP_SCHEDULE_DELAY": "50", "OTEL_BLRP_MAX_QUEUE_SIZE": str(QUEUE),
    }  # fmt: skip
    alone, dead = fresh_proxy(), fresh_proxy(env=environment)
    ask_many(dead, 100)  # what is loaded once is loaded
    before = memory_of(dead)

    usual, with_dead = slowest_percent(ask_many(alone, REQUESTS)), slowest_percent(ask_many(dead, REQUESTS))

    assert memory_of(dead) - before < 64 * MEGABYTE
    # A generous bound, for the machine has other things to do: an export that was waited for would be a second.
    assert with_dead < 4 * usual + 0.1, (usual, with_dead)
    with collector:
        asked = 100 + REQUESTS
        while not collector.records():
            ask_many(dead, 1)
            asked += 1
        dead.ask_to_stop()
        assert dead.wait_for_exit() == 0
    told = [line for line in dead.parsed() if line["msg"] == "audit records were not exported by OTLP"]
    lost = sum(line["count"] for line in told)
    assert lost >= REQUESTS - QUEUE
    assert lost + len(collector.records()) == asked == len(dead.records())


def ask_many(proxy: RunningProxy, count: int) -> list[float]:
    """How long each of so many requests on one connection took, in seconds."""
    raw, durations = request("/", proxy.authority(Way.HTTP, "ok.test")), []
    with proxy.open(Way.HTTP, "ok.test") as session:
        for _ in range(count):
            started = monotonic()
            session.send(raw)
            assert session.read_answer().status == 200
            durations.append(monotonic() - started)
    return durations


def slowest_percent(durations: list[float]) -> float:
    """The 99th percentile."""
    return sorted(durations)[len(durations) * 99 // 100]


def memory_of(proxy: RunningProxy) -> int:
    """Resident bytes."""
    pages = int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
