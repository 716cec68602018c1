"""
The official SDK's exporters, one for each signal and protocol, and what they say of this service.

The SDK is imported when an exporter is built and not before: it takes longer than all the rest of a start. Collectors
are dialled directly: neither our own listener nor a proxy that the environment names is in between. Used by
`otlp_exporter.py`, `otlp_spans.py` and `otlp_metrics.py`.
"""

import os
import ssl
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from iron_proxy.audit.otlp_settings import PREFIX, OTLPSettings, Signal
from iron_proxy.errors import StartupError
from iron_proxy.version import __version__

SERVICE_NAME: Final = "iron-proxy"

# Where the exporters are, and what they are called, in the packages of both protocols.
_EXPORTERS: Final = {
    Signal.LOGS: ("_log_exporter", "OTLPLogExporter"),
    Signal.METRICS: ("metric_exporter", "OTLPMetricExporter"),
    Signal.TRACES: ("trace_exporter", "OTLPSpanExporter"),
}
_WHAT: Final = {Signal.LOGS: "log", Signal.METRICS: "metric", Signal.TRACES: "span"}
_MISSING: Final = (
    "{} asks for export by OTLP, which needs the extra: pip install 'iron-proxy[otel]'"
)
_ASKS: Final = {
    Signal.LOGS: f"{PREFIX}ENDPOINT", Signal.METRICS: "OTEL_METRICS_EXPORTER", Signal.TRACES: "OTEL_TRACES_EXPORTER"
}  # fmt: skip


class Connection(NamedTuple):
    """An exporter of the SDK, what it sends of the service, and of the part of it that speaks."""

    exporter: Any
    resource: Any
    scope: Any


def connect_otlp(settings: OTLPSettings, environment: Mapping[str, str], scope: str) -> Connection:
    """Build an exporter. Raises StartupError where the SDK is not there, or refuses what the variables say."""
    missing = _MISSING.format(_ASKS[settings.signal])
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise StartupError(missing)
    try:
        return Connection(_exporter(settings, environment), _resource(), _scope(scope))
    except ImportError as error:
        raise StartupError(missing) from error
    except StartupError:
        raise
    except Exception as error:  # the SDK's own words may quote a header
        raise StartupError(f"creating OTLP {_WHAT[settings.signal]} exporter: {type(error).__name__}") from error


def _scope(name: str) -> Any:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope(name, __version__)


def _resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()                 # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    return resource


def _exporter(settings: OTLPSettings, environment: Mapping[str, str]) -> Any:
    signal = settings.signal
    roots = _setting(environment, signal, "CERTIFICATE") or ssl.get_default_verify_paths().cafile
    if settings.protocol == "grpc":
        return _by_grpc(settings, environment, roots)
    return _by_http(settings, roots)


def _by_http(settings: OTLPSettings, roots: str | None) -> Any:
    import requests

    _content(roots, settings.signal)             # that it is not there would be found out by every export
    session = requests.Session()
    session.trust_env = False                    # no proxy: HTTP_PROXY may well name this one
    kind = _exporter_class("http", settings.signal)
    return kind(certificate_file=roots, timeout=settings.timeout, session=session)


def _by_grpc(settings: OTLPSettings, environment: Mapping[str, str], roots: str | None) -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")         # it would print to standard error, which has one owner
    import grpc

    signal = settings.signal
    credentials = grpc.ssl_channel_credentials(
        _content(roots, signal),
        _content(_setting(environment, signal, "CLIENT_KEY"), signal),
        _content(_setting(environment, signal, "CLIENT_CERTIFICATE"), signal),
    )
    direct: Any = (("grpc.enable_http_proxy", 0),)
    kind = _exporter_class("grpc", signal)
    return kind(credentials=credentials, timeout=settings.timeout, channel_options=direct)


def _exporter_class(protocol: str, signal: Signal) -> Any:
    module, name = _EXPORTERS[signal]
    return getattr(import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), name)


def _setting(environment: Mapping[str, str], signal: Signal, name: str) -> str:
    return environment.get(f"{PREFIX}{signal.value}_{name}") or environment.get(f"{PREFIX}{name}", "")


def _content(path: str | None, signal: Signal) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise StartupError(f"creating OTLP {_WHAT[signal]} exporter: {path}: {reason}") from error
