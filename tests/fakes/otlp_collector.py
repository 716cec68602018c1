"""
Collectors that decode what they get with OpenTelemetry's own messages: one over HTTP, one over gRPC.

They take logs, spans and metrics: over HTTP by the path (`/v1/traces`, `/v1/metrics`; anything else is logs).
`status` is what they answer with: 200, or a refusal. `hold` makes them wait until they are closed.
"""

import gzip
import http.server
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

# By the name of the signal in paths and packages: its service, its request, the answer.
_KINDS: dict[str, tuple[str, Any, Any]] = {
    "logs": ("LogsService", ExportLogsServiceRequest, ExportLogsServiceResponse),
    "trace": ("TraceService", ExportTraceServiceRequest, ExportTraceServiceResponse),
    "metrics": ("MetricsService", ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}
_BY_PATH: dict[str, Any] = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
_UNPACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}


class Collector:
    """What has come. `requests` are (path or method, headers, message)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        self.hold = False
        self.port = 0
        self._arrived = threading.Condition()
        self._released = threading.Event()

    def take(self, path: str, headers: dict[str, str], message: Any) -> None:
        with self._arrived:
            self.requests.append((path, headers, message))
            self._arrived.notify_all()
        if self.hold:
            self._released.wait(30)

    def records(self) -> list[Any]:
        """The log records that were taken."""
        return [
            record
            for message in self.messages(ExportLogsServiceRequest)
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def spans(self) -> list[Any]:
        """The spans that were taken."""
        return [
            span
            for message in self.messages(ExportTraceServiceRequest)
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics that were taken, by name, for each time that some were."""
        return [
            {
                metric.name: metric
                for resource in message.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }
            for message in self.messages(ExportMetricsServiceRequest)
        ]

    def messages(self, kind: Any) -> list[Any]:
        """What has come of one kind."""
        return [message for _, _, message in self.requests if isinstance(message, kind)]

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Any]:
        """The records, once there are so many."""
        deadline = monotonic() + timeout
        with self._arrived:
            while len(self.records()) < count:
                left = deadline - monotonic()
                assert left > 0, f"{len(self.records())} of {count} records"
                self._arrived.wait(left)
        return self.records()

    def wait_for_request(self, timeout: float = 10.0) -> None:
        """Until something has come, taken or not."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.requests, timeout)

    def release(self) -> None:
        self._released.set()


class HTTPCollector(Collector):
    """`with HTTPCollector() as collector`: listens on `url`; entered again, on the same one."""

    def __enter__(self) -> "HTTPCollector":
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind: Any = _BY_PATH.get(self.path, ExportLogsServiceRequest)
                message = kind.FromString(_UNPACK[self.headers.get("Content-Encoding", "")](body))
                collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, message)
                try:
                    self.send_response(collector.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass                         # the exporter gave up

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class GRPCCollector(Collector):
    """`with GRPCCollector() as collector`: the three services, without TLS."""

    def __enter__(self) -> "GRPCCollector":
        self._server = grpc.server(ThreadPoolExecutor(2))
        for package, (name, request, response) in _KINDS.items():
            handler = grpc.unary_unary_rpc_method_handler(
                partial(self._export, response),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
            service = f"opentelemetry.proto.collector.{package}.v1.{name}"
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{self.port}"
        self._server.start()
        return self

    def _export(self, response: Any, message: Any, context: Any) -> Any:
        self.take("Export", dict(context.invocation_metadata()), message)
        if self.status != 200:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        return response()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.stop(0).wait()


def ask_for(monkeypatch: pytest.MonkeyPatch, collector: Collector, **more: str) -> dict[str, str]:
    """Set the variables that name a collector, which the SDK reads from the process's own; returns them."""
    protocol = "grpc" if isinstance(collector, GRPCCollector) else "http/protobuf"
    url = f"http://127.0.0.1:{collector.port}"
    texts = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **more}
    for name, text in texts.items():
        monkeypatch.setenv(name, text)
    return texts


def plain(value: Any) -> Any:
    """An AnyValue as the JSON value it stands for."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: plain(each.value) for each in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def attributes_of(record: Any) -> dict[str, Any]:
    """The attributes of a log record, or of a resource, as JSON values."""
    return {each.key: plain(each.value) for each in record.attributes}
