"""
The families of `/metrics` as OpenTelemetry metrics, handed to the official SDK's OTLP exporters.

The same numbers under the same names, without the endings that Prometheus wants (`_total`, `_seconds`): a collector
that serves Prometheus puts them back. Counters go up from the start of the process (cumulative). Runs in the thread of
`metrics_export.py`, and waits for the network.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from prometheus_client.core import Metric, Sample

from iron_proxy.audit.otlp_connection import connect_otlp
from iron_proxy.audit.otlp_settings import OTLPSettings

SCOPE: Final = "iron-proxy/metrics"
# By what Prometheus ends their names with: the units of UCUM.
_UNITS: Final = {"_seconds": "s", "_bytes": "By"}


class OTLPMetricExporter:
    """`export` families; `shutdown` from another thread. Raises StartupError as `connect_otlp` does."""

    def __init__(self, settings: OTLPSettings, environment: Mapping[str, str]) -> None:
        self._exporter, self._resource, self._scope = connect_otlp(settings, environment, SCOPE)
        self._timeout_ms = settings.timeout * 1e3
        self._started = time.time_ns()

    def export(self, families: Iterable[Metric], at: int) -> bool:
        """Send what was read at a time, in nanoseconds since the epoch; whether the collector has taken it."""
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics

        metrics = [metric for family in families for metric in self._converted(family, at)]
        data = MetricsData([ResourceMetrics(self._resource, [ScopeMetrics(self._scope, metrics, "")], "")])
        return bool(self._exporter.export(data, timeout_millis=self._timeout_ms).value == 0)

    def shutdown(self) -> None:
        """End; nothing is exported any more."""
        self._exporter.shutdown()

    def _converted(self, family: Metric, at: int) -> Iterator[Any]:
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            Gauge,
            Histogram,
            NumberDataPoint,
            Sum,
        )
        from opentelemetry.sdk.metrics.export import Metric as Converted

        if not family.samples:
            return
        data: Any
        if family.type == "histogram":
            data = Histogram([self._histogram(family.samples, at)], AggregationTemporality.CUMULATIVE)
        else:
            points = [
                NumberDataPoint(each.labels, self._started if family.type == "counter" else 0, at, each.value)
                for each in family.samples
            ]
            is_sum = family.type == "counter"
            data = Sum(points, AggregationTemporality.CUMULATIVE, True) if is_sum else Gauge(points)
        name, unit = named(family.name)
        yield Converted(name, family.documentation, unit, data)

    def _histogram(self, samples: Iterable[Sample], at: int) -> Any:
        """One without labels, as ours are. Prometheus counts what is not above a bound, OTLP what is between two."""
        from opentelemetry.sdk.metrics.export import HistogramDataPoint

        rows = [each for each in samples if each.name.endswith("_bucket")]
        counts = [int(each.value) for each in rows]
        nothing: Any = None                          # smallest and largest are not known
        return HistogramDataPoint(
            attributes={},
            start_time_unix_nano=self._started,
            time_unix_nano=at,
            count=counts[-1],
            sum=next(each.value for each in samples if each.name.endswith("_sum")),
            bucket_counts=[counts[0], *(high - low for low, high in pairwise(counts))],
            explicit_bounds=[float(each.labels["le"]) for each in rows[:-1]],
            min=nothing,
            max=nothing,
        )


def named(name: str) -> tuple[str, str]:
    """(the name for OTLP, its unit), from that of a family of Prometheus, which has no `_total`."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return name.removesuffix(ending), unit
    return name, "1"
