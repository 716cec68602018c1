"""
Records of requests as OpenTelemetry spans, one for each, made by the official SDK's tracer and sent by its exporters.

The tracer decides which are sampled and how long attributes are, by its own variables. It runs here, in the thread of
`otlp_queue.py`, long after the request: a span costs its request one more line in a queue.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import json

from iron_proxy.audit.otlp_connection import Connection, connect_otlp
from iron_proxy.audit.otlp_exporter import nanoseconds
from iron_proxy.audit.otlp_settings import OTLPSettings
from iron_proxy.audit.span_ids import NOTE, SpanIds, span_ids

SCOPE: Final = "iron-proxy/requests"
# RFC 9110 section 9, RFC 5789. What else clients call a method must not become the name of a span.
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
# Fields of the record that the semantic conventions for HTTP have names for, and those that are ours alone.
_CONVENTIONS: Final = {
    "path": "url.path", "status_code": "http.response.status_code",
    "bytes_from_client": "http.request.body.size", "bytes_from_upstream": "http.response.body.size",
}  # fmt: skip
_OURS: Final = (
    "request_id", "action", "rule", "reason", "code", "error", "rejected_by", "stubbed_by", "client", "generation",
    "mode", "original_destination",
)  # fmt: skip


class OTLPSpanExporter:
    """As `OTLPExporter`, for spans; what the sampler leaves out counts as exported."""

    def __init__(self, settings: OTLPSettings, environment: Mapping[str, str]) -> None:
        connection = connect_otlp(settings, environment, SCOPE)
        self._exporter = connection.exporter
        self._tracer = _Tracer(connection)

    def export(self, lines: Sequence[bytes]) -> bool:
        """Send the spans of some lines; whether the collector has taken them."""
        spans = self._tracer.spans_of(lines)
        return not spans or bool(self._exporter.export(spans).value == 0)

    def shutdown(self) -> None:
        """End; nothing is exported any more."""
        self._exporter.shutdown()


class _Tracer:
    """The SDK's tracer, with our ids, collecting what it has sampled."""

    def __init__(self, connection: Connection) -> None:
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.id_generator import IdGenerator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        spans: list[Any] = []
        self._ended = spans
        self._ids = SpanIds(1, 1, "")
        tracer = self

        class Collecting(SpanProcessor):
            def on_end(self, span: Any) -> None:
                spans.append(span)

        class OfTheRecord(IdGenerator):
            def generate_span_id(self) -> int:
                return tracer._ids.span_id

            def generate_trace_id(self) -> int:
                return tracer._ids.trace_id

        provider = TracerProvider(
            resource=connection.resource, shutdown_on_exit=False, id_generator=OfTheRecord()
        )
        provider.add_span_processor(Collecting())
        self._tracer = provider.get_tracer(connection.scope.name, connection.scope.version)
        self._propagator = TraceContextTextMapPropagator()

    def spans_of(self, lines: Sequence[bytes]) -> list[Any]:
        """Those that are sampled."""
        for line in lines:
            self._trace(json.decode(line))
        spans = list(self._ended)
        self._ended.clear()
        return spans

    def _trace(self, fields: dict[str, Any]) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, Status, StatusCode

        self._ids = span_ids(fields)
        parent = self._propagator.extract({NOTE: self._ids.parent}, Context()) if self._ids.parent else Context()
        ended = nanoseconds(fields["time"])
        method = fields["method"]
        span = self._tracer.start_span(
            method if method in _METHODS else "HTTP",
            parent,
            SpanKind.SERVER,
            _attributes(fields),
            start_time=ended - int(fields["duration_ms"] * 1e6),
        )
        if _has_failed(fields):
            span.set_status(Status(StatusCode.ERROR, fields.get("error")))
        span.end(ended)


def _attributes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """By the semantic conventions where they have a name for it."""
    method = fields["method"]
    attributes: dict[str, Any] = {"http.request.method": method if method in _METHODS else "_OTHER"}
    if method not in _METHODS:
        attributes["http.request.method_original"] = method
    attributes |= _endpoint("server", fields["host"]) | _endpoint("network.peer", fields["remote_addr"])
    attributes |= {name: fields[field] for field, name in _CONVENTIONS.items() if field in fields}
    attributes |= {f"iron_proxy.{field}": fields[field] for field in _OURS if field in fields}
    if _has_failed(fields):
        attributes["error.type"] = str(fields["status_code"])
    return attributes


def _has_failed(fields: Mapping[str, Any]) -> bool:
    """A refusal is what the proxy is there for; what broke, or answered 5xx, has failed."""
    return bool(fields["action"] == "error" or (fields["action"] == "allow" and fields["status_code"] >= 500))


def _endpoint(prefix: str, text: str) -> dict[str, Any]:
    """From `host`, `host:port`, `[v6]:port` or a bare v6 address."""
    host, _, port = text.rpartition(":")
    if port.isdecimal() and host and (":" not in host or host.startswith("[")):
        return {f"{prefix}.address": host.strip("[]"), f"{prefix}.port": int(port)}
    return {f"{prefix}.address": text.strip("[]")}
