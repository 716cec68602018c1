"""
The table of workloads: what every arm is asked to do, and which figures come of it.

A workload measures one running arm once. Rounds, order and failures are `run.py`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.load import download, request_repeatedly
from bench.results import Figures
from bench.running_arm import RunningArm
from bench.setting import HOST, HOST_WITHOUT_SECRETS, LARGE, LARGE_BYTES, MIDDLE, SMALL


@dataclass(frozen=True, slots=True)
class Generator:
    """Where the load generator runs and whom it trusts."""

    core: int | None
    ca: Path


class Workload(Protocol):
    """One table of the report, or a part of one."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        """Do it once: the number of requests made, and the figures. Raises MeasurementFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Requests:
    """As many GETs as go through in the given time, over connections that stay open."""

    name: str
    title: str
    scheme: str
    path: str
    connections: int = 32
    varied: bool = False                      # no two requests are the same

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        before = arm.cpu_seconds()
        report = request_repeatedly(
            arm.url(self.scheme, self.path),
            arm.headers(self.scheme, carries_token=True),
            self.connections,
            seconds,
            generator.core,
            varied=self.varied,
        )
        after = arm.cpu_seconds()
        figures = {
            "requests_per_second": report.requests / (report.duration_us / 1e6),
            "latency_p50_ms": report.latency_p50_us / 1e3,
            "latency_p99_ms": report.latency_p99_us / 1e3,
        }
        if before is not None and after is not None:
            figures["cpu_us_per_request"] = (after - before) * 1e6 / report.requests
        return report.requests, figures


@dataclass(frozen=True, slots=True)
class Download:
    """The 100 MB body over TLS, a few times in a row on one connection."""

    name: str
    title: str
    carries_token: bool
    times: int = 3

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        before = arm.cpu_seconds()
        headers = arm.headers("https", self.carries_token)
        host = HOST if self.carries_token else HOST_WITHOUT_SECRETS
        rates = download(arm.url("https", LARGE, host), headers, generator.ca, self.times, generator.core)
        after = arm.cpu_seconds()
        figures = {"megabytes_per_second": self.times * LARGE_BYTES / sum(LARGE_BYTES / rate for rate in rates) / 1e6}
        if before is not None and after is not None:
            figures["cpu_ms_per_100_mb"] = (after - before) * 1e3 / self.times
        return self.times, figures


SMALL_TLS = Requests("small-tls", "Small GET, TLS in and out, 32 connections", "https", SMALL)
VARIED_TLS = Requests(
    "varied-tls", "Small GET with another query each time, TLS in and out, 32 connections", "https", SMALL, varied=True
)
SMALL_PLAIN = Requests("small-plain", "Small GET, plain HTTP in and out, 32 connections", "http", SMALL)
MIDDLE_TLS = Requests("16k-tls", "16 KiB answer, TLS in and out, 32 connections", "https", MIDDLE)
ONE_CONNECTION = Requests("one-connection", "Small GET, TLS in and out, 1 connection", "https", SMALL, connections=1)
UNTOUCHED = Download("download", "100 MB download over TLS, body untouched", carries_token=False)
SCRUBBED = Download("download-scrubbed", "100 MB download over TLS, secret in use", carries_token=True)

WORKLOADS: tuple[Workload, ...] = (SMALL_TLS, VARIED_TLS, SMALL_PLAIN, MIDDLE_TLS, ONE_CONNECTION, UNTOUCHED, SCRUBBED)
QUICK_WORKLOADS: tuple[Workload, ...] = (SMALL_TLS, VARIED_TLS)

# Not driven by a load generator: figures of every fresh start, and of the memory at the end of all workloads.
START = "start"
AFTER_LOAD = "after-load"
