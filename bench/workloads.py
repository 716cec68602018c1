"""
The table of workloads: what every arm is asked to do, and which figures come of it.

A workload measures one running arm once. Rounds, order and failures are `run.py`'s.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import tls_clients
from bench.errors import MeasurementFailed
from bench.load import ask_dns_repeatedly, call_repeatedly, download, request_repeatedly, upload
from bench.results import Figures
from bench.running_arm import RunningArm
from bench.setting import HOST, HOST_WITHOUT_SECRETS, LARGE, LARGE_BYTES, MIDDLE, SMALL, UNARY, UNKNOWN_HOSTS, UPLOAD
from bench.workload_names import UNARY_H2


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

    @property
    def warms_up(self) -> bool:
        """Whether it is done once for a second before anything is counted."""
        ...

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
    varied: bool = False  # no two requests are the same
    warms_up: bool = True

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
    warms_up: bool = True

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        before, held = arm.cpu_seconds(), arm.memory_mib()
        headers = arm.headers("https", self.carries_token)
        host = HOST if self.carries_token else HOST_WITHOUT_SECRETS
        rates = download(arm.url("https", LARGE, host), headers, generator.ca, self.times, generator.core)
        after = arm.cpu_seconds()
        figures = {"megabytes_per_second": self.times * LARGE_BYTES / sum(LARGE_BYTES / rate for rate in rates) / 1e6}
        if before is not None and after is not None:
            figures["cpu_ms_per_100_mb"] = (after - before) * 1e3 / self.times
        if held is not None and arm.process is not None:
            figures["growth_mib"] = max(0.0, arm.process.peak_mib() - held)
        return self.times, figures


@dataclass(frozen=True, slots=True)
class Upload:
    """A 100 MB body to the origin over TLS, with its length stated, a few times in a row on one connection."""

    name: str
    title: str
    times: int = 3
    warms_up: bool = True

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        before = arm.cpu_seconds()
        headers = arm.headers("https", carries_token=True) | {"Content-Type": "application/octet-stream", "Expect": ""}
        rates = upload(arm.url("https", UPLOAD), headers, generator.ca, self.times, generator.core)
        after = arm.cpu_seconds()
        figures = {"megabytes_per_second": self.times * LARGE_BYTES / sum(LARGE_BYTES / rate for rate in rates) / 1e6}
        if before is not None and after is not None:
            figures["cpu_ms_per_100_mb"] = (after - before) * 1e3 / self.times
        return self.times, figures


@dataclass(frozen=True, slots=True)
class UnaryCalls:
    """POSTs over HTTP/2 with TLS on both sides, in the shape of gRPC's unary calls; answers end with a trailer."""

    name: str
    title: str
    connections: int = 8
    streams: int = 4
    warms_up: bool = True

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        headers = arm.headers("h2", carries_token=True) | {"Content-Type": "application/grpc", "TE": "trailers"}
        del headers["Host"]  # the URL names the origin
        before = arm.cpu_seconds()
        report = call_repeatedly(
            arm.origin_url("h2", UNARY), arm.port("h2"), headers, (self.connections, self.streams), seconds,
            generator.core,
        )  # fmt: skip
        after = arm.cpu_seconds()
        figures = {"requests_per_second": report.per_second, "latency_mean_ms": report.mean_ms}
        if before is not None and after is not None:
            figures["cpu_us_per_request"] = (after - before) * 1e6 / report.requests
        return report.requests, figures


@dataclass(frozen=True, slots=True)
class DnsQuestions:
    """As many questions over UDP as are answered in the given time, for 100,000 names by turns."""

    name: str
    title: str
    rcode: str
    warms_up: bool = True

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        before = arm.cpu_seconds()
        report = ask_dns_repeatedly(arm.dns_port(), self.rcode, seconds, generator.core)
        after = arm.cpu_seconds()
        figures = {"answers_per_second": report.answers / report.seconds, "lost": float(report.lost)}
        if before is not None and after is not None:
            used = after - before
            figures["cpu_us_per_answer"] = used * 1e6 / report.answers
            if used:
                figures["answers_per_cpu_second"] = report.answers / used
        return 0, figures  # what is recorded of questions is bounded per second: there is no line for each


@dataclass(frozen=True, slots=True)
class IdleConnections:
    """What a TLS connection holds that has had one answer and is silent since; and what it does to other traffic."""

    name: str
    title: str
    count: int = 10_000
    warms_up: bool = False

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        _, alone = SMALL_TLS.measure(arm, generator, seconds)
        held = arm.memory_mib()
        if held is None or arm.process is None:
            raise MeasurementFailed("there is no process whose memory could be read")
        request = tls_clients.get(SMALL, arm.headers("https", carries_token=True))
        count = min(self.count, tls_clients.most_connections())
        with tls_clients.open_connections(arm.port("https"), generator.ca, request, count, generator.core) as clients:
            growth = arm.process.resident_mib() - held
            _, beside = SMALL_TLS.measure(arm, generator, seconds)
            clients.check_open()
        return count, {
            "connections": float(count),
            "kib_per_connection": growth * 1024 / count,
            "cpu_us_alone": alone["cpu_us_per_request"],
            "cpu_us_beside": beside["cpu_us_per_request"],
            "latency_p99_ms_alone": alone["latency_p99_ms"],
            "latency_p99_ms_beside": beside["latency_p99_ms"],
        }


@dataclass(frozen=True, slots=True)
class NewNames:
    """Handshakes with one name, then each with a name that was never asked for: far more than certificates are kept."""

    name: str
    title: str
    wanted: int = 50_000
    warms_up: bool = False
    # Times the seconds of a round; the whole number of names would take minutes.
    longer: int = 5

    def measure(self, arm: RunningArm, generator: Generator, seconds: float) -> tuple[int, Figures]:
        if arm.process is None:
            raise MeasurementFailed("there is no process that could sign a certificate")
        clients = tls_clients.Handshakes(arm.port("https"), generator.ca, generator.core)
        clients.run(_known_name, 200, seconds)
        before = arm.process.cpu_seconds()
        known_count, _ = clients.run(_known_name, self.wanted, seconds)
        between, held = arm.process.cpu_seconds(), arm.process.resident_mib()
        new_count, elapsed = clients.run(_new_name, self.wanted, seconds * self.longer)
        cpu = arm.process.cpu_seconds() - between
        return 0, {
            "names": float(new_count),
            "cpu_ms_per_known_name": (between - before) * 1e3 / known_count,
            "cpu_ms_per_new_name": cpu * 1e3 / new_count,
            "names_per_second": new_count / elapsed,
            "growth_mib": arm.process.resident_mib() - held,
            "cpu_seconds_for_all": cpu / new_count * self.wanted,
        }


def _known_name(_number: int) -> str:
    return f"known.leaf.{UNKNOWN_HOSTS}"


def _new_name(number: int) -> str:
    return f"n{number}.leaf.{UNKNOWN_HOSTS}"


SMALL_TLS = Requests("small-tls", "Small GET, TLS in and out, 32 connections", "https", SMALL)
VARIED_TLS = Requests(
    "varied-tls", "Small GET with another query each time, TLS in and out, 32 connections", "https", SMALL, varied=True
)
SMALL_PLAIN = Requests("small-plain", "Small GET, plain HTTP in and out, 32 connections", "http", SMALL)
MIDDLE_TLS = Requests("16k-tls", "16 KiB answer, TLS in and out, 32 connections", "https", MIDDLE)
ONE_CONNECTION = Requests("one-connection", "Small GET, TLS in and out, 1 connection", "https", SMALL, connections=1)
UNARY_CALLS = UnaryCalls(UNARY_H2, "Unary call over HTTP/2, TLS in and out, 8 connections of 4 streams")
MANY_STREAMS = UnaryCalls(
    "streams", "2,000 HTTP/2 streams at a time: unary calls, 20 connections of 100", 20, 100, False
)
UNTOUCHED = Download("download", "100 MB download over TLS, body untouched", carries_token=False)
SCRUBBED = Download("download-scrubbed", "100 MB download over TLS, secret in use", carries_token=True)
UPLOADED = Upload("upload", "100 MB upload over TLS, untouched and scanned for tokens")
DNS_INTERCEPT = DnsQuestions("dns-intercept", "DNS answers with the proxy's own address, not audited", "NOERROR")
DNS_REFUSED = DnsQuestions("dns-refused", "DNS refusals, recorded or counted in the audit log", "NXDOMAIN")
IDLE = IdleConnections("idle", "10,000 idle TLS connections")
NEW_NAMES = NewNames("new-names", "Leaf certificates for 50,000 names")
RULES_TOGETHER = Requests(
    "scale-together", "Cost of many rules together: small GET, TLS in and out", "https", SMALL, varied=True
)
CURVE_WORKLOADS = {
    kind: Requests(
        f"scale-{kind.replace('_', '-')}",
        f"Cost by the number of {kind.replace('_', ' ')}: small GET, TLS in and out, 32 connections",
        "https",
        SMALL,
        varied=True,
    )
    for kind in ("exact_hosts", "wildcards", "path_rules", "secrets")
}

STANDARD_WORKLOADS: tuple[Workload, ...] = (
    SMALL_TLS, VARIED_TLS, SMALL_PLAIN, MIDDLE_TLS, ONE_CONNECTION, UNARY_CALLS, UNTOUCHED, SCRUBBED,
)  # fmt: skip
QUICK_WORKLOADS: tuple[Workload, ...] = (SMALL_TLS, VARIED_TLS)

# Not driven by a load generator: figures of every fresh start, and of the memory at the end of all workloads.
START = "start"
AFTER_LOAD = "after-load"
