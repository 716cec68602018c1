"""
`/metrics`: what was counted, and how the process stands, in the text format of Prometheus.

Everything is read at the moment of the scrape; nothing here is called for a request. Imported with the pages, once the
proxy serves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from iron_proxy.audit.emitter import Condition
from iron_proxy.audit.otlp_queue import ExportCondition
from iron_proxy.inspection.secret_ages import FetchedSecret
from iron_proxy.management.readings import Readings
from iron_proxy.management.request_metrics import OTHER, Histogram, RequestMetrics
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.version import __version__

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "iron_proxy_"
# As for rules: a page of ten thousand secrets is read by nobody. The others are not shown.
MAX_SECRETS: Final = 500


class WorkerStates(NamedTuple):
    """How many worker processes serve, and how often one had to be started again."""

    serving: int
    restarts: int


class MetricsPage(Collector):
    """`render` is the page. `workers` None is one process for everything."""

    def __init__(
        self,
        requests: RequestMetrics,
        read: Callable[[], Readings],
        upstream: UpstreamMetrics | None = None,
        workers: WorkerStates | None = None,
    ) -> None:
        self._requests = requests
        self._upstream = upstream or UpstreamMetrics()
        self._read = read
        self._workers = workers
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """The page's text."""
        return generate_latest(self._registry)

    def families(self) -> Iterable[Metric]:
        """What is on it."""
        return self._registry.collect()

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are no other collector's."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families; called at a scrape."""
        readings = self._read()
        yield from self._of_requests()
        yield from _of_process(readings)
        yield from _of_upstream(self._upstream)
        yield self._handshakes(readings.handshakes)
        yield from _of_secrets(readings.secrets[:MAX_SECRETS])
        yield from _of_audit(readings.audit)
        if readings.exports:
            yield from _of_exports(readings.exports)
        if self._workers is not None:
            yield _gauge("workers", "Worker processes that serve.", self._workers.serving)
            yield _counter("worker_restarts", "Workers that died and were started again.", self._workers.restarts)

    def _of_requests(self) -> Iterator[Metric]:
        counted = self._requests
        yield _requests(counted)
        yield _labelled("refusals", "Requests that were refused, by what refused them.", "by", counted.refusals)
        yield _events(counted)
        yield _labelled("limit_refusals", "Connections that a limit left no room for.", "limit", counted.limits)
        yield _labelled("notes", "Requests on which a transform noted this.", "note", counted.notes)
        yield _histogram("request_duration", "From the request's head to the end of its response.", counted.durations)
        yield _histogram("transform_duration", "All transforms of a request together.", counted.transform_durations)
        directions = {"from_client": counted.bytes_from_client, "from_upstream": counted.bytes_from_upstream}
        yield _labelled("body_bytes", "Bytes of bodies and of relayed streams.", "direction", directions)

    def _handshakes(self, of_clients: Mapping[str, int]) -> Metric:
        """Those of clients that failed are audited, and so counted already."""
        family = CounterMetricFamily(
            f"{PREFIX}tls_handshakes", "TLS handshakes, by how they ended.", labels=("side", "result", "version")
        )
        failed = sum(count for (event, _), count in self._requests.events.items() if event == "handshake")
        upstream = self._upstream
        for side, versions, failures in (
            ("client", of_clients, failed), ("upstream", upstream.handshakes, upstream.failed_handshakes)
        ):  # fmt: skip
            for version, count in sorted(versions.items()):
                family.add_metric((side, "ok", version), count)
            family.add_metric((side, "failed", ""), failures)
        return family


def _of_upstream(counted: UpstreamMetrics) -> Iterator[Metric]:
    yield _histogram(
        "upstream_response_duration",
        "From when a request asks for a connection to the first head of the answer.",
        counted.answers,
    )
    yield _histogram("upstream_connect_duration", "Connections opened, TLS handshakes included.", counted.connects)
    yield _counter(
        "upstream_connect_failures",
        "Connections that could not be opened, for other reasons than a TLS handshake.",
        counted.failed_connects,
    )
    taken = {"new": counted.taken_new, "reused": counted.taken_reused}
    yield _labelled("upstream_requests", "Requests that got a connection, by which.", "connection", taken)


def _of_secrets(secrets: Sequence[FetchedSecret]) -> Iterator[Metric]:
    fetches = CounterMetricFamily(f"{PREFIX}secret_fetches", "Fetches of secrets.", labels=("secret", "result"))
    ages = GaugeMetricFamily(f"{PREFIX}secret_age_seconds", "Since the value was fetched.", labels=("secret",))
    for secret in secrets:
        fetches.add_metric((secret.name, "ok"), secret.fetches.succeeded)
        fetches.add_metric((secret.name, "failed"), secret.fetches.failed)
        if secret.age is not None:
            ages.add_metric((secret.name,), secret.age)
    yield fetches
    yield ages


def _requests(counted: RequestMetrics) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}requests", "Requests, by what became of them.", labels=("action", "rule", "status")
    )
    for (action, rule, status_class), count in sorted(counted.requests.items(), key=lambda item: str(item[0])):
        # Status 0: nothing was answered.
        status = f"{status_class}xx" if status_class else "none"
        family.add_metric((action, rule if isinstance(rule, str) else OTHER, status), count)
    return family


def _events(counted: RequestMetrics) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}events", "Audited events that are no requests.", labels=("event", "action"))
    for labels, count in sorted(counted.events.items()):
        family.add_metric(labels, count)
    return family


def _of_process(readings: Readings) -> Iterator[Metric]:
    info = GaugeMetricFamily(f"{PREFIX}info", "Always 1.", labels=("version",))
    info.add_metric((__version__,), 1)
    yield info
    yield _gauge("config_generation", "Goes up by one with every reload.", readings.generation)
    yield _gauge("connections", "Connections of clients.", readings.connections)
    yield _gauge("upstream_idle_connections", "Connections kept for another request.", readings.upstream_idle)
    yield _counter("upstream_connections", "Connections dialled since the last reload.", readings.upstream_opened)
    yield _gauge("leaf_cache_entries", "Hosts with a certificate in the cache.", readings.leaves_cached)
    yield _counter("leaf_certificates", "Certificates signed for hosts.", readings.leaves_signed)
    yield _counter("log_masked", "Secrets that the last wall masked. More than 0 is a bug.", readings.log_masked)


def _of_audit(audit: Condition) -> Iterator[Metric]:
    yield _counter("audit_records", "Records made.", audit.emitted)
    yield _counter("audit_lost", "Lines that an output found no room for.", audit.lost)
    yield _counter("audit_refused", "Requests refused because nothing could be written (strict).", audit.refused)
    yield _gauge("audit_queued_bytes", "Bytes that wait for a reader or a disk.", audit.queued_bytes)
    yield _gauge("audit_stalled", "1 while an output takes nothing.", int(audit.is_stalled))


def _of_exports(exports: Mapping[str, ExportCondition]) -> Iterator[Metric]:
    for field, text in (
        ("exported", "What the collector has taken."),
        ("dropped", "What there was no room or no time for."),
        ("failed", "What the collector did not take."),
    ):
        counts = {name: getattr(each, field) for name, each in exports.items()}
        yield _labelled(f"otlp_{field}", text, "signal", counts)
    queued = GaugeMetricFamily(f"{PREFIX}otlp_queued", "What waits for the collector.", labels=("signal",))
    for name, each in exports.items():
        queued.add_metric((name,), each.queued)
    yield queued


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"{PREFIX}{name}", text, value=value)


def _gauge(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, value=value)


def _labelled(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}{name}", text, labels=(label,))
    for value, count in sorted(counts.items()):
        family.add_metric((value,), count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}{name}_seconds", text)
    family.add_metric((), histogram.cumulative(), histogram.total / 1e3)
    return family
