"""
What the standard variables say of the export by OTLP, for each of the three signals: whether, how, how often.

Endpoints, headers and compression are read by the SDK's exporters themselves (`otlp_connection.py`), samplers and
limits by its tracer; here is what they would ignore silently, or read in another unit than the OpenTelemetry
specification. Called at the start.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from iron_proxy.errors import StartupError

PREFIX: Final = "OTEL_EXPORTER_OTLP_"
PROTOCOLS: Final = ("http/protobuf", "grpc")
# What each of the two exporters can do. They would leave out what they do not know.
_COMPRESSIONS: Final = {"http/protobuf": ("none", "gzip", "deflate"), "grpc": ("none", "gzip")}
SAMPLERS: Final = (
    "always_on", "always_off", "traceidratio",
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
# `baggage` is one of the defaults. None of it is read: it has no place in a span.
PROPAGATORS: Final = ("tracecontext", "baggage", "none")


class Signal(Enum):
    """What is exported, by its name in the variables."""

    LOGS = "LOGS"
    METRICS = "METRICS"
    TRACES = "TRACES"


_PORTIONS: Final = ("SCHEDULE_DELAY", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "EXPORT_TIMEOUT")
# Every variable that the export obeys, beside the SDK's limits on attributes; each has a row in the reference.
VARIABLES: Final = (
    *(f"{PREFIX}{signal}{name}" for name in (
        "ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
        "INSECURE",
    ) for signal in ("", "LOGS_", "METRICS_", "TRACES_")),
    "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED",
    "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER",
    *(f"OTEL_BLRP_{name}" for name in _PORTIONS), *(f"OTEL_BSP_{name}" for name in _PORTIONS),
    "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT",
    f"{PREFIX}METRICS_TEMPORALITY_PREFERENCE", f"{PREFIX}METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS",
)  # fmt: skip

# A million records of a page each is all the memory that one would give to a queue.
_MOST_QUEUED: Final = 1_000_000
_LONGEST_MS: Final = 24 * 3600 * 1000


class OTLPSettings(NamedTuple):
    """Of one signal. Times in seconds; defaults are the specification's, those of logs."""

    protocol: str = "http/protobuf"
    timeout: float = 10.0            # of one export, with its retries
    schedule_delay: float = 1.0      # how long something may wait for others; of metrics: between two exports
    max_queue_size: int = 2048       # records or spans; metrics have no queue
    max_batch_size: int = 512        # likewise
    signal: Signal = Signal.LOGS


def read_otlp_settings(environment: Mapping[str, str], signal: Signal = Signal.LOGS) -> OTLPSettings | None:
    """What is to be done, or None where it is not asked for. Raises StartupError for what cannot be obeyed."""
    if not _is_wanted(environment, signal):
        return None
    protocol = _choice(environment, signal, "PROTOCOL", PROTOCOLS, "http/protobuf")
    _choice(environment, signal, "COMPRESSION", _COMPRESSIONS[protocol], "none")
    timeout = _number(environment, _name(environment, signal, "TIMEOUT"), 10_000, _LONGEST_MS)
    if signal is Signal.METRICS:
        return _of_metrics(environment, protocol, timeout)
    if signal is Signal.TRACES:
        _check_sampler(environment)
        honours_trace_context(environment)
    processor, delay = ("OTEL_BLRP_", 1000) if signal is Signal.LOGS else ("OTEL_BSP_", 5000)
    export_timeout = _number(environment, f"{processor}EXPORT_TIMEOUT", 30_000, _LONGEST_MS)
    queue_size = _number(environment, f"{processor}MAX_QUEUE_SIZE", 2048, _MOST_QUEUED)
    return OTLPSettings(
        protocol,
        min(timeout, export_timeout) / 1000,
        _number(environment, f"{processor}SCHEDULE_DELAY", delay, _LONGEST_MS) / 1000,
        queue_size,
        min(_number(environment, f"{processor}MAX_EXPORT_BATCH_SIZE", 512, _MOST_QUEUED), queue_size),
        signal,
    )


def _of_metrics(environment: Mapping[str, str], protocol: str, timeout: int) -> OTLPSettings:
    """What is counted goes up from the start, in buckets that are fixed: other forms are a collector's to make."""
    for name, only in (
        ("TEMPORALITY_PREFERENCE", "cumulative"),
        ("DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ):
        _listed(environment, f"{PREFIX}METRICS_{name}", (only,), only)
    export_timeout = _number(environment, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000, _LONGEST_MS)
    interval = _number(environment, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, _LONGEST_MS)
    return OTLPSettings(protocol, min(timeout, export_timeout) / 1000, interval / 1000, 1, 1, Signal.METRICS)


def honours_trace_context(environment: Mapping[str, str]) -> bool:
    """Whether spans are made, and are children of what a client's `traceparent` names. Raises StartupError."""
    texts = [text.strip().lower() for text in environment.get("OTEL_PROPAGATORS", "").split(",") if text.strip()]
    if not _is_wanted(environment, Signal.TRACES):
        return False
    for text in texts:
        _check("OTEL_PROPAGATORS", text, PROPAGATORS)
    return "none" not in texts and (not texts or "tracecontext" in texts)


def _check_sampler(environment: Mapping[str, str]) -> None:
    """The SDK would take another one in place of one that it does not know."""
    sampler = _listed(environment, "OTEL_TRACES_SAMPLER", SAMPLERS, "parentbased_always_on")
    argument = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if not (argument and sampler.endswith("traceidratio")):
        return
    try:
        is_ratio = 0.0 <= float(argument) <= 1.0
    except ValueError:
        is_ratio = False
    if not is_ratio:
        raise StartupError(f'OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1; got "{argument[:40]}"')


def _is_wanted(environment: Mapping[str, str], signal: Signal) -> bool:
    """Logs go to whatever endpoint there is (parity: upstream's); metrics and traces only where they are asked for."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if signal is Signal.LOGS and not _setting(environment, signal, "ENDPOINT"):
        return False
    default = "otlp" if signal is Signal.LOGS else "none"
    return _listed(environment, f"OTEL_{signal.value}_EXPORTER", ("otlp", "none"), default) == "otlp"


def _name(environment: Mapping[str, str], signal: Signal, name: str) -> str:
    """The variable that counts: the one for the signal goes before the one for everything."""
    specific = f"{PREFIX}{signal.value}_{name}"
    return specific if environment.get(specific) else f"{PREFIX}{name}"


def _setting(environment: Mapping[str, str], signal: Signal, name: str) -> str:
    return environment.get(_name(environment, signal, name), "").strip()


def _choice(environment: Mapping[str, str], signal: Signal, name: str, choices: tuple[str, ...], default: str) -> str:
    return _listed(environment, _name(environment, signal, name), choices, default)


def _listed(environment: Mapping[str, str], variable: str, choices: tuple[str, ...], default: str) -> str:
    value = environment.get(variable, "").strip().lower() or default
    _check(variable, value, choices)
    return value


def _check(variable: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = " or ".join(f'"{choice}"' for choice in choices)
        raise StartupError(f'unsupported {variable}: "{value[:40]}" (expected {expected})')


def _number(environment: Mapping[str, str], variable: str, default: int, most: int) -> int:
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= most):
        raise StartupError(f'{variable}: must be a whole number from 1 to {most}; got "{text[:40]}"')
    return int(text)
