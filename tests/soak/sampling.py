"""What is looked at again and again during a soak, and what it may do meanwhile."""

import os
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from tests.fakes.management_client import call
from tests.soak.counted_proxy import CountedProxy
from tests.soak.slope import Growth, growth
from tests.soak.traffic import Traffic


class Allowed(NamedTuple):
    """How far a series may grow from the end of the warm-up to the end of the run, absolutely or as a share."""

    growth: float
    share: float
    unit: str
    reason: str


# A leak of a connection or an exchange is hundreds of them by the end of the shortest run.
ALLOWED_GROWTH = {
    "resident": Allowed(3.0, 0.03, "MiB", "the allocator keeps what a burst took; 3 MiB are 100 connections kept"),
    "descriptors": Allowed(8.0, 0.1, "", "what happens to be open when it is looked at"),
    "threads": Allowed(2.0, 0.0, "", "pools of threads grow to their size"),
    "generations closing": Allowed(1.0, 0.0, "", "a reload may be under way"),
    "connections": Allowed(8.0, 0.2, "", "what happens to be open when it is looked at"),
}
# What takes minutes to settle is judged by these bounds only in a run that goes on for so long.
LONG_RUN = 600.0
# A short run ends while caches of names (4,096 each) and the idle connections still fill: 12 MiB were seen in 100 s.
SHORT_RUN_RESIDENT = Allowed(20.0, 0.0, "MiB", "a minute is too short to tell more than the worst")
# Other programs of a machine take turns with a short run, which is why it has no latency to judge.
ALLOWED_LATENCY = Allowed(5.0, 0.5, "ms", "other programs of the machine come and go")


class Sample(NamedTuple):
    """One look at the process."""

    seconds: float
    values: dict[str, float]
    # The median time of a round by kind, in milliseconds; of the kinds that had one.
    latency: dict[str, float]


class Sampler:
    """Looks at a proxy and its traffic; keeps all of it."""

    def __init__(self, proxy: CountedProxy, traffic: Sequence[Traffic]) -> None:
        self._proxy, self._traffic = proxy, traffic
        self._begun = monotonic()
        self.samples: list[Sample] = []
        self.seconds: dict[str, list[float]] = {each.kind.name: [] for each in traffic}

    def look(self) -> None:
        """Take one sample."""
        latency = {}
        for each in self._traffic:
            taken = sorted(each.take_seconds())
            self.seconds[each.kind.name] += taken
            if taken:
                latency[each.kind.name] = taken[len(taken) // 2] * 1000
        self.samples.append(Sample(monotonic() - self._begun, self._values(), latency))

    def _values(self) -> dict[str, float]:
        pid = self._proxy.process.pid
        status = call(self._proxy, "GET", "/v1/status").json
        text = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
        return {
            "resident": int(text["VmRSS"].split()[0]) / 1024,
            "descriptors": float(self._proxy.descriptors()),
            "threads": float(text["Threads"]),
            "connections": float(status["connections"]),
            "generations closing": float(status["generations_closing"]),
        }

    def cpu_seconds(self) -> float:
        """User and system time of the proxy so far."""
        fields = Path(f"/proc/{self._proxy.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def growths(samples: Sequence[Sample]) -> dict[str, tuple[Growth, Allowed, bool]]:
    """By series: how it grew, how far it may, and whether it is judged."""
    at = [each.seconds for each in samples]
    is_long = at[-1] >= LONG_RUN
    allowed_here = ALLOWED_GROWTH if is_long else {**ALLOWED_GROWTH, "resident": SHORT_RUN_RESIDENT}
    found = {
        name: (growth(at, [each.values[name] for each in samples]), allowed, True)
        for name, allowed in allowed_here.items()
    }
    for kind in samples[-1].latency:
        points = [(each.seconds, each.latency[kind]) for each in samples if kind in each.latency]
        if len(points) >= 10:
            found[f"latency of {kind}"] = (growth(*zip(*points, strict=True)), ALLOWED_LATENCY, is_long)
    return found
