"""
Lines of the audit log as OpenTelemetry log records, handed to the official SDK's OTLP exporters.

The SDK is imported when an exporter is built and not before: it takes longer than all the rest of a start. It is given
lines that are encoded and masked already, so that a collector gets what the log gets. Runs in the thread of
`otlp_queue.py`, waits for the network, and dials the collector directly: neither our own listener nor a proxy that the
environment names is in between.
"""

import os
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from msgspec import json

from iron_proxy.audit.otlp_settings import PREFIX, OTLPSettings
from iron_proxy.errors import StartupError
from iron_proxy.version import __version__

# Parity: upstream's name of the scope.
SCOPE: Final = "iron-proxy/audit"
SERVICE_NAME: Final = "iron-proxy"

_SEVERITIES: Final = {"INFO": 9, "WARN": 13, "ERROR": 17}
# What a log record has places of its own for; all other fields are attributes.
_BESIDE_ATTRIBUTES: Final = ("time", "level", "msg")
_MISSING: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT asks for export by OTLP, which needs the extra: pip install 'iron-proxy[otel]'"
)


class OTLPExporter:
    """
    `export` lines; `shutdown`, from another thread, ends one that waits for its collector.

    Raises StartupError where the SDK is not there, or refuses what the variables say.
    """

    def __init__(self, settings: OTLPSettings, environment: Mapping[str, str]) -> None:
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
            raise StartupError(_MISSING)
        try:
            self._exporter = _exporter(settings, environment)
            self._resource = _resource(environment)
            self._scope = _scope()
        except ImportError as error:
            raise StartupError(_MISSING) from error
        except StartupError:
            raise
        except Exception as error:  # the SDK's own words may quote a header
            raise StartupError(f"creating OTLP log exporter: {type(error).__name__}") from error

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
        observed = _nanoseconds(fields["time"])
        level = fields["level"]
        record = LogRecord(
            # Parity: of a request the time at which it began. The log's `time` is the one at which it ended.
            timestamp=observed - int(fields.get("duration_ms", 0.0) * 1e6),
            observed_timestamp=observed,
            severity_text=level,
            severity_number=SeverityNumber(_SEVERITIES.get(level, 9)),
            body=fields["msg"],
            attributes={name: value for name, value in fields.items() if name not in _BESIDE_ATTRIBUTES},
        )
        return ReadableLogRecord(record, self._resource, self._scope)


def _nanoseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _scope() -> Any:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope(SCOPE, __version__)


def _resource(environment: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()                 # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    return resource


def _exporter(settings: OTLPSettings, environment: Mapping[str, str]) -> Any:
    roots = _setting(environment, "CERTIFICATE") or ssl.get_default_verify_paths().cafile
    return _by_grpc(settings, environment, roots) if settings.protocol == "grpc" else _by_http(settings, roots)


def _by_http(settings: OTLPSettings, roots: str | None) -> Any:
    import requests
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    _content(roots)                              # that it is not there would be found out by every export
    session = requests.Session()
    session.trust_env = False                    # no proxy: HTTP_PROXY may well name this one
    return OTLPLogExporter(certificate_file=roots, timeout=settings.timeout, session=session)


def _by_grpc(settings: OTLPSettings, environment: Mapping[str, str], roots: str | None) -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")         # it would print to standard error, which has one owner
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    credentials = grpc.ssl_channel_credentials(
        _content(roots), _content(_setting(environment, "CLIENT_KEY")),
        _content(_setting(environment, "CLIENT_CERTIFICATE")),
    )  # fmt: skip
    direct: Any = (("grpc.enable_http_proxy", 0),)
    return OTLPLogExporter(credentials=credentials, timeout=settings.timeout, channel_options=direct)


def _setting(environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"{PREFIX}LOGS_{name}") or environment.get(f"{PREFIX}{name}", "")


def _content(path: str | None) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise StartupError(f"creating OTLP log exporter: {path}: {reason}") from error
