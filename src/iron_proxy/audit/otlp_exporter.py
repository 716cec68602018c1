"""
Lines of the audit log as OpenTelemetry log records, handed to the official SDK's OTLP exporters.

It is given lines that are encoded and masked already, so that a collector gets what the log gets. Runs in the thread of
`otlp_queue.py`, and waits for the network.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import json

from iron_proxy.audit.otlp_connection import connect_otlp
from iron_proxy.audit.otlp_settings import OTLPSettings
from iron_proxy.audit.span_ids import span_ids

# Parity: upstream's name of the scope.
SCOPE: Final = "iron-proxy/audit"

_SEVERITIES: Final = {"INFO": 9, "WARN": 13, "ERROR": 17}
# What a log record has places of its own for; all other fields are attributes.
_BESIDE_ATTRIBUTES: Final = ("time", "level", "msg")


class OTLPExporter:
    """
    `export` lines; `shutdown`, from another thread, ends one that waits for its collector.

    With `names_spans` a record names the span that its request is exported as. Raises StartupError where the SDK is not
    there, or refuses what the variables say.
    """

    def __init__(self, settings: OTLPSettings, environment: Mapping[str, str], *, names_spans: bool = False) -> None:
        self._exporter, self._resource, self._scope = connect_otlp(settings, environment, SCOPE)
        self._names_spans = names_spans

    def export(self, lines: Sequence[bytes]) -> bool:
        """Send some lines; whether the collector has taken them. Waits as long as the settings allow."""
        return bool(self._exporter.export([self._record(line) for line in lines]).value == 0)

    def shutdown(self) -> None:
        """End; nothing is exported any more."""
        self._exporter.shutdown()

    def _record(self, line: bytes) -> Any:
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.sdk._logs import ReadableLogRecord

        fields: dict[str, Any] = json.decode(line)
        observed = nanoseconds(fields["time"])
        level = fields["level"]
        record = LogRecord(
            # Parity: of a request the time at which it began. The log's `time` is the one at which it ended.
            timestamp=observed - int(fields.get("duration_ms", 0.0) * 1e6),
            observed_timestamp=observed,
            context=_context(fields) if self._names_spans and "request_id" in fields else None,
            severity_text=level,
            severity_number=SeverityNumber(_SEVERITIES.get(level, 9)),
            body=fields["msg"],
            attributes={name: value for name, value in fields.items() if name not in _BESIDE_ATTRIBUTES},
        )
        return ReadableLogRecord(record, self._resource, self._scope)


def _context(fields: dict[str, Any]) -> Any:
    from opentelemetry import trace

    ids = span_ids(fields)
    return trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(ids.trace_id, ids.span_id, False)))


def nanoseconds(time: str) -> int:
    """A record's `time`, since the epoch."""
    moment = datetime.fromisoformat(time)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
