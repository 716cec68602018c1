"""
What the standard variables say of the export of audit records by OTLP: whether, how, and in what portions.

Endpoints, headers and compression are read by the SDK's exporters themselves (`otlp_exporter.py`); here is what they
would ignore silently, or read in another unit than the OpenTelemetry specification. Called at the start.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from iron_proxy.errors import StartupError

PREFIX: Final = "OTEL_EXPORTER_OTLP_"
PROTOCOLS: Final = ("http/protobuf", "grpc")
# What each of the two exporters can do. They would leave out what they do not know.
_COMPRESSIONS: Final = {"http/protobuf": ("none", "gzip", "deflate"), "grpc": ("none", "gzip")}

# Every variable that the export obeys, beside the SDK's limits on attributes; each has a row in the reference.
VARIABLES: Final = (
    *(f"{PREFIX}{signal}{name}" for name in (
        "ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
        "INSECURE",
    ) for signal in ("", "LOGS_")),
    "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED", "OTEL_LOGS_EXPORTER",
    "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_EXPORT_TIMEOUT",
)  # fmt: skip

# A million records of a page each is all the memory that one would give to a queue.
_MOST_QUEUED: Final = 1_000_000
_LONGEST_MS: Final = 24 * 3600 * 1000


class OTLPSettings(NamedTuple):
    """Times in seconds. Defaults are the specification's."""

    protocol: str = "http/protobuf"
    timeout: float = 10.0            # of one export, with its retries
    schedule_delay: float = 1.0      # how long a record may wait for others
    max_queue_size: int = 2048       # records
    max_batch_size: int = 512        # likewise


def read_otlp_settings(environment: Mapping[str, str]) -> OTLPSettings | None:
    """What is to be done, or None where no endpoint is named. Raises StartupError for a value that cannot be obeyed."""
    if not (_setting(environment, "ENDPOINT") and _is_wanted(environment)):
        return None
    protocol = _choice(environment, "PROTOCOL", PROTOCOLS, "http/protobuf")
    _choice(environment, "COMPRESSION", _COMPRESSIONS[protocol], "none")
    export_timeout = _number(environment, "OTEL_BLRP_EXPORT_TIMEOUT", 30_000, _LONGEST_MS)
    timeout = _number(environment, _name(environment, "TIMEOUT"), 10_000, _LONGEST_MS)
    queue_size = _number(environment, "OTEL_BLRP_MAX_QUEUE_SIZE", 2048, _MOST_QUEUED)
    return OTLPSettings(
        protocol,
        min(timeout, export_timeout) / 1000,
        _number(environment, "OTEL_BLRP_SCHEDULE_DELAY", 1000, _LONGEST_MS) / 1000,
        queue_size,
        min(_number(environment, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 512, _MOST_QUEUED), queue_size),
    )


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_LOGS_EXPORTER", "").strip() or "otlp"
    if exporter not in ("otlp", "none"):
        raise StartupError(f'unsupported OTEL_LOGS_EXPORTER: "{exporter}" (expected "otlp" or "none")')
    return exporter == "otlp"


def _name(environment: Mapping[str, str], name: str) -> str:
    """The variable that counts: the one for logs goes before the one for everything."""
    specific = f"{PREFIX}LOGS_{name}"
    return specific if environment.get(specific) else f"{PREFIX}{name}"


def _setting(environment: Mapping[str, str], name: str) -> str:
    return environment.get(_name(environment, name), "").strip()


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _setting(environment, name).lower() or default
    if value not in choices:
        expected = " or ".join(f'"{choice}"' for choice in choices)
        raise StartupError(f'unsupported {_name(environment, name)}: "{value}" (expected {expected})')
    return value


def _number(environment: Mapping[str, str], variable: str, default: int, most: int) -> int:
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= most):
        raise StartupError(f'{variable}: must be a whole number from 1 to {most}; got "{text[:40]}"')
    return int(text)
